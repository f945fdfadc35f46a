"""Bandwidth rules b(m) and the window of rates in Theorem 3.1."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from foundation.errors import InputError
from theory.algebra.evidence import Evidence
from theory.densities.numbers import LONGEST

SMALLEST, LARGEST = 1e-100, 1e100
"""Bandwidths beyond these limits could overflow double precision inside T_m."""

UPPER_RATE = Fraction(2, 9)

LOWER_RATE = Fraction(1, 4)


@dataclass(frozen=True)
class Bandwidth:
    """A bandwidth b(m) = factor * m^(-exponent).

    Parameters
    ----------
    name : str
        The name on the command line.
    factor : float
        Positive: 1 for a rule m^-DELTA, or the bandwidth itself for a number.
    exponent : Fraction
        DELTA of the rule m^-DELTA; 0 for a number, which does not state a rate.

    Examples
    --------
    >>> round(bandwidth_named("m^-2/9").at(100), 5)
    0.35938
    """

    name: str
    factor: float
    exponent: Fraction

    @property
    def states_a_rate(self) -> bool:
        """Whether the bandwidth shrinks with m by a stated rule."""
        return self.exponent > 0

    def at(self, m: int) -> float:
        """Return b(m), the half-width of a kernel supported on [-1, 1], for a sample of size ``m``.

        Raises
        ------
        InputError
            If b(m) is so small or so large that T_m could overflow double precision.
        """
        value = self.factor * float(m) ** -float(self.exponent)
        if not SMALLEST <= value <= LARGEST:
            limits = f"between {SMALLEST:g} and {LARGEST:g}"
            raise InputError(
                f"a bandwidth must lie {limits}, but {self.name} at m = {m:,} is {value:g}. {self._remedy(value)}"
            )
        return value

    def _remedy(self, value: float) -> str:
        """Say what works in place of a ``value`` beyond the limits."""
        if not self.exponent or value > LARGEST:
            return f"Use {SMALLEST if value < SMALLEST else LARGEST:g}."
        largest = math.floor((self.factor / SMALLEST) ** (1 / float(self.exponent)))
        return f"Use an m of at most {largest:,}, or a smaller exponent."


def bandwidth_named(name: str | float | Bandwidth) -> Bandwidth:
    """Return the bandwidth called ``name``: a positive number, or ``m^-DELTA`` (a Bandwidth is returned as it is).

    Raises
    ------
    InputError
        If ``name`` is neither, if the number is not positive and finite, or if the rule does not shrink with m.

    Examples
    --------
    >>> bandwidth_named("m^-0.235").exponent
    Fraction(47, 200)
    >>> bandwidth_named(0.1).at(10_000)
    0.1
    """
    if isinstance(name, Bandwidth):
        return name
    text = str(name).strip()
    if not text.startswith("m"):
        return _parse_constant(text)
    # The exponent may be in parentheses, as in m^(-2/9), and is a fraction or a decimal.
    exponent_text = text.replace(" ", "").removeprefix("m^")
    if exponent_text.startswith("(") and exponent_text.endswith(")"):
        exponent_text = exponent_text[1:-1]
    rule = re.fullmatch(r"([-+]?)(\d+/0*[1-9]\d*|\d+\.?\d*|\.\d+)", exponent_text)
    if rule is None or len(exponent_text) > LONGEST:
        raise InputError(f"a bandwidth must be a positive number or m^-DELTA, got {text!r}. Try m^-0.235.")
    sign, exponent = rule[1], Fraction(rule[2])
    if sign != "-" or exponent == 0:
        raise InputError(f"a bandwidth must shrink as m grows, got {text!r}. Try m^-0.235.")
    return Bandwidth(f"m^-{rule[2]}", factor=1.0, exponent=exponent)


def bandwidth_conditions(bandwidth: str | float | Bandwidth) -> tuple[Evidence, Evidence]:
    """Decide both sides of Theorem 3.1's window of bandwidths for the rule.

    An o(.) is a statement about m tending to infinity, which a bandwidth at one m neither satisfies nor violates.
    Neither side is therefore established for a number, which does not state a rate.

    Source: Theorem 3.1, with o(b(n)) = n^(-1/4) ... read as n^(-1/4) ... = o(b(n)).

    Examples
    --------
    >>> [condition.holds for condition in bandwidth_conditions("m^-2/9")]
    [False, True]
    """
    bandwidth = bandwidth_named(bandwidth)
    above, below = "bandwidth: b = o(m^(-2/9))", "bandwidth: m^(-1/4) (log m)^(1/2) (log log m)^(1/4) = o(b)"
    if not bandwidth.states_a_rate:
        reason = (
            f"not established: {bandwidth.name} is one number, which states no rate, and o(.) is never decided at "
            "one m. State a rule, such as m^-0.235"
        )
        return Evidence(above, False, reason), Evidence(below, False, reason)
    return _check_upper_rate(above, bandwidth.exponent), _check_lower_rate(below, bandwidth.exponent)


def window_at(m: int) -> tuple[float, float]:
    """Return the lower and the upper side of Theorem 3.1's window at one m, with constants 1.

    For 4.9 < m < 10^41.6 the lower side is the larger one, so that the window is empty. For m below 3, log log m is
    not positive and the lower side is taken as 0.

    Examples
    --------
    >>> [round(side, 3) for side in window_at(100)]
    [0.754, 0.359]
    """
    log_log = math.log(math.log(m)) if m > 2 else 0.0
    lower = m ** -float(LOWER_RATE) * math.sqrt(math.log(m)) * log_log**0.25
    return lower, m ** -float(UPPER_RATE)


def _check_upper_rate(name: str, exponent: Fraction) -> Evidence:
    printed = f"{float(exponent):.6g}"
    if exponent > UPPER_RATE:
        return Evidence(name, True, f"as m grows without bound, because {printed} > 2/9 = 0.2222...")
    if exponent == UPPER_RATE:
        return Evidence(name, False, "the ratio b / m^(-2/9) is 1 for every m and does not tend to 0")
    return Evidence(name, False, f"{printed} < 2/9: the ratio b / m^(-2/9) grows without bound")


def _check_lower_rate(name: str, exponent: Fraction) -> Evidence:
    printed = f"{float(exponent):.6g}"
    if exponent < LOWER_RATE:
        reason = f"as m grows without bound, because {printed} < 1/4 and a power of m outgrows every power of log m"
        return Evidence(name, True, reason)
    if exponent == LOWER_RATE:
        reason = "the ratio of the left side to b is (log m)^(1/2) (log log m)^(1/4), which grows without bound"
        return Evidence(name, False, reason)
    return Evidence(name, False, f"{printed} > 1/4: the ratio of the left side to b grows without bound")


def _parse_constant(text: str) -> Bandwidth:
    try:
        number = float(text)
    except ValueError:
        raise InputError(f"a bandwidth must be a positive number or m^-DELTA, got {text!r}. Try m^-0.235.") from None
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"a bandwidth must be positive and finite, got {text}. Try the paper's rule, m^-DELTA.")
    return Bandwidth(text, factor=number, exponent=Fraction(0))
