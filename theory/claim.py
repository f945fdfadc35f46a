"""Claims: printed statements as data, with the functions that decide them.

`Claim.decide` checks the printed datum and reports every step; the verdict follows from the steps alone, so another
datum can lead to another verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sympy
from sympy import Expr

from foundation.errors import InputError as InputError
from theory.algebra import expressions
from theory.algebra.evidence import Evidence


class Verdict(StrEnum):
    """The outcome for a statement."""

    PROVED = "proved"
    """True as printed; every step is decided symbolically or in rigorous ball arithmetic."""
    ERRATUM = "erratum"
    """False as printed, but true after a small correction, which is given and proved."""
    REFUTED = "refuted"
    """False, and no small correction makes it true; a counterexample is given and checked."""
    CONDITIONAL = "conditional"
    """True only under an assumption that the paper does not state or does not satisfy; both cases are checked."""
    COMPUTED = "computed"
    """Confirmed numerically, without a rigorous enclosure."""
    SIMULATED = "simulated"
    """Statistical evidence only, with its standard error."""
    PENDING = "pending"
    """Waiting for a simulation that was not requested (``--with-simulations``); not counted as decided."""
    UNDECIDED = "undecided"
    """Neither proved nor refuted by the available methods; the last step gives the reason."""


@dataclass(frozen=True)
class Decision:
    """The outcome of deciding a printed datum.

    Attributes
    ----------
    verdict : Verdict
    method : str
        The method of the decision, in a few words.
    evidence : tuple of Evidence
    corrected : str, optional
        The statement that holds instead of the printed one.
    charitable : str, optional
        The most charitable reading of the printed statement, and its outcome.
    """

    verdict: Verdict
    method: str
    evidence: tuple[Evidence, ...]
    corrected: str | None = None
    charitable: str | None = None


@dataclass(frozen=True)
class StudyPlan:
    """A simulation of T_m required by a claim: the standard example of Theorem 3.1 at one m.

    The density is normal, the weight 1 on [-2, 2], the kernel Epanechnikov and the bandwidth m^(-0.235).
    """

    m: int
    replicates: int
    seed: int = 0


@dataclass(frozen=True)
class SimulatedMoments:
    """The result of a `StudyPlan`: moments of b^(-1/2) (T_m - I W), each with its standard error."""

    plan: StudyPlan
    variance: float
    variance_error: float
    skewness: float
    skewness_error: float


Simulated = tuple[SimulatedMoments, ...]


@dataclass(frozen=True)
class Claim:
    """A decidable statement, from the paper or added by this project.

    Attributes
    ----------
    id : str
        For example ``"lemma-3.2.minimum"``; a prefix up to a dot or a hyphen selects a group.
    source : str
        The location of the statement in the paper.
    statement : str
        The statement in words.
    printed : str
        The printed datum, as an expression in `symbols`; `decide` receives it parsed.
    meaning : str
        The quantity that `printed` states, so that a reader knows the assertion made by another expression.
    symbols : tuple of Symbol
    expected : Verdict
        The recorded verdict, used to detect a check whose outcome changes.
    decide : function from the parsed datum to a Decision
    plans : tuple of StudyPlan, optional
        The simulations required to decide the claim, if any.
    judge : function from the parsed datum and the simulated moments to a Decision, optional
        Replaces `decide` when the simulations have been run.
    decimals : bool, optional
        Whether a decimal in the datum states the digits typed, and `decide` receives a
        `theory.algebra.expressions.Decimal`. In every other claim it is the exact number.
    """

    id: str
    source: str
    statement: str
    printed: str
    meaning: str
    symbols: tuple[sympy.Symbol, ...]
    expected: Verdict
    decide: Callable[[Expr], Decision]
    plans: tuple[StudyPlan, ...] = ()
    judge: Callable[[Expr, Simulated], Decision] | None = None
    decimals: bool = False

    @property
    def assumptions(self) -> str:
        """The assumptions on the symbols, as in ``"mu real, r > 0"``; empty without symbols."""
        return ", ".join(f"{symbol.name}{_domain(symbol)}" for symbol in self.symbols)

    def parse(self, printed: str) -> Expr:
        """Parse ``printed`` as an expression in this claim's symbols; raise `InputError` if it is not one."""
        names = {symbol.name: symbol for symbol in self.symbols}
        datum = expressions.parse(printed, names, special=True, decimals=self.decimals)
        count, expected = _count(datum), _count(expressions.parse(self.printed, names, special=True))
        if count != expected:
            form = "one expression" if expected is None else f"{expected} expressions in parentheses"
            raise InputError(
                f"the datum of {self.id} must be {form} ({self.meaning}), got {printed!r}. Try {self.printed!r}."
            )
        return datum


@dataclass
class Argument:
    """A mutable list of the steps of a decision, in order."""

    evidence: list[Evidence] = field(default_factory=list)

    def step(self, statement: str, holds: bool, detail: str) -> bool:
        """Record one step and return whether it holds."""
        self.evidence.append(Evidence(statement, bool(holds), detail))
        return bool(holds)

    @property
    def holds(self) -> bool:
        """Whether every step so far holds."""
        return all(step.holds for step in self.evidence)

    def decision(self, verdict: Verdict, method: str, **readings: Any) -> Decision:
        """Return the decision with ``verdict`` and the steps recorded so far as its evidence."""
        return Decision(verdict, method, tuple(self.evidence), **readings)


def pending() -> Decision:
    """Return the decision on a claim that requires a simulation when none was run."""
    step = Evidence("A simulation supports the claim.", False, "none was run: add --with-simulations")
    return Decision(Verdict.PENDING, "none yet", (step,), charitable="statistical evidence, once it is simulated")


def undecided(reason: str) -> Decision:
    """Return the decision on a claim that could not be decided, for the given reason."""
    step = Evidence("The check came to an end.", False, reason)
    return Decision(Verdict.UNDECIDED, "none of the means at hand", (step,))


def _domain(symbol: sympy.Symbol) -> str:
    if symbol.is_integer:
        return " a positive whole number" if symbol.is_positive else " a whole number"
    if symbol.is_positive:
        return " > 0"
    return " >= 0" if symbol.is_nonnegative else " real"


def _count(datum: Expr) -> int | None:
    """Return the number of expressions in a tuple, or None for a single expression."""
    return len(datum) if isinstance(datum, sympy.Tuple) else None
