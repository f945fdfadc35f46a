"""Size and power of the Bickel-Rosenblatt test, compared with the statistics of `scipy.stats.goodness_of_fit`.

    python -m benchmarks.power [--json FILE] [--m M] [--samples N]
    python -m benchmarks.power --estimated [--json FILE] [--samples N] [--null smoothed] [--families NAME,NAME]

The hypothesis is the standard normal. Every test rejects above the 95 % point of its null distribution, simulated with
9,999 samples, so that all have the same size and only the power differs. The bandwidth determines the scale of the
differences that T_m detects: the adaptive test uses several at once, and each of them is also tried alone.

``--estimated`` measures sizes instead: how often samples of a family are rejected whose parameters are estimated.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats
from scipy.special import log_ndtr, ndtr, ndtri

from benchmarks.shared.report import Target, at_least, at_most, write
from foundation.types import Array
from simulations import bickel_rosenblatt_test
from simulations.goodness_of_fit.bandwidths import make_comparable, take_bandwidths
from simulations.goodness_of_fit.estimation.model import take_model
from simulations.goodness_of_fit.names import ADAPTIVE, NULLS
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.sampling.streams import draw
from simulations.study.study import Study
from theory.bickel_rosenblatt.bandwidth import Bandwidth
from theory.densities.families import NORMAL

Test = Callable[[Array], float]
"""A statistic of a sorted sample whose large values are evidence against the standard normal."""

LEVEL = 0.05
NULL_SAMPLES = 9_999
ESTIMATED_REPLICATES = 99
SEED = 1
STANDARD_ERRORS = 4
THEOREM = "m^-0.235"


def kolmogorov_smirnov(ordered: Array) -> float:
    """Compute the largest distance between the empirical distribution function and the normal one."""
    level, steps = ndtr(ordered), np.arange(ordered.size + 1) / ordered.size
    return float(max(np.max(steps[1:] - level), np.max(level - steps[:-1])))


def anderson_darling(ordered: Array) -> float:
    """Compute A^2: the integral of (F_m - F)^2 / (F (1 - F)) dF, times m."""
    odd = 2 * np.arange(1, ordered.size + 1) - 1
    return float(-ordered.size - np.mean(odd * (log_ndtr(ordered) + log_ndtr(-ordered[::-1]))))


def cramer_von_mises(ordered: Array) -> float:
    """Compute W^2: the integral of (F_m - F)^2 dF, times m."""
    m = ordered.size
    levels = (2 * np.arange(1, m + 1) - 1) / (2 * m)
    return float(1 / (12 * m) + np.sum((levels - ndtr(ordered)) ** 2))


def filliben(ordered: Array) -> float:
    """Compute Filliben's statistic, less: how far order statistics are from a linear function of normal medians."""
    return float(1 - np.corrcoef(ordered, _normal_medians(ordered.size))[0, 1])


@cache
def _normal_medians(m: int) -> Array:
    levels = (np.arange(1, m + 1) - 0.3175) / (m + 0.365)
    levels[-1] = 0.5 ** (1 / m)
    levels[0] = 1 - levels[-1]
    return np.asarray(ndtri(levels))


CLASSICAL: dict[str, Test] = {
    "Kolmogorov-Smirnov": kolmogorov_smirnov,
    "Anderson-Darling": anderson_darling,
    "Cramer-von Mises": cramer_von_mises,
    "Filliben": filliben,
}


def bickel_rosenblatt(m: int, bandwidth: Bandwidth | str, null: str = "density") -> Test:
    """Return T_m with the weight one."""
    return NullLaw(Study(m, weight="one", bandwidth=bandwidth), smoothed=null == "smoothed").statistic.of_sorted


Alternative = Callable[[np.random.Generator, int], Array]


def comb(rng: np.random.Generator, m: int) -> Array:
    """Draw from the density phi(x) (1 + cos 10 x) / (1 + exp(-50)), by rejection."""
    accepted = np.empty(0)
    while accepted.size < m:
        normals = rng.standard_normal(4 * m)
        kept = normals[2 * rng.random(4 * m) < 1 + np.cos(10 * normals)]
        accepted = np.concatenate([accepted, kept])
    return accepted[:m]


