"""Names and defaults of the goodness-of-fit test; imports nothing heavy."""

from __future__ import annotations

from foundation.errors import InputError

NULLS = ("density", "smoothed")
"""What the estimate may be compared with."""

ADAPTIVE = "adaptive"
"""The name of the grid of bandwidths that depends on the density and on m."""

DEFAULT_BANDWIDTH = "m^-0.235"
"""Inside the window of Theorem 3.1."""

SIGNIFICANCE = 0.05
"""The level at which the result in words rejects."""


def require_level(alpha: float) -> None:
    """Raise an `InputError` unless ``alpha`` is a level of a test, between 0 and 1."""
    if not 0 < alpha < 1:
        raise InputError(f"alpha must be between 0 and 1, got {alpha}. The usual level is 0.05.")
