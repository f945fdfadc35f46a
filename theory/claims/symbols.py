"""Notation shared by several parts of the paper: symbols, and the printed step size."""

import sympy
from sympy import Rational

MU = sympy.Symbol("mu", real=True)
"""The mean of a kernel; that of a posterior is b mu."""
R = sympy.Symbol("r", positive=True)
"""The half-width of a kernel's support."""
SIGMA = sympy.Symbol("sigma", positive=True)
"""The standard deviation of a kernel."""
ROUGHNESS = sympy.Symbol("I", positive=True)
"""The roughness of a kernel, the integral of K^2."""

B_STEP = sympy.Symbol("b", positive=True)
"""The bandwidth b(m), which is the step size of Section 4."""
M = sympy.Symbol("m", positive=True)
"""The number of draws from the prior."""
N = sympy.Symbol("n", positive=True)
"""The n of the rates in Theorem 3.1, and of equation (6)."""
MINIBATCH = sympy.Symbol("M", positive=True)
"""The size of the minibatch."""

Z = sympy.Symbol("z", real=True)
"""A coordinate of a code."""
HALF_WIDTH = sympy.Symbol("B", positive=True)
"""The half-width of the uniform prior."""
EXCESS = sympy.Symbol("d", positive=True)
"""The excess of one length over another."""

LIKELIHOOD = sympy.Symbol("log_likelihood", real=True)
"""The logarithm of p(x|z)."""
MEAN = sympy.Symbol("E", real=True)
"""The mean of the density estimate at a point, or of its error there."""
u = sympy.Symbol("u", real=True)
"""The deviation q/p - 1 of one density from another."""

PAPER_STEP = Rational(3594, 10000)
"""The step size that Section 4 prints for b(100)."""