def half_comb(rng: np.random.Generator, m: int) -> Array:
    """Draw from a mixture of the normal and the comb, one half each."""
    return np.where(rng.random(m) < 0.5, comb(rng, m), rng.standard_normal(m))


ALTERNATIVES: dict[str, Alternative] = {
    "the hypothesis": lambda rng, m: rng.standard_normal(m),
    "shifted by 0.15": lambda rng, m: rng.standard_normal(m) + 0.15,
    "wider by 15 %": lambda rng, m: 1.15 * rng.standard_normal(m),
    "Laplace of variance 1": lambda rng, m: rng.laplace(size=m) / math.sqrt(2),
    "two bumps of variance 1": lambda rng, m: 0.8 * rng.choice([-1.0, 1.0], m) + 0.6 * rng.standard_normal(m),
    "5 % in a spike at 1": lambda rng, m: np.where(
        rng.random(m) < 0.05, 1 + 0.03 * rng.standard_normal(m), rng.standard_normal(m)
    ),
    "half a comb, cos 10 x": half_comb,
}


@dataclass(frozen=True)
class Power:
    """The rejection rate of a test.

    Attributes
    ----------
    share : float
    standard_error : float
        Due to the samples of the alternative; the error due to the critical value is as small.
    """

    share: float
    standard_error: float


def powers(m: int, samples: int) -> dict[str, dict[str, Power]]:
    """Estimate the power of every test against every alternative."""
    bandwidths = take_bandwidths(ADAPTIVE, NORMAL, m)
    tests = {f"T_m, b = {THEOREM}": bickel_rosenblatt(m, THEOREM), **CLASSICAL}
    families = {
        null: {f"{null}, b = {one.at(m):.2f}": bickel_rosenblatt(m, one, null) for one in bandwidths} for null in NULLS
    }
    for family in families.values():
        tests |= family
    # All tests see the same samples, under the hypothesis and under every alternative.
    null_values = _compute(tests, (np.sort(draw(NORMAL, SEED, replicate, m)) for replicate in range(NULL_SAMPLES)))
    found = {}
    for number, (alternative, drawn) in enumerate(ALTERNATIVES.items()):
        rng = np.random.default_rng([SEED, number])
        values = _compute(tests, (np.sort(drawn(rng, m)) for _ in range(samples)))
        row = {name: _power(values[name], null_values[name]) for name in tests}
        for null, family in families.items():
            row[f"{null}, {ADAPTIVE}"] = _power(*_largest_excess(values, null_values, list(family)))
        found[alternative] = row
    return found


def _compute(tests: Mapping[str, Test], samples: Iterable[Array]) -> dict[str, Array]:
    """Compute every statistic of every sample."""
    values = np.array([[test(sample) for test in tests.values()] for sample in samples])
    return dict(zip(tests, values.T, strict=True))


def _largest_excess(
    values: Mapping[str, Array], null_values: Mapping[str, Array], names: Sequence[str]
) -> tuple[Array, Array]:
    """Return the adaptive statistic of the samples, and of those of the hypothesis."""
    null = make_comparable(np.array([null_values[name] for name in names]))
    means, deviations = null.mean(axis=1, keepdims=True), null.std(axis=1, keepdims=True)
    excesses = (make_comparable(np.array([values[name] for name in names])) - means) / deviations
    return excesses.max(axis=0), ((null - means) / deviations).max(axis=0)


def _power(values: Array, null: Array) -> Power:
    rejected = values > np.quantile(null, 1 - LEVEL)
    share = float(rejected.mean())
    return Power(share, math.sqrt(max(share * (1 - share), 1 / rejected.size) / rejected.size))


def targets(found: Mapping[str, Mapping[str, Power]]) -> list[Target]:
    """Return the targets: the sizes, and the power of the adaptive tests beside the best single bandwidth's."""
    sizes = [
        at_most(
            f"size of {name}, from {LEVEL}, in standard errors",
            STANDARD_ERRORS,
            abs(power.share - LEVEL) / power.standard_error,
        )
        for name, power in found["the hypothesis"].items()
    ]
    ratios = []
    for alternative, row in found.items():
        if alternative == "the hypothesis":
            continue
        for null in NULLS:
            best = max(power.share for name, power in row.items() if name.startswith(f"{null}, b"))
            ratio = row[f"{null}, {ADAPTIVE}"].share / best
            ratios.append(at_least(f"{alternative}: power of {null}, {ADAPTIVE} / that of its best b", 0.9, ratio))
    return sizes + ratios


