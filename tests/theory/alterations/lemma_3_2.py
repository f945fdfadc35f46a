"""Other things that the claims on Lemma 3.2 might have said, and the verdict that each must meet."""

ALTERED = {
    "lemma-3.2.feasible": [
        ("3/(5*r)*(1 - ((x - mu)/r)**2)", "refuted"),
        ("3/(4*r)*(1 - ((x - mu)/r)**4)", "refuted"),
        ("3/(4*r)*(1 - (x/r)**2)", "undecided"),
    ],
    "lemma-3.2.minimum": [("4/(5*r)", "refuted"), ("3/(5*r**2)", "refuted"), ("-3/(5*r)", "refuted")],
    "lemma-3.2.optimal": [
        ("(213/280 - 240/280*((x - mu)/r)**2 + 35/280*((x - mu)/r)**4)/r", "refuted"),
        ("3/(5*r)*(1 - ((x - mu)/r)**2)", "refuted"),
    ],
    "lemma-3.2.unique": [
        ("3/(5*r)*((x - mu)/r)**2", "refuted"),
        ("(213/280 - 240/280*((x - mu)/r)**2 + 35/280*((x - mu)/r)**4)/r", "refuted"),
        ("1/(2*r)", "refuted"),
    ],
    "lemma-3.2.multipliers": [("(1/2, 1)", "refuted"), ("(3/4, 2)", "refuted"), ("(-3/4, 1)", "refuted")],
    "lemma-3.2.numeric": [
        ("4/(5*r)", "refuted"),
        ("59/(100*r)", "refuted"),
        ("0.6/r**2", "refuted"),
        ("0.5999/r", "refuted"),
        ("0.6/r", "computed"),
        ("log(-r)", "undecided"),
    ],
}
