"""Bandwidth rules, and Theorem 3.1's window of rates."""

from __future__ import annotations

from fractions import Fraction

import pytest

from foundation.errors import InputError
from theory.bickel_rosenblatt.bandwidth import bandwidth_conditions, bandwidth_named


@pytest.mark.parametrize(
    ("text", "exponent"),
    [
        ("m^-0.235", Fraction(47, 200)),
        ("m^-2/9", Fraction(2, 9)),
        ("m^(-2/9)", Fraction(2, 9)),
        ("m^ -.25", Fraction(1, 4)),
        ("m^-1", Fraction(1)),
    ],
)
def test_the_exponent_of_a_rule_is_read_exactly(text: str, exponent: Fraction) -> None:
    assert bandwidth_named(text).exponent == exponent


def test_the_papers_example_has_the_papers_bandwidth() -> None:
    assert bandwidth_named("m^-2/9").at(100) == pytest.approx(0.35938136638046275, rel=1e-14)


def test_a_number_is_the_bandwidth_at_every_m() -> None:
    assert bandwidth_named("0.3").at(7) == bandwidth_named(0.3).at(7000) == 0.3


def test_the_name_of_a_bandwidth_reads_back_as_the_same_bandwidth() -> None:
    for text in ("m^-0.235", "m^(-2/9)", "0.3", "1e-3"):
        bandwidth = bandwidth_named(text)
        assert bandwidth_named(bandwidth.name) == bandwidth


@pytest.mark.parametrize("text", ["m^0.2", "m^-0", "m^+2/9", "m^2/9"])
def test_a_rule_that_does_not_shrink_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"must shrink as m grows, got .*\. Try m\^-0.235.$"):
        bandwidth_named(text)


@pytest.mark.parametrize("text", ["", "m", "m^", "m^-", "m^-x", "m^-1/0", "m^(-2/9", "b", "1/9", "m^-2/9/3", "0.1.2"])
def test_what_is_neither_a_number_nor_a_rule_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"must be a positive number or m\^-DELTA, got"):
        bandwidth_named(text)


@pytest.mark.parametrize("text", ["0", "-0.1", "nan", "inf", "-inf"])
def test_a_number_that_is_not_positive_and_finite_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"must be positive and finite, got"):
        bandwidth_named(text)


def test_a_bandwidth_that_would_overflow_is_refused() -> None:
    with pytest.raises(InputError, match="must lie between"):
        bandwidth_named("1e-200").at(1)
    with pytest.raises(InputError, match=r"m = 1,000 is .*\. Use an m of at most 100,"):
        bandwidth_named("m^-50").at(1000)


@pytest.mark.parametrize(
    ("text", "narrow_enough", "wide_enough"),
    [
        ("m^-0.235", True, True),
        ("m^-2/9", False, True),
        ("m^-0.2222", False, True),
        ("m^-0.22223", True, True),
        ("m^-1/4", True, False),
        ("m^-0.3", True, False),
        ("m^-1/5", False, True),
        ("0.1", False, False),
    ],
)
def test_both_sides_of_the_window_are_decided(text: str, narrow_enough: bool, wide_enough: bool) -> None:
    assert [condition.holds for condition in bandwidth_conditions(text)] == [narrow_enough, wide_enough]


def test_a_number_is_said_to_state_no_rate() -> None:
    for condition in bandwidth_conditions(0.1):
        assert condition.detail.startswith("not established: 0.1 is one number, which states no rate")
