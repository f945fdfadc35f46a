"""Other things that the claims on Theorem 3.1 might have said, and the verdict that each must meet."""

ALTERED = {
    "theorem-3.1.mean": [
        ("I*W/2", "refuted"),
        ("I*W**2", "refuted"),
        ("I*W + 1/1000000", "refuted"),
        ("3/5*W", "refuted"),
        ("W/(1/I)", "proved"),
    ],
    "theorem-3.1.expansion": [
        ("I*W + b*S + m*b**5*mu2**2/4*Q", "refuted"),
        ("I*W - b*S + m*b**5*mu2**2/2*Q", "refuted"),
        ("I*W - b*S + m*b**4*mu2**2/4*Q", "refuted"),
        ("I*W - b*S + m*b**5*mu2**2/4*Q + 7*b**2*Q - m*b**6 + sqrt(m)*b**4", "proved"),
        ("I*W - b*S + m*b**5*mu2**2/4*Q + sqrt(m)*b**3", "refuted"),
        ("I*W - b*S + m*b**5*mu2**2/4*Q + log(1 + b)", "undecided"),
    ],
    "theorem-3.1.exact-mean": [
        ("(0.4784478376319, 0.5177454036465, 0.5407631302338, 0.55415515716340)", "refuted"),
        ("(0.47844783763191809192, 0.51775, 0.5407631302338, 0.5541551571634)", "proved"),
        ("(0.4784478376319, 0.5177454036465, 0.5407631302338, 0.5541551571635)", "refuted"),
        ("(0.4784478376329, 0.5177454036465, 0.5407631302338, 0.5541551571634)", "refuted"),
    ],
    "theorem-3.1.variance": [
        ("2.1*J*S", "refuted"),
        ("1.9*J*S", "refuted"),
        ("2*J*S**1.05", "refuted"),
        ("S*(J + J)", "pending"),
        ("log(-J)", "undecided"),
    ],
    "theorem-3.1.normality": [("1/20", "refuted"), ("-0.05", "refuted"), ("log(1)", "pending")],
    "theorem-3.1.bandwidth-window": [
        ("(n**(-1/5), n**(-2/9))", "refuted"),
        ("(n**(-2/9), n**(-2/9))", "refuted"),
        ("(n**(-1/4), n**(-2/9))", "proved"),
        ("(100*n**(-1/4), n**(-2/9))", "conditional"),
        ("(10**20*n**(-1/4), n**(-2/9))", "undecided"),
        ("(-n**(-1/4), n**(-2/9))", "undecided"),
    ],
}
