"""A user's own kernel, judged: its constants, the assumptions that it meets, its efficiency against the optimum."""

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
class Judgement:
    """What is to be said of a kernel.

    Attributes
    ----------
    kernel : Kernel
    conditions : tuple of Evidence
        Those of assumption A1.
    efficiency : sympy.Expr
        The least I(K) sqrt(mu_2), the Epanechnikov kernel's, over this one's: the share of a sample that the optimal
        kernel needs for the same asymptotic error. At most 1.
    convolution_efficiency : sympy.Expr
        The least J(K) sigma, the uniform kernel's, over this one's, likewise for the variance of T_m.
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
        """Return the judgement as ``--json`` writes it: each constant exactly and as a number."""
        lower, upper = self.kernel.support
        return {
            "density": str(self.kernel.pieces[0].density),
            "support": [str(lower), str(upper)],
            "constants": {name: {"exact": _exactly(v), "value": _number(v)} for name, v in self.constants.items()},
            "assumptions": assumptions_document(self.conditions),
        }

    def table(self) -> RenderableType:
        """Return the judgement as tables for a terminal."""
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


def judge(density: str, support: str) -> Judgement:
    """Judge the kernel with this density.

    Parameters
    ----------
    density : str
        An expression in x, as in ``"15/16*(1 - x**2)**2"``.
    support : str
        Its ends, as in ``"-1,1"`` or ``"-oo,oo"``.

    Raises
    ------
    InputError
        If ``density`` is no expression, is negative somewhere, does not integrate to 1, has no finite variance, or is
        beyond what can be integrated; the sentence says which.

    Examples
    --------
    >>> judge("15/16*(1 - x**2)**2", "-1,1").constants["roughness"]
    5/7
    """
    lower, upper = _ends(support)
    expression = expressions.parse(density, {"x": x})
    if isinstance(expression, sympy.Tuple):
        raise InputError(f"--density takes one expression in x, got {density!r}.")
    kernel = Kernel("yours", (Piece(lower, upper, expression),))
    _require_nonnegative(kernel, density)
    _require_density(kernel, density)
    least, least_convolution = (
        EPANECHNIKOV.roughness * sqrt(EPANECHNIKOV.variance),
        UNIFORM.convolution_roughness * sqrt(UNIFORM.variance),
    )
    return Judgement(
        kernel,
        assumption_a1(kernel),
        sympy.simplify(least / (kernel.roughness * sqrt(kernel.variance))),
        sympy.simplify(least_convolution / (kernel.convolution_roughness * sqrt(kernel.variance))),
    )


def judge_whole(density: str, support: str) -> Judgement:
    """As `judge`, with every constant worked out, so that a limit of time holds for all: some take sympy for ever."""
    judgement = judge(density, support)
    _ = judgement.constants
    return judgement


def _ends(support: str) -> tuple[Expr, Expr]:
    parts = [part.strip() for part in support.split(",")]
    if len(parts) != 2:
        raise InputError(f"--support takes two ends, as in -1,1 or -oo,oo; got {support!r}.")
    lower, upper = (_INFINITE[part] if part in _INFINITE else expressions.parse(part, {}) for part in parts)
    if not lower < upper:
        raise InputError(f"--support needs the lower end first, as in -1,1; got {support!r}.")
    return lower, upper


def _require_nonnegative(kernel: Kernel, text: str) -> None:
    lower, upper = kernel.support
    density = kernel.pieces[0].density
    if kernel.polynomial is not None:
        answer = decisions.keeps_nonnegative(density, x, lower, upper)
        if not answer:
            raise InputError(f"{text!r} is no kernel, for it is negative somewhere: {answer.detail}.")
        return
    for point in _grid(lower, upper):
        if ball_of(density, {x: ball_of(point)}) < 0:
            raise InputError(f"{text!r} is no kernel, for it is negative at x = {sympy.N(point, 4)}.")


def _grid(lower: Expr, upper: Expr) -> Sequence[Expr]:
    """Return points of the support, closer together where it is narrow."""
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
        raise InputError(f"{text!r} cannot be judged: its integrals have no closed form that sympy finds.")
    if sympy.simplify(total - 1) != 0:
        hint = f" Divide it by {total}." if total.is_finite and total != 0 else ""
        raise InputError(f"{text!r} is no kernel, for it integrates to {total}, not to 1.{hint}")
    if not moment.is_finite:
        raise InputError(f"{text!r} has an infinite variance: the integral of x^2 K is {moment}.")


def _exactly(value: Expr) -> str | None:
    return None if value.has(sympy.Integral) else str(value)


def _number(value: Expr) -> float | None:
    """Return the value as a float, or None where sympy left an integral that it cannot do."""
    return None if value.has(sympy.Integral) else float(value)
