"""Fuzzed: what is typed as a formula is one or is refused; JSON is strict; the sentence of an error is one line."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from cli import main
from foundation.errors import InputError
from foundation.files import parse_json, read_json
from tests.support.hostile.mutations import (
    answered,
    contents,
    examples,
    little_memory,
    little_time,
    mutated,
    mutated_json,
)
from tests.support.processes.runner import runner
from theory.algebra.expressions import parse
from theory.kernel_assessment import assess_kernel
from theory.ledger.parallel import run_within

r = sympy.Symbol("r", positive=True)
x = sympy.Symbol("x", real=True)
SYMBOLS = {"r": r, "mu": sympy.Symbol("mu", real=True), "x": x}

PIECES = [
    *("r", "mu", "x", "pi", "E", "0", "1", "9", "0.5", "1e9", "1e-9", "10**49", "1_000", "2**-1", "1/3", "+"),
    *("-", "*", "/", "**", "^", "//", "%", "@", ",", "(", ")", "[", "]", "{", "}", ".", ":", ";", "=", "=="),
    *(":=", "<", "abs(", "exp(", "log(", "sqrt(", "sin(", "asin(", "cosh(", "tanh(", "erf(", "factorial("),
    *("atan(", "lambda:", "lambda x:", "if", "else", "for x in", "not", "and", "or", "is", "in", "await"),
    *("yield", "import os", "exec(", "__import__('os').system('true')", ".__class__", ".func", ".args"),
    *("f'{r}'", "f'{9**9**9}'", "'r'", 'b"r"', "...", "1j", "True", "None", "nan", "inf", "oo", "zoo", "#"),
    *("\\", "\n", "\t", "\x00", "\ufeff", "\u2028", "\ud800", "\u202e", "\xd7", "\u0440", "\uff12", "\xb2"),
    *("\u03c0", "\uff45\uff58\uff50(", "9**9**9", "9" * 60, "1" + "0" * 300, "1e400", "1e-400"),
]

VALID = [
    "4/(5*r)",
    "3/(4*r)*(1 - ((x - mu)/r)**2)",
    "(3/4, 1)",
    "exp(-(x - mu)**2/(2*r**2))/sqrt(2*pi*r**2)",
    "factorial(40)/10**40",
    "log(abs(x)) + erf(x/sqrt(2))",
    "0.1*r + 1e-3",
]

TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join),
    st.sampled_from(VALID).flatmap(
        lambda text: mutated(text.encode(), [piece.encode("utf-8", "surrogatepass") for piece in PIECES], 20).map(
            lambda content: content.decode("utf-8", "replace")
        )
    ),
    st.text(max_size=420),
    st.tuples(
        st.sampled_from(["(", "-", "[", "exp(", "r**", "1+", "abs(r-", "r**(", "~", "not "]), st.integers(1, 5000)
    ).map(lambda nest: nest[0] * nest[1] + "r" + ")" * nest[1] * ("(" in nest[0])),
)


OPERATORS = st.sampled_from(["+", "-", "*", "/", "**"])
FUNCTIONS = st.sampled_from(["abs", "exp", "log", "sqrt", "sin", "acos", "erf", "factorial", "cosh"])
LEAVES = st.sampled_from(["r", "mu", "x", "0", "1", "64", "1/64", "0.5", "1e9", "10**49", "-1", "pi", "E", "1e-49"])

#: Formulas of the grammar, with numbers and powers at its limits.
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, OPERATORS, inner).map(lambda drawn: f"({drawn[0]}){drawn[1]}({drawn[2]})"),
        st.tuples(FUNCTIONS, inner).map(lambda drawn: f"{drawn[0]}({drawn[1]})"),
    ),
    max_leaves=12,
)


def require_formula(text: str) -> None:
    """A formula is of the symbols that it may have, finite, and neither huge nor a program."""
    with little_time(5):
        found = answered(lambda: parse(text, SYMBOLS))
    if found is not None:
        assert isinstance(found, sympy.Expr | sympy.Tuple)
        assert found.free_symbols <= set(SYMBOLS.values())
        assert not found.has(sympy.nan, sympy.zoo, sympy.oo)
        assert len(str(found)) < 100_000


@given(TEXTS)
@examples(500)
def test_fuzzed_texts_are_formulas_or_refused(text: str) -> None:
    require_formula(text)


@given(FORMULAS)
@examples(250)
def test_fuzzed_formulas_are_read_or_refused_within_seconds(text: str) -> None:
    require_formula(text)


@given(
    TEXTS, st.one_of(TEXTS, st.sampled_from(["-1,1", "-oo,oo", "0,inf", "1,-1", "-1,1,2", "r,1", "0,10**49", "1,1"]))
)
@examples(40)
def test_fuzzed_ends_of_a_support_are_read_or_refused(density: str, support: str) -> None:
    """With no kernel to integrate: the density is refused or the ends are, at once."""
    with little_time(5):
        answered(lambda: assess_kernel(density + " ,1", support))


HOSTILE = [
    "9**9**9",
    "x**10**9",
    "factorial(10**9)",
    "exp(exp(exp(9)))",
    "(" * 5000,
    "x" * 100_000,
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "[x for x in (1, 2)]",
    "lambda: 0",
    "f'{x}'",
    "\u0435xp(x)\n",
    "x # comment\n\n1",
    "x\0",
    "\ud800",
    "1/0",
    "",
    "9" * 5000,
    "0x" + "f" * 300,
]


def refused(*arguments: str) -> str:
    result = runner().invoke(main, [*arguments], env={"COLUMNS": "80"})
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(("Error: ", "Usage: "))
    return line


@pytest.mark.parametrize(
    "text", ["", "nothing", "=", "=r", "lemma-3.2.minimum", "lemma-3.2.minimum=", "\n=\n", "\x1b[31m=1"]
)
def test_an_assumption_that_names_no_claim_is_refused_in_one_line(text: str) -> None:
    refused("verify-lemmas", "--assume", text)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:16]))
def test_a_hostile_assumption_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    from theory.ledger.registry import verify

    before = contents(tmp_path)
    with little_time(10):
        answered(lambda: pytest.fail("decided") if verify("lemma-3.2.minimum", text) else None)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:16]))
def test_a_hostile_density_is_refused_in_one_line(text: str) -> None:
    with little_time(10):
        answered(lambda: pytest.fail("assessed") if assess_kernel(text, "-1,1") else None)


@pytest.mark.parametrize(
    "support", ["", ",", "-1", "a,b", "1,0", "oo,-oo", "nan,1", "0,1e400", "0,9**9**9", "0,x", "1j,2", "\n,1"]
)
def test_a_hostile_support_is_refused_in_one_line(support: str) -> None:
    with little_time(10):
        answered(lambda: pytest.fail("assessed") if assess_kernel("1/2", support) else None)


def test_the_command_refuses_a_hostile_formula_in_one_line() -> None:
    """Each starts a process, so that one of each kind must do."""
    assert "is not a known name" in refused("verify-lemmas", "--assume", "lemma-3.2.minimum=os\n")
    assert "grammar" in refused("verify-lemmas", "kernel", "--density", "x.func", "--support", "-1,1")


def test_a_density_that_nobody_can_integrate_is_given_up_in_time() -> None:
    with little_time(30):
        answered(lambda: run_within(3.0, assess_kernel, "exp(sin(cos(x**7)))*erf(tanh(x))", "-1,1"), "")


@given(mutated(b'{"a": [1, 2.5, null, true, "text"], "b": {"c": -1e-3}}'))
@examples(300)
def test_fuzzed_json_is_strict_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    value = answered(lambda: [read_json(path)], "any.json")
    if value is not None:
        assert json.loads(json.dumps(value, allow_nan=False)) == value


@given(mutated_json(b'{"a": [1, 2.5, null, true, "text"], "b": {"c": -1e-3}}'))
@examples(300)
def test_fuzzed_documents_are_strict_or_refused(content: bytes) -> None:
    try:
        with little_memory(), little_time():
            value = parse_json(content)
    except ValueError as reason:
        assert not isinstance(reason, UnicodeEncodeError)
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_json_is_read_to_a_depth_that_its_writer_can_follow() -> None:
    assert parse_json("[" * 64 + "]" * 64)
    for depth in (65, 900, 10**6):
        with pytest.raises(ValueError, match="more than 64 levels deep"):
            parse_json("[" * depth + "]" * depth)


@given(st.text(max_size=60), st.integers(0, 200))
@examples(200)
def test_the_sentence_of_an_error_is_one_printable_line(text: str, times: int) -> None:
    error = InputError(text * times)
    assert str(error).isprintable()
    assert len(str(error)) <= 4000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    if (text * times).isprintable() and len(text * times) <= 4000:
        assert str(error) == text * times


def test_a_long_sentence_keeps_its_beginning_and_its_remedy() -> None:
    sentence = str(InputError(f"it is {'x' * math.factorial(8)}. Do that."))
    assert sentence.startswith("it is xxx")
    assert sentence.endswith("xxx. Do that.")
    assert len(sentence) < 4000
