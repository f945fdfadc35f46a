"""Other things that the claims on equation (9) and on Algorithms 1 and 2 might have said, with their verdicts."""

ALTERED = {
    "eq-9.convolution": [
        ("3/(4*r)*(1 - (((z - t)/b - mu)/r)**2)/(2*B)", "refuted"),
        ("3/(4*b*r)*(1 - (((z - t)/b + mu)/r)**2)/(2*B)", "refuted"),
        ("3/(4*b*r)*(1 - (((z - t)/b - mu)/r)**2)/B", "refuted"),
        ("3/(8*b*r*B)*(1 - (z - t - b*mu)**2/(b*r)**2)", "proved"),
        ("3/(4*b*r)*abs(1 - (((z - t)/b - mu)/r)**2)/(2*B)", "proved"),
        ("3/(4*b*r)*(1 - abs(((z - t)/b - mu)/r)**3)/(2*B)", "refuted"),
    ],
    "eq-10.update": [
        ("V", "proved"),
        ("V/(1 + b**2)", "proved"),
        ("V - V*b**2*r**2/(5*V + b**2*r**2)", "proved"),
        ("b**2*r**2/5", "undecided"),
        ("V + b**2*r**2/3", "refuted"),
        ("V + (b*r)**2/5", "refuted"),
        ("V*(1 + b**2*r**2/(5*V))", "refuted"),
        ("0.2*b**2*r**2 + V", "refuted"),
    ],
    "algorithm-1.moments": [
        ("(b*mu, b**2*r**2/5 + B**2/12)", "refuted"),
        ("(b*mu, b**2*r**2/5 - B**2/3)", "refuted"),
        ("(mu, b**2*r**2/5 + B**2/3)", "refuted"),
        ("(b*mu, b*r**2/5 + B**2/3)", "refuted"),
    ],
    "algorithm-2.median": [
        ("3/4*(1 - t**4)", "refuted"),
        ("1/2", "refuted"),
        ("3/4*(1 + t**2)", "refuted"),
        ("3/4*abs(1 - t**2)", "proved"),
    ],
    "algorithm-2.inverse": [
        ("2*sin(asin(2*p - 1)/2)", "refuted"),
        ("-2*sin(asin(2*p - 1)/3)", "refuted"),
        ("2*sin(asin(2*p - 1)/3) + abs(p - 1) + p - 1", "proved"),
    ],
}
