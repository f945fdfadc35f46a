"""Other things that the claims on Lemma 2.1 might have said, and the verdict that each must meet."""

ALTERED = {
    "lemma-2.1.bound": [("u**3", "refuted"), ("u**4", "refuted"), ("u**2 + u**4", "conditional")],
    "lemma-2.1.sharp-constant": [
        ("1/2", "refuted"),
        ("log(2)", "refuted"),
        ("1/2 + C/5", "refuted"),
        ("1", "proved"),
        ("exp(C)", "proved"),
        ("((1 - C)*log(1 - C) + C)/C**2", "proved"),
    ],
    "lemma-2.1.no-condition": [
        ("chi2/2", "refuted"),
        ("chi2**2", "refuted"),
        ("chi2 - 1", "refuted"),
        ("log(1 + chi2)", "proved"),
        ("chi2 + chi2**2", "proved"),
        ("chi2 + 1/chi2", "undecided"),
        ("log(2 + chi2)", "proved"),
    ],
    "lemma-2.1.taylor": [
        ("(x-1) + (x-1)**2/2 - (x-1)**3/6 + (x-1)**4/12", "proved"),
        ("(x-1) + (x-1)**2/2 - (x-1)**3/6", "proved"),
        ("(x-1) + (x-1)**2/2 + (x-1)**3/6", "erratum"),
        ("(x-1) - (x-1)**2/2 - (x-1)**3/6", "refuted"),
        ("1 + (x-1) + (x-1)**2/2", "refuted"),
        ("0", "undecided"),
    ],
    "lemma-2.1.series-constant": [
        ("1/(k*(k-1))", "proved"),
        ("1", "conditional"),
        ("1/factorial(k)/2", "erratum"),
        ("1/k**2", "erratum"),
        ("(-2)**k/(4*k*(k-1))", "undecided"),
        ("2/(k*(k-1))", "proved"),
    ],
}
