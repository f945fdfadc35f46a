"""Exact and enclosed arithmetic: decisions with reasons, balls, a grammar of formulas, piecewise polynomials."""
