"""Assessment of a user-supplied kernel: its constants, the conditions of A1, its efficiency against the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from sympy import Expr, Integer, Rational, oo, sqrt

from foundation.errors import InputError
from theory.algebra import decisions, expressions
from theory.algebra.balls import ball_of
from theory.algebra.evidence import Evidence, assumptions_document
from theory.kernels import EPANECHNIKOV, UNIFORM, Kernel, Piece, assumption_a1, x

_INFINITE = {"oo": oo, "inf": oo, "-oo": -oo, "-inf": -oo}


@dataclass(frozen=True)
class KernelAssessment:
    """The constants of a kernel, the conditions of assumption A1, and its efficiencies.

    Attributes
    ----------
    kernel : Kernel
    conditions : tuple of Condition
        The conditions of assumption A1.
    efficiency : sympy.Expr
        The minimum of I(K) sqrt(mu_2), attained by the Epanechnikov kernel, divided by the value for this kernel: the
        fraction of the sample that the optimal kernel needs for the same asymptotic error. At most 1.
    convolution_efficiency : sympy.Expr
        The same ratio for J(K) sigma, whose minimum is attained by the uniform kernel: it compares variances of T_m.
    """

    kernel: Kernel
    conditions: tuple[Evidence, ...]
    efficiency: Expr
    convolution_efficiency: Expr

    @property
    def constants(self) -> dict[str, Expr]:
        """The kernel's constants by name."""
        kernel = self.kernel
        return {
            "mean": kernel.mean,
            "variance": kernel.variance,
            "roughness": kernel.roughness,
            "convolution_roughness": kernel.convolution_roughness,
            "entropy": kernel.entropy,
            "efficiency": self.efficiency,
            "convolution_efficiency": self.convolution_efficiency,
        }

    def document(self) -> dict[str, Any]:
        """Return the assessment as ``--json`` writes it, with each constant as an exact expression and as a number."""
        lower, upper = self.kernel.support
        return {
            "density": str(self.kernel.pieces[0].density),
            "support": [str(lower), str(upper)],
            "constants": {name: {"exact": _exactly(v), "value": _number(v)} for name, v in self.constants.items()},
            "assumptions": assumptions_document(self.conditions),
        }

    def table(self) -> RenderableType:
        """Return the assessment as tables for a terminal."""
        constants = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("constant", "value", "exactly"):
            constants.add_column(column, overflow="fold")
        for name, value in self.constants.items():
            number = _number(value)
            constants.add_row(
                name.replace("_", " "),
                "-" if number is None else f"{number:.8g}",
                Text(_exactly(value) or "no closed form found"),
            )
        conditions = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("assumption", "", "why"):
            conditions.add_column(column, overflow="fold")
        for condition in self.conditions:
            mark = Text("holds", style="green") if condition.holds else Text("fails", style="red")
            conditions.add_row(condition.statement, mark, Text(condition.detail))
        return Group(constants, Text(), conditions)


def assess_kernel(density: str, support: str) -> KernelAssessment:
    """Assess the kernel with the given density.

    Parameters
    ----------
    density : str
        An expression in x, as in ``"15/16*(1 - x**2)**2"``.
    support : str
        The ends of its support, as in ``"-1,1"`` or ``"-oo,oo"``.

    Raises
    ------
    InputError
        If ``density`` is not an expression, is negative somewhere, does not integrate to 1, has no finite variance, or
        has integrals without a closed form; the message says which.

    Examples
    --------
    >>> assess_kernel("15/16*(1 - x**2)**2", "-1,1").constants["roughness"]
    5/7
    """
    lower, upper = _parse_support(support)
    expression = expressions.parse(density, {"x": x})
    if isinstance(expression, sympy.Tuple):
        raise InputError(f"--density must be one expression in x, got {density!r}.")
    kernel = Kernel("yours", (Piece(lower, upper, expression),))
    _require_nonnegative(kernel, density)
    _require_density(kernel, density)
    # The minima of I(K) sqrt(mu_2) and J(K) sigma, each attained by a kernel of the table.
    least, least_convolution = (
        EPANECHNIKOV.roughness * sqrt(EPANECHNIKOV.variance),
        UNIFORM.convolution_roughness * sqrt(UNIFORM.variance),
    )
    return KernelAssessment(
        kernel,
        assumption_a1(kernel),
        sympy.simplify(least / (kernel.roughness * sqrt(kernel.variance))),
        sympy.simplify(least_convolution / (kernel.convolution_roughness * sqrt(kernel.variance))),
    )


def assess_kernel_completely(density: str, support: str) -> KernelAssessment:
    """Assess a kernel as `assess_kernel` does, and compute every constant before returning.

    Constants are otherwise computed on first use. Some integrals keep sympy busy without end, so a time limit on this
    call covers them all.
    """
    assessment = assess_kernel(density, support)
    _ = assessment.constants
    return assessment


def _parse_support(support: str) -> tuple[Expr, Expr]:
    parts = [part.strip() for part in support.split(",")]
    if len(parts) != 2:
        raise InputError(f"--support must be two ends, got {support!r}. Try -1,1 or -oo,oo.")
    lower, upper = (_INFINITE[part] if part in _INFINITE else expressions.parse(part, {}) for part in parts)
    if not lower < upper:
        raise InputError(f"--support must have the lower end first, got {support!r}. Try -1,1.")
    return lower, upper


def _require_nonnegative(kernel: Kernel, text: str) -> None:
    lower, upper = kernel.support
    density = kernel.pieces[0].density
    if kernel.polynomial is not None:
        answer = decisions.keeps_nonnegative(density, x, lower, upper)
        if not answer:
            raise InputError(f"a kernel must be nonnegative, but {text!r} is negative somewhere: {answer.detail}.")
        return
    # Without an exact count of sign changes a certified negative value on a grid is enough to refuse the kernel.
    for point in _grid(lower, upper):
        if ball_of(density, {x: ball_of(point)}) < 0:
            raise InputError(f"a kernel must be nonnegative, but {text!r} is negative at x = {sympy.N(point, 4)}.")


def _grid(lower: Expr, upper: Expr) -> Sequence[Expr]:
    """Return points of the support, equally spaced if it is bounded and denser near 0 or the finite end if not."""
    shares = [Rational(k, 128) for k in range(1, 128)]
    if lower.is_finite and upper.is_finite:
        return [lower + (upper - lower) * share for share in shares]
    reach = [share / (1 - share) for share in shares]
    if lower.is_finite:
        return [lower + distance for distance in reach]
    if upper.is_finite:
        return [upper - distance for distance in reach]
    return [*reach, *(-distance for distance in reach), Integer(0)]


def _require_density(kernel: Kernel, text: str) -> None:
    total, moment = kernel.total, kernel.second_moment
    if total.has(sympy.Integral) or moment.has(sympy.Integral) or total is sympy.nan:
        raise InputError(f"cannot assess {text!r}: sympy finds no closed form for its integrals.")
    if sympy.simplify(total - 1) != 0:
        hint = f" Divide it by {total}." if total.is_finite and total != 0 else ""
        raise InputError(f"a kernel must integrate to 1, got {total} for {text!r}.{hint}")
    if not moment.is_finite:
        raise InputError(f"a kernel must have a finite variance, got {moment} as the integral of x^2 K for {text!r}.")


def _exactly(value: Expr) -> str | None:
    """Return the value as an exact expression, or None where sympy left an integral unevaluated."""
    return None if value.has(sympy.Integral) else str(value)


def _number(value: Expr) -> float | None:
    """Return the value as a float, or None where sympy left an integral unevaluated."""
    return None if value.has(sympy.Integral) else float(value)
