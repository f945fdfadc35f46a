"""Other things that the claims on Algorithm 2 might have said, and the verdict that each must meet."""

ALTERED = {
    "algorithm-2.median": [("3/4*(1 - t**4)", "refuted"), ("1/2", "refuted"), ("3/4*(1 + t**2)", "refuted")],
    "algorithm-2.inverse": [("2*sin(asin(2*p - 1)/2)", "refuted"), ("-2*sin(asin(2*p - 1)/3)", "refuted")],
}
