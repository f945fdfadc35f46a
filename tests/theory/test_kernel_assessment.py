"""A user's own kernel: what is said of it, and what is refused."""

from __future__ import annotations

import io
import json
import pickle
import re
from fractions import Fraction
from functools import partial

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sympy import Rational

from foundation.errors import InputError
from tests.support.examples import examples
from theory import kernel_assessment
from theory.algebra import expressions
from theory.algebra.verified_integrals import closed_forms_within
from theory.kernel_assessment import assess_kernel, assess_kernel_completely
from theory.kernels import BIWEIGHT, GAUSSIAN, LOGISTIC


def failing(density: str, support: str) -> set[str]:
    return {c.statement.removeprefix("A1: ") for c in assess_kernel(density, support).conditions if not c.holds}


def test_a_named_kernel_typed_in_has_its_constants() -> None:
    for kernel, density, support in (
        (BIWEIGHT, "15/16*(1 - x**2)**2", "-1,1"),
        (GAUSSIAN, "exp(-x**2/2)/sqrt(2*pi)", "-oo,oo"),
    ):
        constants = assess_kernel(density, support).constants
        assert constants["variance"] == kernel.variance
        assert constants["roughness"] == kernel.roughness
        assert constants["convolution_roughness"] == kernel.convolution_roughness
        assert constants["entropy"] == kernel.entropy


def test_the_optimal_kernels_are_fully_efficient_and_no_other_is() -> None:
    assert assess_kernel("3/4*(1 - x**2)", "-1,1").efficiency == 1
    assert assess_kernel("1/2", "-1,1").convolution_efficiency == 1
    assert assess_kernel("1/2", "-1,1").efficiency < 1
    assert assess_kernel("3/4*(1 - x**2)", "-1,1").convolution_efficiency < 1
    assert float(assess_kernel("exp(-x**2/2)/sqrt(2*pi)", "-oo,oo").efficiency) == pytest.approx(0.951, abs=5e-4)


@pytest.mark.slow
@settings(max_examples=examples(4), deadline=None)
@given(
    st.fractions(min_value=Fraction(1, 4), max_value=4, max_denominator=8),
    st.fractions(min_value=-2, max_value=2, max_denominator=8),
)
def test_efficiency_does_not_depend_on_location_or_scale(scale: Fraction, location: Fraction) -> None:
    density = f"15/16*(1 - ((x - ({location}))/({scale}))**2)**2/({scale})"
    judgement = assess_kernel(density, f"{location - scale},{location + scale}")
    assert judgement.efficiency == assess_kernel("15/16*(1 - x**2)**2", "-1,1").efficiency
    assert judgement.constants["mean"] == Rational(location.numerator, location.denominator)


def test_the_assumptions_that_fail_are_named() -> None:
    assert failing("3/4*(1 - (x - 1/2)**2)", "-1/2,3/2") == {"symmetric about 0"}
    assert failing("exp(-x)", "0,oo") == {"symmetric about 0", "absolutely continuous on its support"}
    assert failing("x*exp(-x)", "0,oo") == {"symmetric about 0"}
    assert failing("exp(-abs(x))/2", "-oo,oo") == set()


@pytest.mark.parametrize(
    ("density", "support", "reason"),
    [
        ("x", "-1,1", "is negative somewhere"),
        ("sin(x)/2", "-1,4", "is negative at x = "),
        ("1 - x**2", "-1,1", "must integrate to 1, got 4/3 for '1 - x**2'. Divide it by 4/3"),
        ("1/(pi*(1 + x**2))", "-oo,oo", "must have a finite variance, got oo"),
        ("1/x", "0,1", "must integrate to 1, got oo"),
        ("exp(sin(x))", "0,1", "no closed form"),
        ("(x, 1)", "-1,1", "must be one expression"),
        ("y", "-1,1", "is not a known name"),
        ("__import__('os')", "-1,1", "is not a call of one of"),
        ("1/2", "1,-1", "the lower end first"),
        ("1/2", "-1", "must be two ends"),
        ("1/2", "-1,z", "is not a known name"),
    ],
)
def test_what_is_not_a_kernel_is_named_as_such(density: str, support: str, reason: str) -> None:
    with pytest.raises(InputError, match=re.escape(reason)):
        assess_kernel(density, support)


