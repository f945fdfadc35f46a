"""Other things that the claims on Section 4 might have said, and the verdict that each must meet."""

ALTERED = {
    "eq-7.sign": [
        ("-log_likelihood + penalty", "proved"),
        ("log_likelihood - penalty", "erratum"),
        ("-log_likelihood - penalty", "erratum"),
        ("-log_likelihood + 2*penalty", "refuted"),
        ("-log_likelihood + penalty + 1", "proved"),
        ("2*penalty - 2*log_likelihood", "proved"),
        ("-log_likelihood*penalty", "undecided"),
    ],
    "section-4.upper-bound": [
        ("6*B/(5*M*r)", "refuted"),
        ("3*B/(5*r)", "refuted"),
        ("-log(2*B) + log(2*pi)/2 + (b**2*mu**2 + b**2*r**2/5 + B**2/3)/2", "proved"),
        ("-log(3*B) + log(2*pi)/2 + (b**2*mu**2 + b**2*r**2/5 + B**2/3)/2", "refuted"),
        ("1000000", "undecided"),
    ],
    "section-4.n-choice": [("(100, 100)", "proved"), ("(50000, 100)", "conditional"), ("(60000, -100)", "refuted")],
    "eq-8.penalty": [
        ("3/(5*M)*B*r", "refuted"),
        ("-3/(5*M)*B/r", "refuted"),
        ("6/(5*M)*B/r", "refuted"),
        ("3/(5*M)*B/r**2", "refuted"),
    ],
    "section-4.shifted-kernel": [("0", "proved"), ("1/2", "conditional")],
    "section-4.step-size": [
        ("(0.3604, 2/9)", "refuted"),
        ("(0.35940, 2/9)", "refuted"),
        ("(0.35938, 2/9)", "conditional"),
        ("(0.3388, 0.235)", "proved"),
        ("(0.6310, 1/10)", "refuted"),
        ("(0.1, 1/2)", "conditional"),
    ],
    "section-4.uniform-prior": [
        ("3/5", "conditional"),
        ("1/2", "refuted"),
        ("0.235", "refuted"),
        ("-1", "undecided"),
        ("10**40", "undecided"),
    ],
    "section-4.b-stabilises": [
        ("3/(5*M*r)", "proved"),
        ("-log(2*B)", "proved"),
        ("3*B**2/(5*M*r)", "refuted"),
        ("1/(r*B)", "undecided"),
    ],
    "section-4.r-small": [
        ("-3*B/(5*M*r)", "refuted"),
        ("3*B*r/(5*M)", "refuted"),
        ("-3*B*r/(5*M)", "proved"),
        ("3*B/(5*M*r**2)", "conditional"),
    ],
    "section-4.prior-of-x": [("(B1, B1)", "proved"), ("(B1, 2*B1)", "conditional"), ("(-1, -1)", "refuted")],
}
