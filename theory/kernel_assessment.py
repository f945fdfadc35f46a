"""Assessment of a user-supplied kernel: its constants, the conditions of A1, its efficiency against the optimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import sympy
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from sympy import Expr, sqrt

from foundation.errors import InputError
from theory.algebra import expressions
from theory.algebra.evidence import Evidence, assumptions_document
from theory.algebra.expressions import read_support
from theory.algebra.verified_integrals import closed_forms_within, is_exact, simplified
from theory.kernel_examination import require_density, require_nonnegative
from theory.kernels import EPANECHNIKOV, UNIFORM, Kernel, Piece, assumption_a1, x

CONSTANTS = ("mean", "variance", "roughness", "convolution_roughness", "entropy")

EFFICIENCIES = ("efficiency", "convolution_efficiency")


@dataclass(frozen=True)
class KernelAssessment:
    """The constants of a kernel, the conditions of assumption A1, and its efficiencies.

    Attributes
    ----------
    kernel : Kernel
    conditions : tuple of Evidence
        The conditions of assumption A1.
    """

    kernel: Kernel
    conditions: tuple[Evidence, ...]

    @cached_property
    def constants(self) -> dict[str, Expr | None]:
        """The kernel's constants by name: in closed form, as a `sympy.Float` that is enclosed, or None.

        Each is compared with a rigorous enclosure. None stands for a constant that is neither found in closed form nor
        enclosed.
        """
        known = {name: _known(partial(getattr, self.kernel, name)) for name in CONSTANTS}
        return known | {name: _known(partial(getattr, self, name)) for name in EFFICIENCIES}

    @cached_property
    def efficiency(self) -> Expr:
        """The minimum of I(K) sqrt(mu_2), attained by the Epanechnikov kernel, divided by the value for this kernel.

        It is the fraction of the sample that the optimal kernel needs for the same asymptotic error, at most 1.
        """
        kernel, best = self.kernel, EPANECHNIKOV
        return simplified(best.roughness * sqrt(best.variance) / (kernel.roughness * sqrt(kernel.variance)))

    @cached_property
    def convolution_efficiency(self) -> Expr:
        """The same ratio for J(K) sigma, whose minimum is attained by the uniform kernel: for variances of T_m.

        An `InputError` is raised if J(K) is neither found in closed form nor enclosed.
        """
        kernel, best = self.kernel, UNIFORM
        least = best.convolution_roughness * sqrt(best.variance)
        return simplified(least / (kernel.convolution_roughness * sqrt(kernel.variance)))

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
            constants.add_row(name.replace("_", " "), *map(Text, _cells(value)))
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
        If ``density`` is not an expression, is not real or negative somewhere, does not integrate to 1, has no finite
        variance, or has integrals that cannot be verified; the message says which.

    Examples
    --------
    >>> assess_kernel("15/16*(1 - x**2)**2", "-1,1").constants["roughness"]
    5/7
    """
    lower, upper = read_support(support, "--support")
    expression = expressions.parse(density, {"x": x}, switches=True)
    if isinstance(expression, sympy.Tuple):
        raise InputError(f"--density must be one expression in x, got {density!r}.")
    kernel = Kernel("yours", (Piece(lower, upper, expression),))
    with closed_forms_within():
        require_nonnegative(kernel, repr(density))
        require_density(kernel, repr(density))
        return KernelAssessment(kernel, assumption_a1(kernel))


def assess_kernel_completely(density: str, support: str) -> KernelAssessment:
    """Assess a kernel as `assess_kernel` does, and compute every constant before returning.

    Constants are otherwise computed on first use. Some integrals keep sympy busy without end, so a time limit on this
    call covers them all.
    """
    assessment = assess_kernel(density, support)
    _ = assessment.constants
    return assessment


def _known(compute: Callable[[], Expr]) -> Expr | None:
    """Return a constant, or None if it cannot be verified."""
    try:
        with closed_forms_within():
            return compute()
    except InputError:
        return None


def _cells(value: Expr | None) -> tuple[str, str]:
    """Return a constant as a number and as an expression, for a table."""
    if value is None:
        return "-", "neither a closed form nor an enclosure found"
    if value.is_infinite:
        return "\N{INFINITY}", "\N{INFINITY}"
    return f"{float(value):.8g}", _exactly(value) or "no closed form found; enclosed"


def _exactly(value: Expr | None) -> str | None:
    """Return the value as an exact expression, or None where it is known as a number or not at all."""
    return None if value is None or not is_exact(value) else str(value)


def _number(value: Expr | None) -> float | None:
    """Return the value as a float, or None where it is infinite or not known."""
    return None if value is None or value.is_infinite else float(value)
