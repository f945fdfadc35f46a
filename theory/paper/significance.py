"""Sign tests and corrections for multiple testing, in exact arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Literal, TypeVar

from foundation.errors import InputError

Probability = TypeVar("Probability", Fraction, float)


def upper_tail(successes: int, trials: int, probability: Fraction = Fraction(1, 2)) -> Fraction:
    """Compute P(X >= successes) exactly for X binomial.

    Examples
    --------
    >>> upper_tail(15, 16)
    Fraction(17, 65536)
    """
    if not 0 <= successes <= trials:
        raise InputError(f"the number of successes must lie between 0 and {trials}, got {successes}.")
    terms = (
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k) for k in range(successes, trials + 1)
    )
    return sum(terms, start=Fraction(0))


def sign_test(wins: int, trials: int, alternative: Literal["greater", "two-sided"] = "greater") -> Fraction:
    """Compute the exact p-value of ``wins`` in ``trials`` under the null hypothesis that a win has probability 1/2.

    Examples
    --------
    >>> sign_test(12, 16), sign_test(12, 16, "two-sided")
    (Fraction(2517, 65536), Fraction(2517, 32768))
    """
    if alternative == "greater":
        return upper_tail(wins, trials)
    return min(Fraction(1), 2 * upper_tail(max(wins, trials - wins), trials))


def bonferroni(p_values: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Adjust the p-values by Bonferroni's method.

    Examples
    --------
    >>> bonferroni([Fraction(1, 100), Fraction(2, 3)])
    (Fraction(1, 50), Fraction(1, 1))
    """
    return tuple(min(Fraction(1), len(p_values) * p_value) for p_value in p_values)


def holm(p_values: Sequence[Probability]) -> tuple[Probability, ...]:
    """Adjust the p-values, all fractions or all floats, by Holm's step-down procedure; the order is kept.

    Examples
    --------
    >>> holm([Fraction(1, 10), Fraction(1, 50)]), holm([0.5, 0.125, 1.0])
    ((Fraction(1, 10), Fraction(1, 25)), (1.0, 0.375, 1.0))
    """
    count = len(p_values)
    # Ascending p-values are multiplied by the number not yet rejected and made monotone by a running maximum.
    order = sorted(range(count), key=lambda index: p_values[index])
    scaled = [min((count - rank) * p_values[index], type(p_values[index])(1)) for rank, index in enumerate(order)]
    adjusted = dict(zip(order, accumulate(scaled, max), strict=True))
    return tuple(adjusted[index] for index in range(count))
