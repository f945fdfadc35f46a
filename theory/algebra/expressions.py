"""A small, safe grammar for formulas typed by users.

Python's parser turns text into a syntax tree, and a whitelist of nodes turns the tree into a sympy expression: numbers,
the allowed names, ``+ - * / **``, and calls of a few elementary functions. Nothing is evaluated as code.

Limits hold before the work that they limit: the length and the depth of the text, the digits of a literal, and the
size of a power before it is computed, so that no tower of powers is built on the way to a small number. What is left
of sympy's automatic simplification has a limit of time.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sympy
from sympy import Expr

from foundation.errors import InputError
from foundation.signals import ProcessorTimeExceeded, processor_time_limited

LONGEST_TEXT = 400

DEEPEST = 50
"""Levels of operations and calls within each other."""

LARGEST_DEGREE = 64

LARGEST_NUMBER = sympy.Integer(10) ** 50

MOST_DIGITS = 60
"""Digits of a literal, before and after its point together."""

MOST_BITS = 400
"""The base-2 logarithm, in size, of the largest and the smallest power of a number."""

SECONDS = 2.0
"""Processor time for one text."""

_LITERAL = re.compile(r"([\d_]*)\.?([\d_]*)(?:[eE]([-+]?[\d_]+))?")

CONSTANTS: Mapping[str, Expr] = {"pi": sympy.pi, "E": sympy.E}

FUNCTIONS: dict[str, Callable[..., Expr]] = {
    "abs": sympy.Abs,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "cos": sympy.cos,
    "cosh": sympy.cosh,
    "erf": sympy.erf,
    "exp": sympy.exp,
    "factorial": sympy.factorial,
    "log": sympy.log,
    "sin": sympy.sin,
    "sinh": sympy.sinh,
    "sqrt": sympy.sqrt,
    "tanh": sympy.tanh,
}

SPECIAL: dict[str, Callable[..., Expr]] = {"digamma": sympy.digamma, "gamma": sympy.gamma}
"""Functions that only a datum of a claim may contain."""

LARGEST_ARGUMENT = 40
"""The largest number whose factorial, gamma or digamma function is computed."""

SWITCHES: dict[str, Callable[..., Expr]] = {
    "Heaviside": sympy.Heaviside,
    "Max": sympy.Max,
    "Min": sympy.Min,
    "max": sympy.Max,
    "min": sympy.Min,
    "sign": sympy.sign,
}
"""Functions that only a density may contain; Max and Min have two arguments or more."""

_INFINITE = {"oo": sympy.oo, "inf": sympy.oo, "+oo": sympy.oo, "-oo": -sympy.oo, "-inf": -sympy.oo}

_OPERATORS: Mapping[type[ast.operator], Callable[[Expr, Expr], Expr]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Pow: lambda left, right: left**right,
}


class Decimal(sympy.Expr):
    """A number typed in decimals, which states the digits typed, trailing zeros included, and no others.

    Parameters
    ----------
    value, unit : sympy.Rational
        The number, and one unit in the last place typed.
    """

    is_commutative = True
    is_number = True

    @property
    def value(self) -> Expr:
        """The number."""
        return self.args[0]

    @property
    def unit(self) -> Expr:
        """One unit in the last place typed."""
        return self.args[1]

    def _sympystr(self, _: object) -> str:
        places = -int(sympy.log(self.unit, 10))
        if not 0 <= places <= MOST_DIGITS:
            return f"{self.value / self.unit}e{-places}"
        whole = str(abs(self.value) / self.unit).rjust(places + 1, "0")
        text = f"{whole[:-places]}.{whole[-places:]}" if places else whole
        return f"-{text}" if self.value < 0 else text

    def _latex(self, _: object, **__: object) -> str:
        digits, _e, exponent = self._sympystr(None).partition("e")
        return rf"{digits} \cdot 10^{{{exponent}}}" if exponent else digits


def value_of(number: Expr) -> Expr:
    """Return the value of a `Decimal`, and any other expression as it is."""
    return number.value if isinstance(number, Decimal) else number


def half_unit_of(number: Expr) -> Expr:
    """Return half a unit in the last place of a `Decimal`, by which what it states may differ; 0 for an exact number.

    Examples
    --------
    >>> [half_unit_of(number) for number in parse("(0.0384, 3/10)", {}, decimals=True)]
    [1/20000, 0]
    """
    return number.unit / 2 if isinstance(number, Decimal) else sympy.Integer(0)


def parse(
    text: str,
    symbols: Mapping[str, sympy.Symbol],
    *,
    switches: bool = False,
    special: bool = False,
    decimals: bool = False,
) -> Expr:
    """Parse ``text`` into a sympy expression or a sympy Tuple of expressions.

    Parameters
    ----------
    text : str
        As in ``"3/(4*r)*(1 - ((x - mu)/r)**2)"``; at most 400 characters. Decimals are read exactly.
    symbols : mapping from name to Symbol
        The variables that ``text`` may contain.
    switches, special : bool
        Whether it may also contain `SWITCHES`, and `SPECIAL` functions.
    decimals : bool
        Whether a decimal that stands alone, or alone in a tuple, is returned as a `Decimal`, which keeps the digits.

    Raises
    ------
    InputError
        If ``text`` is not such an expression; the message quotes the first part that is not allowed.

    Examples
    --------
    >>> r = sympy.Symbol("r", positive=True)
    >>> parse("0.6/r", {"r": r})
    3/(5*r)
    """
    if len(text) > LONGEST_TEXT:
        raise InputError(f"an expression must have at most {LONGEST_TEXT} characters, got {len(text)}. Shorten it.")
    # Deep nesting raises RecursionError or MemoryError in the parser itself.
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"{text!r} is not an expression. Write it as in '3/(5*r)' or '(x - mu)**2'.") from None
    if _depth(tree.body) > DEEPEST:
        raise InputError(f"{_quote(text)} must have at most {DEEPEST} operations within each other. Simplify it.")
    parser = _Parser(text, symbols, FUNCTIONS | (SWITCHES if switches else {}) | (SPECIAL if special else {}))
    read = parser.read_number if decimals else parser.read
    try:
        with processor_time_limited(SECONDS):
            if isinstance(tree.body, ast.Tuple):
                return sympy.Tuple(*(read(element) for element in tree.body.elts))
            return read(tree.body)
    except ProcessorTimeExceeded:
        raise InputError(f"{_quote(text)} takes more than {SECONDS:g} seconds to read. Simplify it.") from None


def format_text(expression: Expr) -> str:
    """Return ``expression`` as sympy writes it, but with the digamma function by its name, as `parse` reads it.

    Examples
    --------
    >>> r = sympy.Symbol("r", positive=True)
    >>> format_text(sympy.digamma(r + 1) / 2)
    'digamma(r + 1)/2'
    """
    return str(_name_digamma(expression, "digamma"))


def format_latex(expression: Expr, **options: Any) -> str:
    r"""Return ``expression`` as LaTeX with sympy's ``options``; the digamma function is :math:`\psi`.

    Examples
    --------
    >>> print(format_latex(sympy.digamma(sympy.Symbol("r"))))
    \psi{\left(r \right)}
    """
    return str(sympy.latex(_name_digamma(expression, r"\psi"), **options))


def _name_digamma(expression: Expr, name: str) -> Expr:
    """Replace polygamma(0, x), which is what sympy makes of digamma(x), by a function of this name."""
    calls = [one for one in expression.atoms(sympy.polygamma) if one.args[0] == 0]
    return expression.xreplace({one: sympy.Function(name)(one.args[1]) for one in calls})


class Supported(NamedTuple):
    """A formula and the ends of its support, either of which may be infinite."""

    formula: Expr
    lower: Expr
    upper: Expr


def read_supported(text: str, variable: sympy.Symbol, what: str, example: str) -> Supported:
    """Read a formula in ``variable`` and the two ends of its support, separated by commas.

    Raises
    ------
    InputError
        If ``text`` is anything else; the message calls it ``what`` and ends with the ``example``.

    Examples
    --------
    >>> read_supported("2*x, 0, 1", sympy.Symbol("x"), "a density", "")
    Supported(formula=2*x, lower=0, upper=1)
    """
    parts = split_top(text, ",")
    if parts is None or len(parts) != 3:
        raise InputError(
            f"{what} by its formula must have a formula in {variable} and the two ends of its support, got "
            f"{text[:80]!r}. Write it as {example}."
        )
    lower, upper = (read_end(part) for part in parts[1:])
    return Supported(parse(parts[0], {variable.name: variable}, switches=True), *require_order(lower, upper, what))


def read_support(text: str, option: str) -> tuple[Expr, Expr]:
    """Read the two ends of a support, separated by a comma.

    Raises
    ------
    InputError
        If ``text`` is anything else; the message names the ``option`` that it comes from.
    """
    parts = text.split(",")
    if len(parts) != 2:
        raise InputError(f"{option} must be two ends, got {text!r}. Try -1,1 or -oo,oo.")
    lower, upper = map(read_end, parts)
    if not lower < upper:
        raise InputError(f"{option} must have the lower end first, got {text!r}. Try -1,1.")
    return lower, upper


def read_end(text: str) -> Expr:
    """Return an end of a support: a number, such as 1/3 or -pi, or oo or -oo.

    Raises
    ------
    InputError
        If it is neither.
    """
    word = text.strip()
    return _INFINITE[word] if word in _INFINITE else parse(word, {})


def require_order(lower: Expr, upper: Expr, what: str) -> tuple[Expr, Expr]:
    """Return the ends of a support; raise InputError unless they are real and the lower is first."""
    if not (lower.is_extended_real and upper.is_extended_real and lower < upper):
        raise InputError(
            f"the support of {what} must be two ends, the lower first, got {lower} and {upper}. Try 0,1 or -oo,oo."
        )
    return lower, upper


def split_top(text: str, separator: str) -> list[str] | None:
    """Split ``text`` at a separator outside of parentheses; return None if these do not match.

    A sign that belongs to a number, as in ``1e+5`` or ``*-1``, separates nothing.

    Examples
    --------
    >>> split_top("0.5*normal(0,1)+0.5*t(5,1e+2)", "+"), split_top("exp(-x,2", ",")
    (['0.5*normal(0,1)', '0.5*t(5,1e+2)'], None)
    """
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not 0 <= depth <= DEEPEST:
            return None
        if character == separator and depth == 0 and not _is_sign(text, start, place):
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()] if depth == 0 else None


def _is_sign(text: str, start: int, place: int) -> bool:
    """Return whether a plus or minus at ``place`` belongs to a number."""
    before = text[start:place].rstrip()
    return text[place] in "+-" and (not before or re.search(r"[*,(]$|[\d.][eE]$", before) is not None)


def _depth(tree: ast.expr) -> int:
    """Return how many operations and calls are within each other, without recursion."""
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return deepest


class _Parser:
    """A translator from the syntax tree of one text to sympy, which refuses every node outside the grammar."""

    def __init__(
        self, text: str, symbols: Mapping[str, sympy.Symbol], functions: Mapping[str, Callable[..., Expr]]
    ) -> None:
        self.text = text
        self.symbols = symbols
        self.functions = functions

    def read(self, node: ast.expr) -> Expr:
        # The limits apply to every subexpression, so that nothing huge is evaluated on the way to a small result.
        expression = self._read(node)
        if expression.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
            raise self._refusal(node, "is not finite")
        if expression.is_number and not _moderate(expression):
            raise self._refusal(node, "is not a real number below 10**50 in size")
        if _degree(expression) > LARGEST_DEGREE:
            raise self._refusal(node, f"has a power above {LARGEST_DEGREE}")
        return expression

    def read_number(self, node: ast.expr) -> Expr:
        """Read a decimal with its digits, and anything else as `read` does."""
        value, literal = self.read(node), node
        while isinstance(literal, ast.UnaryOp):
            literal = literal.operand
        if not (isinstance(literal, ast.Constant) and isinstance(literal.value, float)):
            return value
        decimal = _LITERAL.fullmatch(self._source(literal) or "")
        assert decimal is not None  # `read` has refused every other literal.
        places = len(decimal[2].replace("_", "")) - int(decimal[3] or 0)
        return Decimal(value, sympy.Rational(10) ** -places)

    def _read(self, node: ast.expr) -> Expr:
        match node:
            case ast.Constant(value=bool()):
                raise self._refusal(node, "is not a number")
            case ast.Constant(value=int() | float() as value):
                return self._number(node, value)
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.read(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self._power(node, self.read(left), self.read(right))
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
                return _OPERATORS[type(operator)](self.read(left), self.read(right))
            case ast.BinOp(op=ast.BitXor()):
                raise self._refusal(node, "uses ^, but a power is written **")
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if self._takes(name, len(arguments)):
                return self._call(node, name, [self.read(argument) for argument in arguments])
            case ast.Call(func=ast.Name(id=name)):
                known = ", ".join(self.functions)
                raise self._refusal(node, f"is not a call of one of {known} with one argument")
        raise self._refusal(node, "is not part of the grammar (numbers, names, + - * / ** and elementary functions)")

    def _number(self, node: ast.expr, value: float) -> Expr:
        # The parsed float has lost digits; the decimal in the source is exact.
        literal = self._source(node) or repr(value)
        if isinstance(value, int) and len(literal) <= MOST_DIGITS:
            return sympy.Integer(value)
        decimal = _LITERAL.fullmatch(literal)
        digits = MOST_DIGITS + 1 if decimal is None else len(decimal[1]) + len(decimal[2])
        if decimal is None or digits > MOST_DIGITS or len(decimal[3] or "") > 3 or abs(int(decimal[3] or 0)) > 99:
            raise self._refusal(node, f"has more than {MOST_DIGITS} digits, or an exponent beyond 99")
        if not math.isfinite(value):
            raise self._refusal(node, "is not finite")
        return sympy.Rational(literal.replace("_", ""))

    def _source(self, node: ast.expr) -> str | None:
        return ast.get_source_segment(self.text.strip(), node)

    def _name(self, node: ast.expr, name: str) -> Expr:
        if name in self.symbols:
            return self.symbols[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        known = [*self.symbols, *CONSTANTS]
        near = difflib.get_close_matches(name, [*known, *self.functions], n=1)
        hint = f"did you mean {near[0]}?" if near else f"the names are {', '.join(known)}."
        raise self._refusal(node, "is not a known name", hint)

    def _power(self, node: ast.expr, base: Expr, exponent: Expr) -> Expr:
        if exponent.is_number and not abs(exponent) <= LARGEST_DEGREE:
            raise self._refusal(node, f"has a power above {LARGEST_DEGREE}")
        if base.is_number and exponent.is_number and base != 0 and not _bits(base, exponent) <= MOST_BITS:
            raise self._refusal(node, f"is a power beyond 2**{MOST_BITS}, or that of a number so small")
        if _degree(base) * abs(exponent if exponent.is_number else 1) > LARGEST_DEGREE:
            raise self._refusal(node, f"has a power above {LARGEST_DEGREE}")
        return base**exponent

    def _takes(self, name: str, count: int) -> bool:
        if name not in self.functions:
            return False
        return count > 1 if self.functions[name] in (sympy.Max, sympy.Min) else count == 1

    def _call(self, node: ast.expr, name: str, arguments: list[Expr]) -> Expr:
        argument = arguments[0]
        if (
            name == "factorial"
            and argument.is_number
            and not (argument.is_Integer and 0 <= argument <= LARGEST_ARGUMENT)
        ):
            raise self._refusal(node, f"is not the factorial of an integer from 0 to {LARGEST_ARGUMENT}")
        if name in SPECIAL and argument.is_number and not 0 < argument <= LARGEST_ARGUMENT:
            raise self._refusal(node, f"is not the {name} function of a number above 0, up to {LARGEST_ARGUMENT}")
        return self.functions[name](*arguments)

    def _refusal(self, node: ast.expr, why: str, hint: str = "") -> InputError:
        part = self._source(node) or self.text
        where = "" if part == self.text.strip() else f" in {_quote(self.text)}"
        return InputError(f"{_quote(part)}{where} {why}{'; ' + hint if hint else '.'}")


def _quote(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _moderate(number: Expr) -> bool:
    """Return whether a constant is real and below `LARGEST_NUMBER` in size."""
    value = number.evalf(15)
    return bool(value.is_real and abs(value) < LARGEST_NUMBER)


def _bits(base: Expr, exponent: Expr) -> float:
    """Return the size of the base-2 logarithm of a power; infinite if the base cannot be told from 0."""
    size = abs(base.evalf(15))
    return float(abs(exponent) * abs(sympy.log(size, 2))) if size > 0 else math.inf


def _degree(expression: Expr) -> int:
    """Return a bound on the degree of ``expression``, once expanded, in any of its symbols."""
    if expression.is_Symbol:
        return 1
    if not expression.args or expression.is_number:
        return 0
    degrees = [_degree(argument) for argument in expression.args]
    if expression.is_Mul:
        return sum(degrees)
    if expression.is_Pow and expression.exp.is_Rational:
        return math.ceil(degrees[0] * abs(expression.exp))
    return max(degrees)
