"""Polynomials, compiled."""

from __future__ import annotations

from simulations.compiled import Array, compiled


@compiled
def horner(coefficients: Array, at: float) -> float:
    """Evaluate a polynomial whose coefficients stand from the constant to the highest power."""
    value = coefficients[-1]
    for k in range(coefficients.size - 2, -1, -1):
        value = value * at + coefficients[k]
    return value
