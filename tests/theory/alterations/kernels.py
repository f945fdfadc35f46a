"""Other things that the claims on the kernels might have said, and the verdict that each must meet."""

ALTERED = {
    "kernel.table": [
        ("(0.6, 0.600330, 0.603682, 0.608099, 0.608581, 0.6307830, 0.645497, 0.675963)", "refuted"),
        ("(0.6, 0.600330, 0.603682, 0.608099, 0.608581, 0.630784, 0.645497, 0.675963)", "refuted"),
        ("(0.6, 0.603682, 0.600330, 0.608099, 0.608581, 0.630783, 0.645497, 0.675963)", "refuted"),
        ("(3/5, 0.6003296, 0.603682, 0.608099, 0.6085806, 0.630783, 0.645497, 0.675963)", "proved"),
    ],
    "kernel.epanechnikov": [
        ("3/4*(1 - x**4)", "refuted"),
        ("3/5*(1 - x**2)", "refuted"),
        ("1/2", "refuted"),
        ("3/4*(1 - x**2) + x/4", "refuted"),
    ],
    "kernel.location-scale": [("(mu, r**2/3)", "refuted"), ("(0, r**2/5)", "refuted"), ("(mu, r/5)", "refuted")],
    "kernel.gaussian-a1": [
        ("exp(-x**2/2)/sqrt(2*pi)", "proved"),
        ("exp(-x**2)/sqrt(2*pi)", "refuted"),
        ("1/(pi*(1 + x**2))", "refuted"),
        ("exp(-(x - mu)**2/sigma**2)/sqrt(pi*sigma**2)", "conditional"),
        ("1/(4*sigma*cosh((x - mu)/(2*sigma))**2)", "conditional"),
        ("1/(4*cosh(x/2)**2)", "proved"),
        ("1/(2*cosh(pi*x/2))", "proved"),
    ],
    "kernel.figure-s1": [
        ("(3/4*(1 - x**2), exp(-x**2)/sqrt(pi))", "refuted"),
        ("(3/4*(1 - x**4), exp(-x**2/2)/sqrt(2*pi))", "refuted"),
    ],
}
