"""Formulas as MathML, which browsers show without a network, and plain text with its formulas typeset.

The claims and their proofs are plain text that holds formulas in two spellings: as sympy prints them, ``3/(5*r)``,
which can be read back exactly, and as a person writes them, ``x^2 K'``, which cannot: there signs and scripts are set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sympy
from latex2mathml.converter import convert
from markupsafe import Markup, escape
from sympy import Expr, Symbol

from foundation.errors import InputError
from foundation.typography import format_symbols
from theory.algebra.expressions import CONSTANTS, FUNCTIONS, LONGEST_TEXT, parse

MINUS = "\N{MINUS SIGN}"

#: A hyphen that is a minus sign: before a number or a bracket, behind a bracket, between spaces, or as in x-1.
_DIFFERENCE = re.compile(r"(?<![\w.)\]>-])-(?=[\d.(])|(?<=[(\[])-(?=\w)|(?<= )-(?= )|(?<=\b[A-Za-z])-(?=\d)")
_SIGNS = {" * ": " · ", "&lt;&lt;": "≪", "...": "…"}
_SUBSCRIPTS = {"ₘ": "m", "ₙ": "n", "₂": "2"}

#: How symbols are written whose names say it otherwise.
_SYMBOLS = {"chi2": r"\chi^{2}", "C_tilde": r"\tilde{C}"}
_A_WORD = re.compile(r"[a-z]{3,}(?:_[a-z]{3,})*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_WORD_OR_NUMBER = re.compile(r"\w+|\*\*|/")
_OPERAND = re.compile(r"\s*-?\s*(?:\d+(?:\.\d+)?|[A-Za-z_]\w*)")
#: With the spaces that sympy sets: about signs of sums, and no others.
_OPERATOR = re.compile(r"(?:\*\*|[*/])(?=[-\w(])| [-+] (?=[\w(])")
_OPENING = re.compile(r"\s*-?\s*\(")
#: Where a formula may begin: not inside a word, a number or another formula.
_BEGINNING = re.compile(r"(?<![\w.^*/(])(?=[-\w(])")
#: What may not follow a formula: it would go on in a spelling that is not sympy's.
_GOES_ON = re.compile(r"\s*[\^*/]|[\w('|\[]|\.\d|\s*[-+]\s*[\w(]| [A-Za-z](?!\w)")
_POWER = re.compile(r"\^\(([^()]{1,40})\)|\^(-?\w{1,4}(?:\.\d+)?)")
_INDEX = re.compile(r"(?<![A-Za-z_])([^\W\d_])_([A-Za-z0-9]{1,2})(?![A-Za-z0-9_])")


def mathml(expression: Expr, *, display: bool = False) -> Markup:
    """Return a sympy expression, or a Tuple of them, as a MathML element.

    Examples
    --------
    >>> print(mathml(Symbol("r") ** 2).removeprefix('<math xmlns="http://www.w3.org/1998/Math/MathML" '))
    display="inline"><mrow><msup><mi>r</mi><mrow><mn>2</mn></mrow></msup></mrow></math>
    """
    names = {symbol: _as_latex(symbol.name) for symbol in expression.free_symbols}
    return Markup(convert(sympy.latex(expression, symbol_names=names), display="block" if display else "inline"))


def _as_latex(name: str) -> str:
    """Write the name of a symbol: a word upright, a letter or a Greek one as sympy does."""
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    written = str(sympy.latex(Symbol(name)))
    return rf"\text{{{name.replace('_', '-')}}}" if _A_WORD.fullmatch(name) and "\\" not in written else written


def typeset(text: str) -> Markup:
    """Return plain text as HTML: what reads back as the very formula becomes MathML, the rest gets signs and scripts.

    Examples
    --------
    >>> print(typeset("f_m <= x^2 & more"))
    f<sub>m</sub> ≤ x² &amp; more
    """
    pieces, position = [], 0
    for start, end, expression in _formulas(text):
        pieces += [_words(text[position:start]), mathml(expression)]
        position = end
    return Markup("").join([*pieces, _words(text[position:])])


def _words(text: str) -> Markup:
    html = str(escape(format_symbols(text)))
    for sign, letter in _SUBSCRIPTS.items():
        html = html.replace(sign, f"<sub>{letter}</sub>")
    html = _POWER.sub(lambda power: f"<sup>{format_symbols((power[1] or power[2]).replace('-', MINUS))}</sup>", html)
    for spelling, sign in _SIGNS.items():
        html = html.replace(spelling, sign)
    html = _DIFFERENCE.sub(MINUS, html)
    return Markup(_INDEX.sub(r"\1<sub>\2</sub>", html))


def _formulas(text: str) -> Iterator[tuple[int, int, Expr]]:
    """Yield where in a text sympy's own spelling of an expression begins and ends, with the expression."""
    position = 0
    while found := _BEGINNING.search(text, position):
        start = found.start()
        end = _end_of_expression(text, start)
        expression = None if end is None or _GOES_ON.match(text, end) else _read_back(text[start:end])
        if end is not None and expression is not None:
            yield start, end, expression
        position = max(end or start, start) + 1 if expression is None else end or start


def _end_of_expression(text: str, position: int) -> int | None:
    """Return where the expression that begins here ends; None where none begins."""
    end = _end_of_operand(text, position)
    while end is not None and (operator := _OPERATOR.match(text, end)):
        further = _end_of_operand(text, operator.end())
        if further is None:
            break
        end = further
    return end


def _end_of_operand(text: str, position: int) -> int | None:
    if opening := _OPENING.match(text, position):
        inside = _end_of_expression(text, opening.end())
        return None if inside is None or text[inside : inside + 1] != ")" else inside + 1
    operand = _OPERAND.match(text, position)
    if operand is None:
        return None
    name = operand.group().strip(" -")
    if text[operand.end() : operand.end() + 1] == "(" and name in FUNCTIONS:
        inside = _end_of_expression(text, operand.end() + 1)
        return None if inside is None or text[inside : inside + 1] != ")" else inside + 1
    return operand.end()


def _read_back(span: str) -> Expr | None:
    """Return the expression that ``span`` spells, if it is more than a name or a number.

    Sympy must spell it with the same names and numbers, so that nothing is shown simplified. A letter E may be an
    expectation, and is never read as the number.
    """
    names = set(_NAME.findall(span))
    is_more = "*" in span or names & set(FUNCTIONS)
    if not is_more or "E" in names or len(span) > LONGEST_TEXT:
        return None
    symbols = {name: Symbol(name) for name in names - set(FUNCTIONS) - set(CONSTANTS)}
    try:
        expression = parse(span, symbols)
    except InputError:
        return None
    return expression if _spelling(str(expression)) == _spelling(span) else None


def _spelling(text: str) -> list[str]:
    return sorted(_WORD_OR_NUMBER.findall(text))
