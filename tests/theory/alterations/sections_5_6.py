"""Other things that the claims on Section 5 might have said, and the verdict that each must meet."""

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
}
