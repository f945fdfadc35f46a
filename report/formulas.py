"""Formulas as MathML, which browsers render without a network, and plain text with typeset formulas.

The claims and their proofs are plain text with formulas in two notations: that of sympy, ``3/(5*r)``, which can be
parsed exactly, and the usual one, ``x^2 K'``, which cannot; in the latter only signs and scripts are typeset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sympy
from latex2mathml.converter import convert
from markupsafe import Markup, escape
from sympy import Expr, Symbol

from foundation.errors import InputError
from foundation.typography import format_printable, format_symbols
from theory.algebra.expressions import CONSTANTS, LONGEST_TEXT, SPECIAL, format_latex, format_text, parse
from theory.algebra.expressions import FUNCTIONS as ELEMENTARY

MINUS = "\N{MINUS SIGN}"
FUNCTIONS = ELEMENTARY | SPECIAL

#: A hyphen that is a minus sign: before a number or a bracket, after a bracket, between spaces, or as in x-1.
_DIFFERENCE = re.compile(r"(?<![\w.)\]>-])-(?=[\d.(])|(?<=[(\[])-(?=\w)|(?<= )-(?= )|(?<=\b[A-Za-z])-(?=\d)")
_SIGNS = {" * ": " · ", "&lt;&lt;": "≪", "...": "…"}
_SUBSCRIPTS = {"ₘ": "m", "ₙ": "n", "₂": "2"}

#: LaTeX for symbols whose names do not determine it.
_SYMBOLS = {"chi2": r"\chi^{2}", "C_tilde": r"\tilde{C}"}
_A_WORD = re.compile(r"[a-z]{3,}(?:_[a-z]{3,})*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_WORD_OR_NUMBER = re.compile(r"\w+|\*\*|/")
_OPERAND = re.compile(r"\s*-?\s*(?:\d+(?:\.\d+)?|[A-Za-z_]\w*)")
#: Operators with sympy's spacing: spaces only around the signs of sums.
_OPERATOR = re.compile(r"(?:\*\*|[*/])(?=[-\w(])| [-+] (?=[\w(])")
_OPENING = re.compile(r"\s*-?\s*\(")
#: Where a formula may begin: not inside a word, a number or another formula.
_BEGINNING = re.compile(r"(?<![\w.^*/(])(?=[-\w(])")
#: Text that must not follow a formula, since it would continue it in a notation other than sympy's.
_GOES_ON = re.compile(r"\s*[\^*/]|[\w('|\[]|\.\d|\s*[-+]\s*[\w(]| [A-Za-z](?!\w)")
_POWER = re.compile(r"\^\(([^()]{1,40})\)|\^(-?\w{1,4}(?:\.\d+)?)")
_INDEX = re.compile(r"(?<![A-Za-z_])([^\W\d_])_([A-Za-z0-9]{1,2})(?![A-Za-z0-9_])")


def formulas(expression: Expr) -> Markup:
    """Convert a sympy expression to MathML; a Tuple of expressions becomes several elements, between which lines break.

    Examples
    --------
    >>> formulas(sympy.Tuple(Symbol("r"), Symbol("r"))).count("<math")
    2
    """
    if not isinstance(expression, sympy.Tuple):
        return mathml(expression)
    return Markup("({})").format(Markup(", ").join(map(formulas, expression.args)))


def mathml(expression: Expr, *, display: bool = False) -> Markup:
    """Convert a sympy expression, or a Tuple of expressions, to a MathML element.

    Examples
    --------
    >>> print(mathml(Symbol("r") ** 2).removeprefix('<math xmlns="http://www.w3.org/1998/Math/MathML" '))
    display="inline"><mrow><msup><mi>r</mi><mrow><mn>2</mn></mrow></msup></mrow></math>
    """
    names = {symbol: _as_latex(symbol.name) for symbol in expression.free_symbols}
    return Markup(convert(format_latex(expression, symbol_names=names), display="block" if display else "inline"))


def _as_latex(name: str) -> str:
    """Return the LaTeX of a symbol: words upright, Latin and Greek letters as sympy writes them."""
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    written = str(sympy.latex(Symbol(name)))
    return rf"\text{{{name.replace('_', '-')}}}" if _A_WORD.fullmatch(name) and "\\" not in written else written


def plain(text: str) -> Markup:
    """Convert any text to HTML that shows it as it is, with escapes for characters that cannot be printed.

    Examples
    --------
    >>> print(plain("x * y & <b>"))
    x * y &amp; &lt;b&gt;
    """
    return escape(format_printable(text))


def typeset(text: str) -> Markup:
    """Convert plain text to HTML: formulas in sympy's notation become MathML, other text gets signs and scripts.

    Examples
    --------
    >>> print(typeset("f_m <= x^2 & more"))
    f<sub>m</sub> ≤ x² &amp; more
    """
    text = format_printable(text, keep_lines=True)
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
    """Yield the start and end of each expression in sympy's notation in a text, and the expression."""
    position = 0
    while found := _BEGINNING.search(text, position):
        start = found.start()
        end = _end_of_expression(text, start)
        expression = None if end is None or _GOES_ON.match(text, end) else _read_back(text[start:end])
        if end is not None and expression is not None:
            # An expression between brackets, as a factor, is typeset between them.
            inner = 1 if text[start] == "(" and _end_of_operand(text, start) == end else 0
            yield start + inner, end - inner, expression
        position = max(end or start, start) + 1 if expression is None else end or start


def _end_of_expression(text: str, position: int) -> int | None:
    """Return the end of the expression that begins here, or None if none does."""
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
    """Parse ``span``; return the expression if it is more than a name or a number.

    Sympy must print it with the same names and numbers, so that no formula is shown simplified. The letter E may denote
    an expectation, and is never parsed as the number e.
    """
    names = set(_NAME.findall(span))
    is_more = "*" in span or names & set(FUNCTIONS)
    if not is_more or "E" in names or len(span) > LONGEST_TEXT:
        return None
    symbols = {name: Symbol(name) for name in names - set(FUNCTIONS) - set(CONSTANTS)}
    try:
        expression = parse(span, symbols, special=True)
    except InputError:
        return None
    return expression if _spelling(format_text(expression)) == _spelling(span) else None


def _spelling(text: str) -> list[str]:
    return sorted(_WORD_OR_NUMBER.findall(text))
