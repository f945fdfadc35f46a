"""Exact and enclosed arithmetic: decisions with reasons, balls, a grammar for formulas, piecewise polynomials."""