#: Families with estimated parameters, and distributions of theirs.
ESTIMATED: dict[str, Any] = {
    "normal": stats.norm(3, 2),
    "gumbel": stats.gumbel_r(5, 2),
    "exponential": stats.expon(0, 7),
    "gamma": stats.gamma(2.5, scale=3),
    "lognormal": stats.lognorm(0.6, scale=3),
    "weibull": stats.weibull_min(1.7, scale=2),
    "beta": stats.beta(2, 3.5),
}

ESTIMATED_M = (50, 500)


def estimated_sizes(samples: int, null: str, families: Sequence[str]) -> dict[str, dict[int, Power]]:
    """Estimate how often `bickel_rosenblatt_test` rejects samples of a family whose parameters it estimates."""
    found: dict[str, dict[int, Power]] = {}
    for name in families:
        law, found[name] = ESTIMATED[name], {}
        for m in ESTIMATED_M:
            rejected = [
                bickel_rosenblatt_test(
                    law.rvs(m, random_state=np.random.default_rng([SEED, m, seed])),
                    name,
                    estimate=True,
                    bandwidth=ADAPTIVE,
                    null=null,
                    replicates=ESTIMATED_REPLICATES,
                    # A shape of its own for every sample: its null distribution is simulated each time.
                    seed=seed if take_model(name, {}).has_free_shape else SEED,
                ).rejected
                for seed in range(samples)
            ]
            share = float(np.mean(rejected))
            error = math.sqrt(max(share * (1 - share), 1 / samples) / samples)
            found[name][m] = Power(share, error)
    return found


def _report_sizes(samples: int, null: str, families: Sequence[str], path: Path | None) -> int:
    found = estimated_sizes(samples, null, families)
    console = Console(width=120)
    for name, row in found.items():
        sizes = ", ".join(f"{one.share:.3f} ± {one.standard_error:.3f} at m = {m}" for m, one in row.items())
        console.print(f"{name}: {sizes}", highlight=False)
    kept = [
        at_most(
            f"size of {name} at m = {m}, from {LEVEL}, in standard errors",
            STANDARD_ERRORS,
            abs(one.share - LEVEL) / math.sqrt(LEVEL * (1 - LEVEL) / samples),
        )
        for name, row in found.items()
        for m, one in row.items()
    ]
    document = {name: {str(m): vars(one) for m, one in row.items()} for name, row in found.items()}
    write(path, {"samples": samples, "null": null, "sizes": document}, kept)
    return 0 if all(target.met for target in kept) else 1


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--m", type=int, default=500, help="observations in a sample (default 500)")
    parser.add_argument("--samples", type=int, default=2_000, help="samples of every alternative (default 2000)")
    parser.add_argument("--estimated", action="store_true", help="measure sizes with estimated parameters")
    parser.add_argument("--null", choices=NULLS, default=NULLS[0], help="for the sizes: what is compared with")
    parser.add_argument("--families", default=",".join(ESTIMATED), help="for the sizes: families, joined by commas")
    options = parser.parse_args(arguments)
    families = options.families.split(",")
    if unknown := set(families) - set(ESTIMATED):
        parser.error(f"--families must be among {', '.join(ESTIMATED)}, got {', '.join(sorted(unknown))}")
    if options.estimated:
        return _report_sizes(options.samples, options.null, families, options.json)
    found = powers(options.m, options.samples)
    # The tests are the rows: there are more of them than alternatives.
    table = Table(title=f"Share of samples rejected at the level {LEVEL:.0%}, m = {options.m:,}", title_justify="left")
    for heading in ("", *found):
        table.add_column(heading, justify="right" if heading else "left")
    for name in next(iter(found.values())):
        table.add_row(name, *(f"{row[name].share:.3f}" for row in found.values()))
    console = Console(width=120)
    console.print(table)
    kept = targets(found)
    for target in kept:
        console.print(str(target), highlight=False)
    document = {name: {test: vars(power) for test, power in row.items()} for name, row in found.items()}
    write(options.json, {"m": options.m, "samples": options.samples, "power": document}, kept)
    return 0 if all(target.met for target in kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
