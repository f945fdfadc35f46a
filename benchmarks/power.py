"""Size and power of the Bickel-Rosenblatt test, compared with Kolmogorov-Smirnov and Anderson-Darling.

    python -m benchmarks.power [--json FILE] [--m M] [--samples N]

The hypothesis is the standard normal. Every test rejects above the 95 % point of its null distribution, simulated with
9,999 samples, so that all have the same size and only the power differs. The bandwidth determines the scale of the
differences that T_m detects: three bandwidths are compared.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.special import log_ndtr, ndtr

from benchmarks.shared.report import Target, at_least, at_most, write
from foundation.types import Array
from simulations.engines.exact.statistic import Statistic
from simulations.sampling.streams import draw
from simulations.study.study import Study
from theory.densities.families import NORMAL

Test = Callable[[Array], float]
"""A statistic of a sorted sample whose large values are evidence against the standard normal."""

LEVEL = 0.05
NULL_SAMPLES = 9_999
SEED = 1
STANDARD_ERRORS = 4
BANDWIDTHS = ("m^-0.235", 0.5, 0.1)


def kolmogorov_smirnov(ordered: Array) -> float:
    """Compute the largest distance between the empirical distribution function and the normal one."""
    level, steps = ndtr(ordered), np.arange(ordered.size + 1) / ordered.size
    return float(max(np.max(steps[1:] - level), np.max(level - steps[:-1])))


def anderson_darling(ordered: Array) -> float:
    """Compute A^2: the integral of (F_m - F)^2 / (F (1 - F)) dF, times m."""
    odd = 2 * np.arange(1, ordered.size + 1) - 1
    return float(-ordered.size - np.mean(odd * (log_ndtr(ordered) + log_ndtr(-ordered[::-1]))))


def bickel_rosenblatt(m: int, bandwidth: str | float) -> Test:
    """Return T_m with the weight one."""
    setting: Statistic = Study(m, weight="one", bandwidth=bandwidth).setting
    return setting.of_sorted


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
    tests: dict[str, Test] = {f"T_m, b = {b}": bickel_rosenblatt(m, b) for b in BANDWIDTHS}
    tests |= {"Kolmogorov-Smirnov": kolmogorov_smirnov, "Anderson-Darling": anderson_darling}
    # All tests see the same samples, under the hypothesis and under every alternative.
    null = [np.sort(draw(NORMAL, SEED, replicate, m)) for replicate in range(NULL_SAMPLES)]
    critical = {name: float(np.quantile([test(sample) for sample in null], 1 - LEVEL)) for name, test in tests.items()}
    found = {}
    for number, (alternative, drawn) in enumerate(ALTERNATIVES.items()):
        rng = np.random.default_rng([SEED, number])
        drawn_samples = [np.sort(drawn(rng, m)) for _ in range(samples)]
        found[alternative] = {
            name: _power(np.array([test(sample) for sample in drawn_samples]) > critical[name])
            for name, test in tests.items()
        }
    return found


def _power(rejected: npt.NDArray[np.bool_]) -> Power:
    share = float(rejected.mean())
    return Power(share, math.sqrt(max(share * (1 - share), 1 / rejected.size) / rejected.size))


def targets(found: Mapping[str, Mapping[str, Power]]) -> list[Target]:
    """Return the targets: the size, and that T_m detects structure that the other tests do not."""
    sizes = [(name, power) for name, power in found["the hypothesis"].items() if name.startswith("T_m")]
    finest = f"T_m, b = {BANDWIDTHS[-1]}"
    against = found["half a comb, cos 10 x"]
    classical = max(against["Kolmogorov-Smirnov"].share, against["Anderson-Darling"].share)
    return [
        *(
            at_most(
                f"size of {name}, from {LEVEL}, in standard errors",
                STANDARD_ERRORS,
                abs(power.share - LEVEL) / power.standard_error,
            )
            for name, power in sizes
        ),
        at_least("power against the comb: T_m less the better of the others", 0.1, against[finest].share - classical),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--m", type=int, default=500, help="observations in a sample (default 500)")
    parser.add_argument("--samples", type=int, default=2_000, help="samples of every alternative (default 2000)")
    options = parser.parse_args(arguments)
    found = powers(options.m, options.samples)
    names = list(next(iter(found.values())))
    table = Table(title=f"Share of samples rejected at the level {LEVEL:.0%}, m = {options.m:,}", title_justify="left")
    for heading in ("", *names):
        table.add_column(heading, justify="right" if heading else "left")
    for alternative, row in found.items():
        table.add_row(alternative, *(f"{power.share:.3f}" for power in row.values()))
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
