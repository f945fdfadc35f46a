"""Other things that the claims on equation (6) and Section 3 might have said, and the verdict that each must meet."""

ALTERED = {
    "section-3.gain": [("15/16*(1 - x**2)**2", "refuted"), ("1/2", "refuted"), ("1 - x**2", "refuted")],
    "eq-6.selection": [
        ("V + S", "proved"),
        ("S", "proved"),
        ("3*V", "refuted"),
        ("V*S", "undecided"),
        ("exp(V)", "undecided"),
    ],
    "eq-6.constant": [
        ("(100**(9/7), 100, 100**(-2/7))", "proved"),
        ("(200, 100, 200**(-2/9))", "conditional"),
        ("(100, 100, 1/2)", "erratum"),
        ("(100, 10, 100**(-2/9))", "proved"),
        ("(-100, 100, -1)", "refuted"),
    ],
    "eq-6.n-large": [("m", "proved"), ("b", "refuted"), ("m*n", "undecided")],
    "eq-6.interval-length": [
        ("(2*B, -B, B)", "proved"),
        ("(B, -B/2, B/2)", "proved"),
        ("(B, 0, 2*B)", "erratum"),
        ("(B**2, -B, B)", "refuted"),
        ("(B, B, -B)", "refuted"),
        ("(0, B, B)", "refuted"),
    ],
    "eq-6.bound": [
        ("(-2*B, 2*B)", "refuted"),
        ("(-(B + b*r + b*mu**2 + b), B + b*r + b*mu**2 + b)", "undecided"),
        ("(b*mu - b*r - B, b*mu + b*r)", "refuted"),
        ("(b*mu - b*r - B, b*mu + b*r + B)", "conditional"),
        ("(-b*(abs(mu) + r) - B, b*(abs(mu) + r) + B)", "conditional"),
    ],
    "section-3.scale": [
        ("I*sigma", "proved"),
        ("I**2", "conditional"),
        ("I + sigma", "undecided"),
        ("5", "refuted"),
        ("1/(I*sigma)", "refuted"),
        ("sigma", "refuted"),
        ("I/sigma", "conditional"),
    ],
    "section-3.weight": [("p", "proved"), ("p**2", "proved"), ("1/p**2", "refuted"), ("sqrt(p)", "undecided")],
    "section-3.weight-window": [("I*abs(c - d)", "proved"), ("I*(d - c)**2", "refuted"), ("I*(d + c)", "refuted")],
    "section-3.infinite-support": [
        ("z**2/2", "refuted"),
        ("-z**3", "refuted"),
        ("-z**4 + z", "proved"),
        ("-abs(z)", "undecided"),
    ],
}
