"""Alterations and rewritings of a datum: one node of its syntax tree, replaced in the text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import chain

import sympy

from tests.theory.grammar.data import Datum
from theory.algebra.expressions import format_text, parse
from theory.ledger.registry import claim_named


def alterations(datum: Datum) -> list[Datum]:
    """Return data that differ in a digit, a sign, a factor of 21/20, an exponent, a symbol, an operation or a term."""
    return _spliced(datum, _altered(datum))


def rewritings(datum: Datum) -> list[Datum]:
    """Return data that state the same in another form, of one node or of a whole expression."""
    return _spliced(datum, chain(_rewritten(datum), _whole_forms(datum)))


Splice = tuple[int, int, str]
"""The start and the end of a node in the text, and what replaces it."""


def _spliced(datum: Datum, splices: Iterable[Splice]) -> list[Datum]:
    text = datum.text.strip()
    found = {text[:start] + new + text[end:] for start, end, new in splices} - {text}
    return [Datum(datum.claim_id, other) for other in sorted(found)]


def _nodes(datum: Datum) -> Iterator[tuple[ast.expr, int, int]]:
    """Yield the nodes of all expressions, other than names of functions, with their places in the text."""
    for element in datum.elements:
        functions = {id(node.func) for node in ast.walk(element) if isinstance(node, ast.Call)}
        for node in ast.walk(element):
            if isinstance(node, ast.expr) and id(node) not in functions:
                assert node.end_col_offset is not None
                yield node, node.col_offset, node.end_col_offset


def _altered(datum: Datum) -> Iterator[Splice]:
    text, claim = datum.text.strip(), claim_named(datum.claim_id)
    for node, start, end in _nodes(datum):
        segment = text[start:end]
        if isinstance(node, ast.Constant):
            yield from ((start, end, other) for other in _other_digits(segment))
            yield from ((start, end, f"({segment} {sign} 1/20)") for sign in "+-")
        yield from ((start, end, f"({segment})*{factor}") for factor in ("21/20", "(19/20)"))
        yield start, end, f"(-({segment}))"
        match node:
            case ast.Name(id=name):
                yield from ((start, end, s.name) for s in claim.symbols if s.name != name)
                yield from ((start, end, form) for form in (f"({name} + 1/20)", f"({name}**2)", f"(1/{name})"))
            case ast.BinOp(left=left, op=operator, right=right):
                one, two = (f"({text[part.col_offset : part.end_col_offset]})" for part in (left, right))
                yield from ((start, end, f"({other})") for other in _other_operations(operator, one, two))


def _other_digits(number: str) -> Iterator[str]:
    """Yield a number with one digit raised or lowered by 1, and a decimal with one digit fewer, or a 0 at its end."""
    mantissa, mark, exponent = number.partition("e")
    for place, digit in enumerate(mantissa):
        if digit.isdigit():
            for step in (1, 9):
                other = f"{mantissa[:place]}{(int(digit) + step) % 10}{mantissa[place + 1 :]}"
                # Python takes no integer that begins with 0.
                if not (other.startswith("0") and other.isdigit() and len(other) > 1):
                    yield f"{other}{mark}{exponent}"
    if "." in mantissa:
        yield from (f"{other}{mark}{exponent}" for other in (f"{mantissa}0", mantissa[:-1]))


def _other_operations(operator: ast.operator, one: str, two: str) -> Iterator[str]:
    match operator:
        case ast.Add():
            yield from (f"{one} - {two}", one, two)
        case ast.Sub():
            yield from (f"{one} + {two}", one, two)
        case ast.Mult():
            yield f"{one}/{two}"
        case ast.Div():
            yield f"{one}*{two}"
        case ast.Pow():
            yield from (f"{one}**({two} + 1)", f"{one}**({two} - 1)", f"{one}**({two}*21/20)")


def _rewritten(datum: Datum) -> Iterator[Splice]:
    text, claim = datum.text.strip(), claim_named(datum.claim_id)
    whole = {(element.col_offset, element.end_col_offset) for element in datum.elements}
    names = [symbol.name for symbol in claim.symbols if not symbol.is_integer]
    for node, start, end in _nodes(datum):
        segment = text[start:end]
        # A decimal that stands alone states its digits where a claim asks for them.
        if claim.decimals and (start, end) in whole:
            yield from ((start, end, other) for other in _other_notations(segment))
            continue
        if isinstance(node, ast.Constant):
            forms = (f"{Fraction(segment)}", f"2*{segment} - {segment}", f"{segment} + 1 - 1", f"3*{segment}/3")
            yield from ((start, end, f"({form})") for form in forms)
            continue
        yield start, end, f"(-(-({segment})))"
        for name in names[:2]:
            yield start, end, f"((({segment})*{name}**2 + ({segment}))/({name}**2 + 1))"
            yield start, end, f"(({segment})*(sin({name})**2 + cos({name})**2))"
            yield start, end, f"(({segment}) + ({name} + 1)**2 - {name}**2 - 2*{name} - 1)"
        match node:
            case ast.Name(id=name) if name in names and next(s for s in claim.symbols if s.name == name).is_positive:
                yield from (
                    (start, end, f"{form}") for form in (f"abs({name})", f"sqrt({name}**2)", f"exp(log({name}))")
                )
            case ast.Call(func=ast.Name(id=function), args=[argument]):
                inside = text[argument.col_offset : argument.end_col_offset]
                yield from ((start, end, f"({form})") for form in _other_calls(function, inside))
            case ast.BinOp(left=left, op=operator, right=right):
                one, two = (f"({text[part.col_offset : part.end_col_offset]})" for part in (left, right))
                yield from ((start, end, f"({form})") for form in _other_orders(operator, one, two))


def _other_notations(number: str) -> Iterator[str]:
    """Yield a decimal in other notations, with the same last digit."""
    try:
        value = Decimal(number)
    except InvalidOperation:
        return
    digits, last = "".join(map(str, value.as_tuple().digits)), int(value.as_tuple().exponent)
    if isinstance(ast.literal_eval(number), float):
        yield from (
            f"{digits}e{last}",
            f"0.{digits}e{last + len(digits)}",
            f"{digits[0]}.{digits[1:]}e{last + len(digits) - 1}",
        )
        if last < 0:
            yield format(value, "f")


def _other_calls(function: str, inside: str) -> Iterator[str]:
    match function:
        case "exp":
            yield from (
                f"E**({inside})",
                f"1/exp(-({inside}))",
                f"exp(({inside})/2)**2",
                f"cosh({inside}) + sinh({inside})",
            )
        case "sqrt":
            yield from (f"({inside})**(1/2)", f"({inside})/sqrt({inside})")
        case "log":
            yield from (f"(-log(1/({inside})))", f"(log(2*({inside})) - log(2))", f"(2*log(sqrt({inside})))")
        case "cosh":
            yield f"(exp({inside}) + exp(-({inside})))/2"


def _other_orders(operator: ast.operator, one: str, two: str) -> Iterator[str]:
    match operator:
        case ast.Add():
            yield f"{two} + {one}"
        case ast.Sub():
            yield from (f"-{two} + {one}", f"-({two} - {one})")
        case ast.Mult():
            yield from (f"{two}*{one}", f"{one}/(1/{two})")
        case ast.Div():
            yield from (f"{one}*{two}**(-1)", f"3*{one}/(3*{two})")
        case ast.Pow():
            yield from (f"{one}**({two} - 1)*{one}", f"({one}**(2*{two}))**(1/2)")


def _whole_forms(datum: Datum) -> Iterator[Splice]:
    """Yield the expanded, the factored and the joined form of each expression."""
    claim = claim_named(datum.claim_id)
    if claim.decimals:
        return
    names = {symbol.name: symbol for symbol in claim.symbols}
    forms: tuple[Callable[[sympy.Expr], sympy.Expr], ...] = (sympy.expand, sympy.factor, sympy.together, sympy.apart)
    for element, part in zip(datum.elements, datum.parts, strict=True):
        expression = parse(part, names, special=True)
        for form in forms:
            try:
                written = format_text(form(expression))
            except (NotImplementedError, sympy.PolynomialError):
                continue
            assert element.end_col_offset is not None
            yield element.col_offset, element.end_col_offset, written
