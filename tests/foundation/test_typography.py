"""What a reader is shown of the plain text that the claims are written in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation import typography
from theory.ledger.registry import claims


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("mean mu and variance r^2/5.", "mean \N{GREEK SMALL LETTER MU} and variance r\N{SUPERSCRIPT TWO}/5."),
        ("x**4", "x\N{SUPERSCRIPT FOUR}"),
        ("(1 - x**2)**2", "(1 - x\N{SUPERSCRIPT TWO})\N{SUPERSCRIPT TWO}"),
        ("m^(-2/9)", "m^(-2/9)"),
        ("m^0.5", "m^0.5"),
        ("a -> b, c >= d", "a \N{RIGHTWARDS ARROW} b, c \N{GREATER-THAN OR EQUAL TO} d"),
        ("mute, sigmas and happiness", "mute, sigmas and happiness"),
        ("chi-square", "\N{GREEK SMALL LETTER CHI}\N{SUPERSCRIPT TWO}"),
    ],
)
def test_signs_take_the_place_of_their_spelling(written: str, shown: str) -> None:
    assert typography.format_symbols(written) == shown


def test_every_claim_is_plain_text_that_becomes_plain_latex() -> None:
    for claim in claims().values():
        for text in (claim.source, claim.statement, claim.meaning):
            assert text.isascii()
            assert typography.format_latex(text).isascii()


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60))
def test_no_text_breaks_out_of_latex(text: str) -> None:
    commands = re.sub(r"\\[a-zA-Z]+(\{\})?|\\[&%$#_{}]", "", typography.format_latex(text))
    mathematics = re.sub(r"\$[^$]*\$", "", commands)
    assert not set(mathematics) & set("\\&%$#_{}~^<>|")