def test_a_constant_without_a_closed_form_is_enclosed_and_said_to_have_none() -> None:
    document = assess_kernel("exp(-abs(x))/2", "-oo,oo").document()
    # The autocorrelation is (1 + |y|) exp(-|y|) / 4, and the integral of its square 5/32.
    constant = document["constants"]["convolution_roughness"]
    assert constant == {"exact": None, "value": pytest.approx(5 / 32, rel=1e-8)}
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.parametrize(
    "density", ["1-abs(x)", "min(1+x,1-x)", "max(0,1-abs(x))", "(1+x)*Heaviside(-x)+(1-x)*Heaviside(x)"]
)
def test_the_triangular_kernel_has_its_constants_however_it_is_written(density: str) -> None:
    constants = assess_kernel(density, "-1,1").constants
    assert constants["variance"] == Rational(1, 6)
    assert constants["roughness"] == Rational(2, 3)
    assert constants["convolution_roughness"] == Rational(151, 315)
    assert constants["entropy"] == Rational(1, 2)


@pytest.mark.parametrize(
    ("density", "support", "mass"),
    [
        ("exp(-x**4)", "-oo,oo", 1.8128049541109541),
        ("exp(sin(x))", "0,1", 1.6318696084180514),
        ("abs(x-1)", "-1,1", 2.0),
    ],
)
def test_the_advised_divisor_is_the_mass_and_can_be_typed(density: str, support: str, mass: float) -> None:
    with pytest.raises(InputError, match="Divide it by ") as refusal:
        assess_kernel(density, support)
    divisor = str(refusal.value).rpartition("Divide it by ")[2].rstrip(".")
    assert float(expressions.parse(divisor, {})) == pytest.approx(mass, rel=1e-14)


def test_the_mass_of_a_periodic_kernel_is_that_of_all_its_periods() -> None:
    """Of abs(sin(2 x)) from 0 to 2 pi sympy integrates half."""
    (mass,) = (
        one for one in assess_kernel("abs(sin(2*x))/4", "0,2*pi").conditions if one.statement == "A1: integral 1"
    )
    assert (mass.holds, mass.detail) == (True, "the integral of K is 1")


def test_infinite_constants_are_shown_as_such_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_assessment, "closed_forms_within", partial(closed_forms_within, 0.2))
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(assess_kernel("1/(pi*sqrt(1-x**2))", "-1,1").table())
    shown = console.export_text()
    assert re.search(r"roughness +\N{INFINITY}", shown)
    assert re.search(r"convolution roughness +- +neither a closed form nor an enclosure found", shown)
    assert re.search(r"entropy +0\.45158271 +no closed form found; enclosed", shown)


def test_what_travels_to_another_process_has_its_constants_with_it() -> None:
    whole = pickle.loads(pickle.dumps(assess_kernel_completely("15/16*(1-x**2)**2", "-1,1")))
    assert set(whole.constants) & set(vars(whole.kernel)) == {
        *("mean", "variance", "roughness", "convolution_roughness", "entropy"),
    }


def test_the_logistic_kernels_closed_forms_survive_stretching() -> None:
    stretched = LOGISTIC.rescale(variance=1)
    assert sympy.simplify(stretched.variance - 1) == 0
    ratio = stretched.convolution_roughness / LOGISTIC.convolution_roughness
    assert sympy.simplify(ratio - sympy.pi / sympy.sqrt(3)) == 0
    assert sympy.simplify(stretched.entropy - 2 + sympy.log(sympy.pi / sympy.sqrt(3))) == 0
