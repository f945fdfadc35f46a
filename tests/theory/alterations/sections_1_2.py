"""Other things that the claims on Sections 1 and 2 might have said, and the verdict that each must meet."""

ALTERED = {
    "section-1.model": [
        ("(x, z, d, z, x, p)", "proved"),
        ("(x, z, d, z, x, D)", "erratum"),
        ("(x, z, d, x, x, p)", "erratum"),
        ("(z, x, d, z, x, p)", "erratum"),
        ("(x, z**2, d, z, x, p)", "undecided"),
        ("(1, 2, d, z, x, p)", "undecided"),
    ],
    "eq-1.elbo": [
        ("log_likelihood - log_prior - log_posterior", "refuted"),
        ("log_likelihood + log_prior + log_posterior", "refuted"),
        ("log_prior - log_posterior", "refuted"),
    ],
    "eq-2.target": [
        ("2*(divergence - log_likelihood)", "proved"),
        ("2*(divergence - log_likelihood) + 1", "proved"),
        ("exp(divergence - log_likelihood)", "undecided"),
        ("log_likelihood + divergence", "refuted"),
        ("-log_likelihood - divergence", "refuted"),
        ("-log_likelihood + 2*divergence", "refuted"),
    ],
    "section-2.kde-view": [
        ("1 + sigma**2", "proved"),
        ("-sigma**2", "refuted"),
        ("1", "conditional"),
        ("sigma**2/4 + sigma", "conditional"),
    ],
    "section-2.additivity": [
        ("K1 - K2", "refuted"),
        ("K1 + K2 + K1*K2", "refuted"),
        ("K1*K2", "refuted"),
        ("2*K1 + K2", "refuted"),
    ],
    "eq-4.jensen": [
        ("2*E**2", "refuted"),
        ("E", "refuted"),
        ("E**4", "refuted"),
        ("E**2/2", "proved"),
        ("-E**2", "proved"),
    ],
    "section-2.mise": [("15/16*(1 - x**2)**2", "refuted"), ("1/2", "refuted"), ("3/8*(1 + x)**2", "refuted")],
    "section-2.a1-a4": [
        ("exp(-x**2/2)/sqrt(3*pi)", "refuted"),
        ("exp(-abs(x))/2", "refuted"),
        ("exp(-x**2)/sqrt(pi)", "conditional"),
        ("1/(pi*(1 + x**2))", "conditional"),
    ],
    "section-2.a3-wording": [("(f**(1/2), f**(1/2))", "proved"), ("(f**2, f**2)", "refuted")],
    "section-2.citation": [("3", "proved"), ("23", "erratum"), ("4", "erratum"), ("99", "refuted"), ("7/2", "refuted")],
}
