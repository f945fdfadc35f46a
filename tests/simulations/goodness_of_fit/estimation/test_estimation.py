"""Families with estimated parameters: the estimates, the statistic of the bootstrap, sizes, and refusals."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from cli import main
from foundation.errors import InputError
from foundation.types import Array
from simulations import bickel_rosenblatt_test, tm_statistic
from simulations.engines.exact.smoothed import SmoothedStatistic
from simulations.goodness_of_fit.estimation.bootstrap import DensityTerms, KernelSums, ShapeStatistic
from simulations.goodness_of_fit.estimation.location_scale import standardise
from simulations.goodness_of_fit.estimation.model import FORMS, take_model
from tests.support.processes.runner import runner
from theory.bickel_rosenblatt import bandwidth_named
from theory.densities.validation import valid_density
from theory.densities.weights import weight_named
from theory.kernels import kernel_named

FALSE_ALARM = 1e-4

#: Distributions of every family, with the parameters that are estimated.
LAWS: dict[str, Any] = {
    "normal": stats.norm(3, 2),
    "logistic": stats.logistic(-3, 0.1),
    "laplace": stats.laplace(1, 4),
    "cauchy": stats.cauchy(2, 3),
    "gumbel": stats.gumbel_r(5, 2),
    "t": stats.t(4, 1, 2),
    "exponential": stats.expon(0, 7),
    "gamma": stats.gamma(2.5, scale=3),
    "weibull": stats.weibull_min(1.7, scale=2),
    "lognormal": stats.lognorm(0.6, scale=math.exp(1.2)),
    "pareto": stats.pareto(3, scale=2),
    "beta": stats.beta(2, 3.5),
    "uniform": stats.uniform(2, 5),
    "scipy:invgauss": stats.invgauss(0.8, 0, 2),
}

FIXED = {"scipy:invgauss": {"loc": 0}}

SHAPES = [name for name in LAWS if take_model(name, FIXED.get(name, {})).has_free_shape]


def drawn(name: str, m: int, seed: int) -> Array:
    return np.asarray(LAWS[name].rvs(m, random_state=seed))


def test_every_family_with_parameters_can_be_estimated() -> None:
    assert set(FORMS) == {name for name in LAWS if not name.startswith("scipy:")}


@pytest.mark.parametrize("name", LAWS)
def test_no_parameters_nearby_are_more_likely_than_the_estimates(name: str) -> None:
    sample, model = drawn(name, 400, 1), take_model(name, FIXED.get(name, {}))
    fit = model.fit(sample)
    law = getattr(stats, model.form.law)

    def likelihood(*parameters: float) -> float:
        return float(law.logpdf(sample, *parameters).sum())

    best, found = likelihood(*fit.shapes, fit.location, fit.scale), [*fit.shapes, fit.location, fit.scale]
    free = [*(one in model.free for one in model.form.shapes), model.form.location in model.free]
    free.append(model.form.scale in model.free)
    for k in np.flatnonzero(free):
        for step in (-0.01, 0.01):
            other = list(found)
            other[k] += step * (fit.scale if k >= len(fit.shapes) else found[k])
            assert likelihood(*other) <= best + 1e-3


def test_the_parameters_have_the_names_of_the_family() -> None:
    sample = drawn("lognormal", 2000, 2)
    test = bickel_rosenblatt_test(sample, "lognormal", estimate=True, replicates=9)
    assert test.estimates == pytest.approx({"sigma": 0.6, "mu": 1.2}, abs=0.06)
    assert test.document()["estimated"] == test.estimates
    assert re.fullmatch(r"lognormal:0,0\.\d{1,4}", test.hypothesis)
    assert f"came from {test.hypothesis}, the" in test.in_words()[0]


@pytest.mark.parametrize("kernel", ["epanechnikov", "uniform"])
@pytest.mark.parametrize("name", SHAPES)
def test_the_statistic_of_the_bootstrap_is_tm_with_the_fitted_density(name: str, kernel: str) -> None:
    model = take_model(name, FIXED.get(name, {}))
    statistic = ShapeStatistic(model, KernelSums(kernel_named(kernel)), (0.2, 0.8))
    found, values = statistic.of_sample(drawn(name, 120, 3))
    spread, density = statistic.terms(found.fit.shapes).spread, model.standard(found.fit.shapes)
    for b, value in zip(statistic.bandwidths, values, strict=True):
        exact = tm_statistic(found.values, kernel=kernel, density=density, weight="one", bandwidth=b * spread)
        assert value == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(
    ("law", "density", "kernel"),
    [
        (stats.gamma(2.5), "gamma:2.5", "epanechnikov"),
        (stats.gamma(1), "exponential", "epanechnikov"),
        (stats.gamma(1), "exponential", "uniform"),
        (stats.t(3), "t:3", "epanechnikov"),
        (stats.beta(2, 3), "beta:2,3", "uniform"),
        (stats.pareto(3), "pareto:3", "triweight"),
    ],
)
def test_the_smoothed_statistic_of_the_bootstrap_is_that_of_a_known_density(
    law: Any, density: str, kernel: str
) -> None:
    terms, sample = DensityTerms.of(law.dist, law.args), np.sort(law.rvs(200, random_state=1))
    sums = KernelSums(kernel_named(kernel), smoothed=True)
    for b in (0.2 * terms.spread, 1.6 * terms.spread):
        f = valid_density(density)
        known = SmoothedStatistic(kernel_named(kernel), f, weight_named("one", f), bandwidth_named(b))
        assert sums.statistic(sample, b, terms) == pytest.approx(known.of_sorted(sample), rel=1e-5)


@pytest.mark.parametrize("shape", [0.3, 0.5, 0.8])
def test_the_smoothed_statistic_of_a_density_with_a_pole_is_the_integral_of_the_squared_difference(
    shape: float,
) -> None:
    """The square of such a density may have no integral; that of K_b * f has one."""
    law, b = stats.gamma(shape), 0.3
    sample = np.sort(law.rvs(5, random_state=2))

    def difference(x: float) -> float:
        # The substitution u = lower + t^4 takes the pole of f out of the integral.
        root = max(0.0, min(x + b, 60.0)) ** 0.25
        first = max(0.0, x - b) ** 0.25
        smoothed = quad(
            lambda t: 4 * t**3 * law.pdf(t**4) * 0.75 * (1 - ((x - t**4) / b) ** 2) / b, first, root, limit=200
        )[0]
        u = (x - sample) / b
        return float((np.where(abs(u) <= 1, 0.75 * (1 - u**2), 0.0).mean() / b - smoothed) ** 2)

    edges = np.unique(np.concatenate([[-b, b, 8.0, 30.0], sample - b, sample + b]))
    expected = 5 * b * sum(quad(difference, *ends, epsabs=1e-9)[0] for ends in itertools.pairwise(edges))
    found = KernelSums(kernel_named("epanechnikov"), smoothed=True).statistic(
        sample, b, DensityTerms.of(law.dist, (shape,))
    )
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "law",
    [stats.gamma(2.5), stats.gamma(0.4), stats.beta(2, 3.5), stats.t(0.7), stats.lognorm(2), stats.pareto(0.8)],
    ids=lambda law: law.dist.name,
)
def test_a_tabulated_distribution_function_has_twelve_digits(law: Any) -> None:
    terms = DensityTerms.of(law.dist, law.args)
    points = law.rvs(3_000, random_state=1) + np.repeat([0.0, 0.3, -0.3], 1_000)
    assert np.abs(terms.distribution(points) - law.cdf(points)).max() < 3e-12
    assert terms.table is not None


def test_a_distribution_function_that_is_too_steep_for_a_table_is_computed() -> None:
    terms = DensityTerms.of(stats.gamma, (0.002,))
    points = stats.gamma(0.002).rvs(500, random_state=1)
    assert terms.table is None
    assert terms.distribution(points).tolist() == stats.gamma(0.002).cdf(points).tolist()


@pytest.mark.parametrize("name", ["cauchy", "gumbel", "exponential", "uniform"])
def test_estimated_locations_and_scales_do_not_matter(name: str) -> None:
    sample = drawn(name, 80, 4)
    first, moved = (bickel_rosenblatt_test(one, name, estimate=True, replicates=49) for one in (sample, 9 * sample))
    assert moved.statistic == pytest.approx(first.statistic, rel=1e-3)
    assert moved.scale == pytest.approx(9 * (first.scale or 0), rel=1e-3)


#: Of each kind: locations and scales alone, a shape, and what is fixed.
SIZES: list[tuple[str, dict[str, Any]]] = [
    ("gumbel", {}),
    ("exponential", {}),
    ("gamma", {}),
    ("lognormal", {}),
    ("weibull", {}),
    ("t", {"df": 4}),
]


@pytest.mark.parametrize(
    ("name", "fixed", "m", "samples", "replicates"),
    [
        ("gamma", {}, 50, 60, 59),
        *(pytest.param(name, fixed, m, 300, 199, marks=pytest.mark.slow) for name, fixed in SIZES for m in (50, 500)),
    ],
)
def test_under_the_hypothesis_the_p_value_is_uniform(
    name: str, fixed: dict[str, Any], m: int, samples: int, replicates: int, tmp_path: Path
) -> None:
    found = [
        bickel_rosenblatt_test(
            drawn(name, m, seed), name, estimate=True, fixed=fixed, replicates=replicates, cache=tmp_path, seed=seed
        ).p_value
        if take_model(name, fixed).has_free_shape
        else bickel_rosenblatt_test(
            drawn(name, m, seed), name, estimate=True, fixed=fixed, replicates=999, cache=tmp_path
        ).p_value
        for seed in range(samples)
    ]
    rejected = sum(p <= 0.05 for p in found)
    assert stats.binomtest(rejected, samples, 0.05).pvalue > FALSE_ALARM
    assert stats.kstest(found, "uniform").pvalue > FALSE_ALARM


def test_the_smoothed_null_distribution_has_the_size_of_the_test() -> None:
    found = [
        bickel_rosenblatt_test(
            drawn("gamma", 40, seed),
            "gamma",
            estimate=True,
            bandwidth=["adaptive"],
            null="smoothed",
            replicates=39,
            seed=seed,
        ).p_value
        for seed in range(30)
    ]
    assert stats.kstest(found, "uniform").pvalue > FALSE_ALARM


def test_data_of_another_family_are_rejected() -> None:
    sample = drawn("gamma", 400, 5)
    assert bickel_rosenblatt_test(sample, "normal", estimate=True, replicates=199).rejected
    two_bumps = np.concatenate([sample, 40 + 0.5 * drawn("normal", 100, 6)])
    test = bickel_rosenblatt_test(two_bumps, "gamma", estimate=True, bandwidth="adaptive", replicates=99)
    assert test.p_value == 0.01


@pytest.mark.parametrize(
    ("density", "sample", "choices", "message"),
    [
        ("gamma:2", [1, 2, 3], {}, "must be a family without parameters"),
        ("nonsense", [1, 2, 3], {}, "must be a family with --estimate"),
        ("scipy:norm(1)", [1, 2, 3], {}, "must be a family with --estimate"),
        ("gamma", [-1, 2, 3], {}, "have none with location=0"),
        ("beta", [0.5, 1.5, 0.1], {}, "have none"),
        ("normal", [2, 2, 2], {}, "1 distinct value"),
        ("normal", [2], {}, "at least 2 observations"),
        ("normal", [1, 2, 3], {"fixed": {"foo": 1}}, "must be a parameter of normal"),
        ("normal", [1, 2, 3], {"fixed": {"deviation": -1}}, "must be positive"),
        ("normal", [1, 2, 3], {"fixed": {"mean": "x"}}, "must be a number"),
        ("normal", [1, 2, 3], {"fixed": {"mean": 0, "deviation": 1}}, "all are fixed"),
        ("normal", [1, 2, 3], {"fixed": {"mean": 0}, "estimate": False}, "give --estimate as well"),
        ("gamma", [1, 2, 3], {"weight": "window:0,1"}, "cannot be combined"),
        ("gamma", [1, 2, 3], {"rounded_to": 1}, "cannot be combined"),
        ("gamma", [1, 2, 3], {"kernel": "gaussian"}, "one polynomial"),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(
    density: str, sample: list[float], choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        bickel_rosenblatt_test(sample, density, **{"estimate": True, "replicates": 9, **choices})


def test_known_parameters_are_fixed_on_the_command_line(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x", drawn("normal", 60, 7))
    command = ["test-fit", str(tmp_path / "x"), "--estimate", "--replicates", "99", "--no-cache"]
    fixed = runner().invoke(main, [*command, "--fix", "mean=3"])
    assert fixed.exit_code == 0, fixed.output
    assert "estimated deviation" in fixed.output
    for wrong in ("mean", "mean=3=4", "=3"):
        refused = runner().invoke(main, [*command, "--fix", wrong])
        assert refused.exit_code == 2
        assert len(refused.stderr.strip().splitlines()) == 1


def test_a_fixed_location_is_that_of_the_standardised_sample() -> None:
    sample = drawn("normal", 50, 8)
    found = standardise(sample, take_model("normal", {"mean": 1}))
    assert found.fit.scale == pytest.approx(math.sqrt(np.mean((sample - 1) ** 2)))
    assert found.values == pytest.approx((sample - 1) / found.fit.scale)


def test_a_density_whose_square_has_no_integral_is_compared_with_the_smoothed_one_alone() -> None:
    """Its T_m is infinite, for the data or for some samples of the null distribution."""
    for shape, message in ((0.4, "the fitted density gamma:"), (0.85, "of the samples of gamma:")):
        sample = stats.gamma(shape).ppf((np.arange(30) + 0.5) / 30)
        with pytest.raises(InputError, match=f"{message}.*--null smoothed"):
            bickel_rosenblatt_test(sample, "gamma", estimate=True, replicates=199)
        test = bickel_rosenblatt_test(sample, "gamma", estimate=True, null="smoothed", replicates=49)
        assert test.p_value > 0.02
