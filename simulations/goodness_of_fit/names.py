"""Names and defaults of the goodness-of-fit test; imports nothing heavy."""

NULLS = ("density", "smoothed")
"""What the estimate may be compared with."""

ADAPTIVE = "adaptive"
"""The name of the grid of bandwidths that depends on the density and on m."""

DEFAULT_BANDWIDTH = "m^-0.235"
"""Inside the window of Theorem 3.1."""

SIGNIFICANCE = 0.05
"""The level at which the result in words rejects."""
