"""Common digits for a set of numbers: rounding keeps every sign, and printed parts add up to the printed whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

#: Significant digits of the largest number of a set.
_LEADING_DIGITS = 3

#: Most decimals that are added to show a sign, or to make parts add up.
_EXTRA_DECIMALS = 4

#: Powers of ten between which numbers are written without an exponent.
_PLAIN_EXPONENTS = range(-4, 6)


@dataclass(frozen=True)
class Split:
    """A whole with its two parts."""

    whole: float
    first: float
    second: float


@dataclass(frozen=True)
class Digits:
    """The last place to which all numbers of a set are rounded.

    Attributes
    ----------
    decimals : int
        The last place is ``10 ** -decimals``; negative for numbers of a million and more.
    plain : bool
        Whether the numbers are written without an exponent.
    """

    decimals: int
    plain: bool = True

    def rounded(self, value: float) -> Decimal:
        """Round to the last place, with halves to even."""
        with localcontext(prec=400):
            return Decimal(value).quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_EVEN)

    def show(self, value: float) -> str:
        """Format a number; in words if it is not 0 but rounds to 0.

        Examples
        --------
        >>> Digits(2).show(21.537), Digits(2).show(-0.001), Digits(2).show(0), Digits(13, plain=False).show(2.15e-11)
        ('21.54', 'just below 0', '0', '2.15e-11')
        """
        return self.write(self.rounded(value), value)

    def write(self, rounded: Decimal, value: float) -> str:
        """Format the rounded form of ``value``."""
        if not rounded:
            return "0" if not value else f"just {'above' if value > 0 else 'below'} 0"
        return f"{rounded:f}" if self.plain else f"{rounded:.{max(rounded.adjusted() + self.decimals, 0)}e}"

    def rounded_parts(self, split: Split) -> tuple[Decimal, Decimal]:
        """Round the parts so that they add up to the rounded whole: the larger one absorbs the rounding difference.

        Examples
        --------
        >>> [str(part) for part in Digits(1).rounded_parts(Split(179 / 9, 179.5 / 9, -0.5 / 9))]
        ['20.0', '-0.1']
        """
        whole, first, second = map(self.rounded, (split.whole, split.first, split.second))
        with localcontext(prec=400):
            return (whole - second, second) if abs(split.first) > abs(split.second) else (first, whole - first)

    def adds_up(self, split: Split) -> bool:
        """Return whether the parts of a whole add up to it when each is rounded separately."""
        return self.rounded_parts(split) == (self.rounded(split.first), self.rounded(split.second))


def common_digits(values: Iterable[float], split: Split | None = None) -> Digits:
    """Return the fewest digits with which a set of numbers can be printed together.

    The largest number has three significant digits. Up to four more decimals are tried until every number shows its
    sign and the two parts of the split add up to its whole. For some numbers, such as ninths, no digits suffice; for
    them there are the words of `Digits.write`, and `Digits.rounded_parts`.

    Parameters
    ----------
    values : iterable of float
        At least one number, including those of ``split``.
    split : Split, optional

    Examples
    --------
    >>> digits = common_digits([-1.13, 1.46], Split(21.54, 0.165, 21.375))
    >>> digits.show(21.54), digits.show(0.165), digits.show(21.375)
    ('21.540', '0.165', '21.375')
    >>> common_digits([0.0034, 21.54]).show(0.0034)
    '0.003'
    """
    numbers = [*values, *((split.whole, split.first, split.second) if split else ())]
    largest = max(map(abs, numbers))
    exponent = math.floor(math.log10(largest)) if largest else 0
    plain = exponent in _PLAIN_EXPONENTS
    start = _LEADING_DIGITS - 1 - exponent
    candidates = [Digits((max(start, 0) if plain else start) + extra, plain) for extra in range(_EXTRA_DECIMALS + 1)]
    adding = [digits for digits in candidates if split is None or digits.adds_up(split)] or candidates[-1:]
    return next((digits for digits in adding if all(digits.rounded(n) for n in numbers if n)), adding[0])


def percentages(shares: Sequence[float]) -> list[str]:
    """Format shares of a whole in percent with one decimal, so that the printed shares add up to 100 %.

    All shares are rounded down, and the rest goes to the largest remainders. A nonzero share is never printed as 0.

    Parameters
    ----------
    shares : sequence of float
        Not negative; their sum is 1.

    Examples
    --------
    >>> percentages([1 / 3, 1 / 3, 1 / 3]), percentages([0.9998, 0.0002, 0])
    (['33.4 %', '33.3 %', '33.3 %'], ['100.0 %', 'under 0.1 %', '0.0 %'])
    """
    tenths = [1000 * share for share in shares]
    whole = [math.floor(tenth) for tenth in tenths]
    by_remainder = sorted(range(len(shares)), key=lambda place: whole[place] - tenths[place])
    for place in by_remainder[: 1000 - sum(whole)]:
        whole[place] += 1
    return [
        "under 0.1 %" if share and not tenth else f"{tenth // 10}.{tenth % 10} %"
        for share, tenth in zip(shares, whole, strict=True)
    ]
