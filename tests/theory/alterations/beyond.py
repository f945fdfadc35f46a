"""Other things that the claims beyond the paper might have said, and the verdict that each must meet."""

_KL = "-log(2*B) - b*r/B*(9/4 - 27/16*log(3)) + log(2*pi)/2 + (b**2*mu**2 + b**2*r**2/5 + B**2/3)/2"
_WIDE = "(1 - 9*b*r/(35*B))/(2*B)"
_NARROW = "(3/5 - (B/(b*r))**2/2 + 3*(B/(b*r))**3/10 - (B/(b*r))**5/35)/(b*r)"

ALTERED = {
    "beyond.repaired-bound": [
        ("(l*I, log(l*I))", "refuted"),
        ("(l*I + 1, log(l*I))", "refuted"),
        ("(l*I - 1, log(l*I - 1))", "refuted"),
        ("(l**2*I - 1, log(l*I))", "refuted"),
    ],
    "beyond.direct-kl": [
        ("log(r) - (5/3 - log(3)) + log(2*pi)/2 + (mu**2 + r**2/5)/2", "refuted"),
        ("-log(r) - (5/3 - log(3)) + log(2*pi)/2 + (mu**2 + r**2/3)/2", "refuted"),
        ("-log(r) - (5/3 - log(2)) + log(2*pi)/2 + (mu**2 + r**2/5)/2", "refuted"),
        ("log(3/r) - 5/3 + log(2*pi)/2 + mu**2/2 + r**2/10", "proved"),
    ],
    "beyond.exact-kl-evae": [
        (f"({_KL} - B**2, {_WIDE}, {_NARROW})", "refuted"),
        (f"({_KL.replace('9/4', '9/8')}, {_WIDE}, {_NARROW})", "refuted"),
        (f"({_KL}, {_WIDE.replace('9*b', '3*b')}, {_NARROW})", "refuted"),
        (f"({_KL}, {_WIDE}, {_NARROW.replace('- (B/(b*r))**5', '+ (B/(b*r))**5')})", "refuted"),
    ],
    "beyond.chi2-identity": [
        ("exp(b*U*V)", "refuted"),
        ("exp(-b**2*U*V)", "refuted"),
        ("exp(b**2*U*V/2)", "refuted"),
        ("exp(b*U)**(b*V)", "proved"),
        ("exp(b**2*U*V) + U - V", "proved"),
        ("exp(b**2*U*V) + U*V", "refuted"),
    ],
    "beyond.three-criteria": [
        ("(cosh(t), (t - log(1 + t))/2)", "refuted"),
        ("(1/sqrt(1 - t**2) - 1, (t - log(1 + t))/2)", "refuted"),
        ("(cosh(t) - 1, (t + log(1 + t))/2)", "refuted"),
        ("(cosh(t) - 1, t - log(1 + t))", "refuted"),
    ],
    "beyond.aggregate": [
        ("3*(sin(t) - t*cos(t))/t**3", "refuted"),
        ("exp(-b**2*t**2/2)", "refuted"),
        ("cos(b*t)", "refuted"),
        ("abs(t)/t", "refuted"),
        ("-1", "refuted"),
    ],
}
