"""Digits show every sign, and printed parts add up to the printed whole."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from evae.experiments.statistics.digits import Digits, Split, common_digits, percentages

SCALED = st.builds(lambda mantissa, power: mantissa * 10.0**power, st.floats(-10, 10), st.integers(-12, 12))

#: At no number of digits do 1/9 and 4/9, each rounded, add up to 5/9.
NINTHS = st.integers(-99, 99).map(lambda n: n / 9)

NEAR = st.lists(st.floats(-10, 10), min_size=1, max_size=6)


def printed(digits: Digits, value: float) -> Decimal:
    """The number that a reader sees, 0 for words."""
    text = digits.show(value)
    return Decimal(0) if text.startswith("just") else Decimal(text)


@given(parts=st.tuples(SCALED, SCALED) | st.tuples(NINTHS, NINTHS), bounds=st.lists(SCALED, max_size=4))
def test_two_parts_add_up_as_they_are_printed(parts: tuple[float, float], bounds: list[float]) -> None:
    first, second = parts
    split = Split(first + second, first, second)
    digits = common_digits(bounds, split)
    rounded = digits.rounded_parts(split)
    assert sum(rounded) == digits.rounded(first + second)
    for part, value in zip(rounded, parts, strict=True):
        assert abs(part - Decimal(value)) <= Decimal("1.5").scaleb(-digits.decimals)
        assert part == 0 or (part > 0) == (value > 0)
    if abs(first) != abs(second):
        smaller = int(abs(second) < abs(first))
        assert rounded[smaller] == digits.rounded(parts[smaller])


@given(values=st.lists(SCALED, min_size=1, max_size=6))
def test_no_number_loses_its_sign_and_none_is_off_by_more_than_half_of_the_last_place(values: list[float]) -> None:
    digits = common_digits(values)
    for value in values:
        text = digits.show(value)
        if value > 0:
            assert text == "just above 0" or Decimal(text) > 0
        elif value < 0:
            assert text == "just below 0" or Decimal(text) < 0
        else:
            assert text == "0"
        assert abs(printed(digits, value) - Decimal(value)) <= Decimal(1).scaleb(-digits.decimals) / 2


@given(values=NEAR, power=st.integers(-12, 12))
def test_the_largest_number_has_three_digits_or_more_and_no_sign_is_put_in_words_that_four_decimals_show(
    values: list[float], power: int
) -> None:
    scaled = [value * 10.0**power for value in values]
    digits = common_digits(scaled)
    largest = max(map(abs, scaled))
    assert largest == 0 or digits.rounded(largest).adjusted() + digits.decimals >= 2
    if min((abs(value) for value in scaled if value), default=largest) >= largest / 1e5:
        assert not any(digits.show(value).startswith("just") for value in scaled)


@given(values=NEAR, power=st.integers(-12, 12))
def test_rounding_keeps_the_order(values: list[float], power: int) -> None:
    digits = common_digits([value * 10.0**power for value in values])
    shown = [printed(digits, value * 10.0**power) for value in sorted(values)]
    assert shown == sorted(shown)


@given(
    parts=st.lists(st.floats(0, 1) | st.floats(0, 1e-5), min_size=1, max_size=6).filter(lambda parts: sum(parts) > 0)
)
def test_percentages_add_up_to_100_and_are_off_by_less_than_their_last_place(parts: list[float]) -> None:
    shares = [part / sum(parts) for part in parts]
    texts = percentages(shares)
    shown = [Decimal(0) if text == "under 0.1 %" else Decimal(text.removesuffix(" %")) for text in texts]
    assert sum(shown) == 100
    for share, text, number in zip(shares, texts, shown, strict=True):
        assert abs(100 * share - float(number)) < 0.1 + 1e-9
        assert (text == "0.0 %") <= (share == 0)
