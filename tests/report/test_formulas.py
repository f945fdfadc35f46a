"""Formulas are typeset where they can be read back, and never changed."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy import Expr, Symbol

from report.formulas import _formulas, formulas, mathml, typeset
from theory.algebra.expressions import parse
from theory.ledger.registry import claims

NAMES = ("b", "r", "mu", "sigma", "x", "C")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> Expr:
    """What sympy may print in a proof."""
    if depth == 0:
        return draw(st.sampled_from([*map(Symbol, NAMES), *map(sympy.Integer, (2, 3, 7)), sympy.pi]))
    left, right = draw(expressions(depth=depth - 1)), draw(expressions(depth=depth - 1))
    kinds = (
        left + right,
        left - right,
        left * right,
        left**2,
        sympy.log(left + 11),
        sympy.exp(-left),
        left / (right**2 + 5),
    )
    return draw(st.sampled_from(kinds))


@given(expressions())
def test_what_sympy_prints_is_read_back_as_the_same_expression_or_left_as_text(expression: Expr) -> None:
    text = f"the value is {expression}, for r > 0"
    for start, end, found in _formulas(text):
        if (start, end) == (13, 13 + len(str(expression))):
            assert sympy.simplify(found - expression) == 0
        else:
            # A part that stands by itself inside brackets of what was not read as a whole.
            assert str(expression).count("(") > 0
            assert text[start:end] in str(expression)


@given(expressions())
def test_the_brackets_around_a_factor_are_kept(expression: Expr) -> None:
    html = str(typeset(f"2 ({expression}) is positive"))
    assert html.startswith("2 (")
    assert html.endswith(") is positive")


def test_the_digamma_and_the_gamma_function_are_letters() -> None:
    html = str(typeset("2*digamma(r + 1) - gamma(r)"))
    letters = "".join(ElementTree.fromstring(html).itertext())
    assert letters.count("ψ") == letters.count("\N{GREEK CAPITAL LETTER GAMMA}") == 1


@given(st.text(max_size=80))
def test_any_text_becomes_html_without_adding_markup(text: str) -> None:
    html = str(typeset(text))
    assert set(re.findall(r"</?([A-Za-z!?][\w-]*)", html)) <= {"sup", "sub"} | set(re.findall(r"</?(m[a-z]+)", html)), (
        html
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("K* has mean mu", "K* has mean μ"),
        ("bounded by m^(-delta)", "bounded by m<sup>\N{MINUS SIGN}δ</sup>"),
        ("E T_m tends to I W - b S", "E T<sub>m</sub> tends to I W \N{MINUS SIGN} b S"),
        ("x-1 and lemma-3.2 and q << p", "x\N{MINUS SIGN}1 and lemma-3.2 and q ≪ p"),
        ("C_tilde * integral", "C̃ · integral"),
        ("<script>&", "&lt;script&gt;&amp;"),
    ],
)
def test_what_a_person_wrote_gets_signs_and_scripts(text: str, shown: str) -> None:
    assert str(typeset(text)) == shown


@pytest.mark.parametrize("text", ["3/(5*r)", "phi = (C + (1 - C)*log(1 - C))/C**2, as shown", "-sqrt(2)*exp(-x**2)"])
def test_what_sympy_printed_becomes_mathml(text: str) -> None:
    assert str(typeset(text)).count("<math") == 1


def test_symbols_whose_names_are_words_are_written_as_words_and_greek_ones_as_letters() -> None:
    def shown(name: str) -> str:
        return "".join(ElementTree.fromstring(str(mathml(Symbol(name)))).itertext())

    assert shown("log_likelihood") == "log-likelihood"
    assert [shown(name) for name in ("mu", "chi2", "mu_2", "r")] == ["μ", "χ2", "μ2", "r"]
    assert shown("C_tilde").startswith("C")
    assert "tilde" not in shown("C_tilde")


@pytest.mark.parametrize("text", ["3/16 b r/B", "u**2 p(x)", "2*x^2", "E*K", "a*b[1]", "r = 0.6", "(x - mu)"])
def test_what_would_be_misread_stays_text(text: str) -> None:
    assert "<math" not in str(typeset(text))


@pytest.mark.parametrize("name", claims())
def test_every_printed_formula_becomes_whole_mathml(name: str) -> None:
    claim = claims()[name]
    printed = claim.parse(claim.printed)
    whole = ElementTree.fromstring(f"<p>{formulas(printed)}</p>")
    assert len(list(whole)) == (len(printed.args) if isinstance(printed, sympy.Tuple) else 1)
    for element in whole:
        assert element.tag.endswith("math")
        text = "".join(element.itertext())
        assert text.strip()
        assert not set(text) & set("\\{}")
        # No class of sympy's or of this program's shows its name.
        assert [word for word in re.findall(r"[A-Z]\w+", text) if hasattr(sympy, word) or word == "Decimal"] == []


def test_decimals_keep_the_digits_typed() -> None:
    numbers = parse("(0.0384, 1.50, -2.0)", {}, decimals=True)
    assert re.findall(r"<mn>(.*?)</mn>", str(formulas(numbers))) == ["0.0384", "1.50", "2.0"]
    assert "<mn>99</mn>" in str(formulas(parse("4e-99", {}, decimals=True)))
