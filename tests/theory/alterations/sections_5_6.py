"""Other things that the claims on Sections 5 and 6 might have said, and the verdict that each must meet."""

ALTERED = {
    "table.wins-fid": [("15", "proved"), ("14", "erratum"), ("12", "refuted"), ("31/2", "undecided")],
    "table.wins-sharpness": [("13", "erratum"), ("16", "refuted"), ("10", "refuted")],
    "table.sharpness-64": [("(64, 16)", "proved"), ("(32, 32)", "refuted"), ("(64, 8)", "refuted")],
    "table.sharpness-cifar": [("16", "refuted"), ("64", "refuted"), ("8", "refuted"), ("48", "undecided")],
    "section-5.compact-support": [
        ("support", "proved"),
        ("target", "refuted"),
        ("-support", "refuted"),
        ("support + 1", "refuted"),
        ("2*support", "proved"),
        ("2*support - target", "conditional"),
        ("support*target", "refuted"),
    ],
    "section-5.main-differences": [("(2, 2)", "proved"), ("(4, 2)", "refuted"), ("(3, 1)", "refuted")],
    "section-5.fid-closeness": [
        ("(x1 - y1)**2/2 + (x2 - y2)**2/2", "proved"),
        ("((x1 + x2)/2 - (y1 + y2)/2)**2", "conditional"),
        ("(x1 + x2 - y1 - y2)**2", "refuted"),
    ],
    "section-6.constant-b": [("3/5*B/M*r", "refuted"), ("-3/5*B/M/r", "refuted"), ("3/5*B/(M*r)", "conditional")],
    "section-6.uniform-minimises-j": [("3/4*(1 - x**2)", "refuted"), ("1", "refuted")],
    "section-6.higher-order": [
        ("u**2/2 - u**3/6 + u**4/3", "proved"),
        ("u**2", "proved"),
        ("u**2/2", "conditional"),
        ("u**2/2 - u**3/6 + u**4/24", "refuted"),
        ("u**2/2 - u**3/6 + u**4/12 - u**5/20 + u**6/5", "proved"),
        ("u**2/2 - u**3/6", "refuted"),
        ("u**2 + u**3", "undecided"),
        ("u**2/3", "refuted"),
        ("1", "undecided"),
        ("exp(u)", "undecided"),
    ],
    "section-6.citation": [("24", "proved"), ("15", "erratum"), ("99", "refuted"), ("24/5", "refuted")],
}
