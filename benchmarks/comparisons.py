"""Size and coverage of the tests and intervals of the ablation, on simulated tables with known effects.

    python -m benchmarks.comparisons [--json FILE] [--tables N]

A table has a value for each of three kernels, three objectives and several seeds. All values of one seed share an
effect of the seed, and the kernels and objectives have effects that vary with the seed: equally, or one of them far
more than the others, so that sphericity fails. Our multivariate test is compared with three analyses of variance: with
one pooled residual, with an error stratum for each effect, and the latter with Greenhouse and Geisser's correction.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy import special

from benchmarks.shared.report import Target, at_most, write
from evae.experiments.reports.tables import Table
from evae.experiments.statistics.anova import EFFECTS, effect_contrasts, multivariate_test
from evae.experiments.statistics.decomposition import decompose_gain
from evae.experiments.statistics.estimates import CONFIDENCE, SIGNIFICANCE
from evae.experiments.statistics.trials import Trial
from foundation.types import Array

KERNELS = ("gaussian", "epanechnikov", "uniform")
OBJECTIVES = ("elbo", "kde-bound", "kde-bound, constant B")
SEEDS = (3, 5, 10)
SEED = 7
STANDARD_ERRORS = 4.5


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the normal noise of a table, by level; a single value applies to all levels.

    Attributes
    ----------
    by_kernel, by_objective : tuple of float
        For the effects of kernel and objective that vary with the seed.
    residual : tuple of float
        For the single models, by objective.
    by_seed : float
        For the effect that all models of a seed share.
    """

    by_kernel: tuple[float, ...] = (0.0,)
    by_objective: tuple[float, ...] = (0.0,)
    residual: tuple[float, ...] = (1.0,)
    by_seed: float = 3.0

    def draw(self, generator: np.random.Generator, tables: int, seeds: int) -> Array:
        """Draw values of shape (tables, seeds, kernels, objectives)."""
        normal = generator.standard_normal
        return (
            self.by_seed * normal((tables, seeds, 1, 1))
            + np.array(self.by_kernel)[:, None] * normal((tables, seeds, 3, 1))
            + np.array(self.by_objective) * normal((tables, seeds, 1, 3))
            + np.array(self.residual) * normal((tables, seeds, 3, 3))
        )


NOISES = {
    "seed": Noise(),
    "seed, objective x seed": Noise(by_objective=(2.0,)),
    "the same, unequal": Noise((0.2, 0.2, 3.0), (0.4, 0.4, 6.0), (0.3, 0.3, 3.0)),
}

#: Means by kernel and objective, with effects of both and an interaction.
EFFECTIVE = np.array([[134.0, 114.0, 132.0], [133.0, 112.0, 131.0], [134.0, 113.0, 132.0]])

#: The same with a gain that few seeds can distinguish from zero.
SMALL = np.array([[134.0, 133.0, 132.0], [130.0, 129.0, 131.0], [134.0, 133.0, 132.0]])

#: A kernel whose error is lower by two standard deviations of a single model, and nothing else.
ONE_KERNEL = np.array([[0.0], [-2.0], [0.0]])


def in_stratum(vectors: Array) -> tuple[Array, Array]:
    """Compute F with the variation over the seeds as its error, and Greenhouse and Geisser's estimate of epsilon."""
    _, seeds, p = vectors.shape
    mean = vectors.mean(1)
    rest = vectors - mean[:, None]
    covariance = np.einsum("tsi,tsj->tij", rest, rest) / (seeds - 1)
    trace = np.trace(covariance, axis1=1, axis2=2)
    epsilon = trace**2 / (p * (covariance**2).sum((1, 2)))
    return seeds * (mean**2).sum(1) / trace, np.clip(epsilon, 1 / p, 1)


def stratum_p_values(vectors: Array) -> Array:
    """Compute the p-values of the F test in the stratum of an effect, which assumes sphericity."""
    _, seeds, p = vectors.shape
    return np.asarray(special.fdtrc(p, p * (seeds - 1), in_stratum(vectors)[0]))


def greenhouse_geisser_p_values(vectors: Array) -> Array:
    """Compute the p-values of the F test in the stratum of an effect, with Greenhouse and Geisser's correction."""
    _, seeds, p = vectors.shape
    f, epsilon = in_stratum(vectors)
    return np.asarray(special.fdtrc(epsilon * p, epsilon * p * (seeds - 1), f))


def one_residual_p_values(values: Array, vectors: Array) -> Array:
    """Compute the p-values of the F test with one residual for all effects.

    ``values`` has the shape (tables, seeds, treatments).
    """
    _, seeds, p = vectors.shape
    rest = values - values.mean(1, keepdims=True) - values.mean(2, keepdims=True) + values.mean((1, 2), keepdims=True)
    freedom = (values.shape[2] - 1) * (seeds - 1)
    residual = (rest**2).sum((1, 2)) / freedom
    return np.asarray(special.fdtrc(p, freedom, seeds * (vectors.mean(1) ** 2).sum(1) / p / residual))


def multivariate_p_values(vectors: Array) -> Array:
    """Compute the p-values of our test; NaN where the test is impossible."""
    return np.array([found[1] if (found := multivariate_test(one)) else math.nan for one in vectors])


def p_values(values: Array) -> dict[str, dict[str, Array]]:
    """Compute the p-values by effect and test, for values of shape (tables, seeds, kernels, objectives)."""
    flat = values.reshape(*values.shape[:2], -1)
    found = {}
    for effect, contrasts in zip(EFFECTS, effect_contrasts(*values.shape[2:]), strict=True):
        vectors = flat @ contrasts.T
        found[effect] = {
            "pooled": one_residual_p_values(flat, vectors),
            "stratum": stratum_p_values(vectors),
            "corrected": greenhouse_geisser_p_values(vectors),
            "multivariate": multivariate_p_values(vectors),
        }
    return found


#: Names of the tests in tables.
TESTS = {
    "pooled": "one pooled residual",
    "stratum": "own stratum",
    "corrected": "Greenhouse-Geisser",
    "multivariate": "multivariate (ours)",
}


def rejections(noise: Noise, means: Array, tables: int) -> dict[str, dict[str, list[float | None]]]:
    """Compute the share of tables that each test rejects at 5 %, by effect and test, for every number of `SEEDS`."""
    shares: dict[str, dict[str, list[float | None]]] = {effect: {test: [] for test in TESTS} for effect in EFFECTS}
    for seeds in SEEDS:
        generator = np.random.default_rng([SEED, seeds])
        for effect, by_test in p_values(means + noise.draw(generator, tables, seeds)).items():
            for test, found in by_test.items():
                possible = not np.isnan(found).any()
                shares[effect][test].append(float((found < SIGNIFICANCE).mean()) if possible else None)
    return shares


# --- Coverage --------------------------------------------------------------------------------------------------------


def trials_of(values: Array) -> list[Trial]:
    """Convert one table, of shape (seeds, kernels, objectives), to trials."""
    return [
        Trial(KERNELS[kernel], OBJECTIVES[objective], seed, float(value))
        for (seed, kernel, objective), value in np.ndenumerate(values)
    ]


def truth(means: Array) -> dict[str, float]:
    """Compute the true parts of the gain from the means by kernel and objective."""
    old, kernel_only, objective_only, new = means[0, 0], means[1, 0], means[0, 1], means[1, 1]
    gain = old - new
    kernel = ((old - kernel_only) + (objective_only - new)) / 2
    interaction = (objective_only - new) - (old - kernel_only)
    whole = {"gain": gain, "kernel": kernel, "objective": gain - kernel, "interaction": interaction}
    return {**{name: float(value) for name, value in whole.items()}, "kernel_share": float(kernel / gain)}


def check_coverage(values: Array, means: Array) -> dict[str, bool | None]:
    """Check for one table whether each interval contains the truth; None where the interval does not exist."""
    split = decompose_gain(trials_of(values))
    found: dict[str, bool | None] = {}
    for name, true in truth(means).items():
        part = getattr(split, name)
        interval = part.interval if part is not None else None
        found[name] = None if interval is None else bool(interval[0] <= true <= interval[1])
    return found


@dataclass(frozen=True)
class Coverage:
    """The share of intervals that contain the truth, and the number of tables with an interval."""

    share: float
    given: int
    tables: int


def coverages(noise: Noise, means: Array, tables: int) -> dict[str, list[Coverage]]:
    """Compute the coverage of the interval of every part, for every number of `SEEDS`."""
    found: dict[str, list[Coverage]] = {name: [] for name in truth(means)}
    for seeds in SEEDS:
        drawn = means + noise.draw(np.random.default_rng([SEED, seeds, 1]), tables, seeds)
        every = [check_coverage(values, means) for values in drawn]
        for name, column in found.items():
            given = [hit for one in every if (hit := one[name]) is not None]
            column.append(Coverage(sum(given) / len(given), len(given), tables))
    return found


# --- Report ----------------------------------------------------------------------------------------------------------

PARTS = {
    "gain": "gain",
    "kernel": "kernel's part",
    "objective": "objective's part",
    "interaction": "interaction",
    "kernel_share": "kernel's share (Fieller)",
}


def rejection_table(title: str, found: Mapping[str, Mapping[str, Mapping[str, Sequence[float | None]]]]) -> Table:
    """Format the shares of rejected tables by noise, effect and test."""
    rows = tuple(
        (noise, effect, *(in_percent(by_test[test]) for test in TESTS))
        for noise, by_effect in found.items()
        for effect, by_test in by_effect.items()
    )
    return Table(title, ("noise", "effect", *TESTS.values()), rows, words=2)


def coverage_table(found: Mapping[str, Mapping[str, Sequence[Coverage]]]) -> Table:
    """Format the coverage of the intervals by part and noise."""
    rows = tuple(
        (name, *(in_percent([one.share for one in by_part[part]]) for by_part in found.values()))
        for part, name in PARTS.items()
    )
    return Table("Intervals at 95 %: the share that contains the truth, %", ("interval", *found), rows)


def in_percent(shares: Sequence[float | None]) -> str:
    """Format shares in percent, with a dash for None."""
    return " / ".join("-" if share is None else f"{100 * share:.1f}" for share in shares)


def targets(
    sizes: Mapping[str, Mapping[str, Mapping[str, Sequence[float | None]]]],
    covering: Mapping[str, Mapping[str, Sequence[Coverage]]],
    tables: int,
) -> list[Target]:
    """Return the targets: our tests have size 5 % and our intervals coverage 95 %, under every noise."""
    # Simulated shares have a binomial standard error; the bound allows for the largest of many.
    error = math.sqrt(SIGNIFICANCE * (1 - SIGNIFICANCE) / tables)
    ours = [
        size
        for by_effect in sizes.values()
        for by_test in by_effect.values()
        for size in by_test["multivariate"]
        if size is not None
    ]
    shares = [one.share for by_part in covering.values() for column in by_part.values() for one in column]
    return [
        at_most(
            "size of the multivariate test, farthest from 5 %, in standard errors",
            STANDARD_ERRORS,
            max(abs(size - SIGNIFICANCE) for size in ours) / error,
        ),
        at_most(
            "coverage of an interval, farthest from 95 %, in standard errors",
            STANDARD_ERRORS,
            max(abs(share - CONFIDENCE) for share in shares) / error,
        ),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the simulations; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparisons", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--tables", type=int, default=20_000, help="simulated tables of each kind (default 20000)")
    options = parser.parse_args(arguments)
    tables: int = options.tables
    sizes = {name: rejections(noise, np.zeros((3, 3)), tables) for name, noise in NOISES.items()}
    power = {name: {"kernel": rejections(noise, ONE_KERNEL, tables)["kernel"]} for name, noise in NOISES.items()}
    covering = {name: coverages(noise, EFFECTIVE, tables) for name, noise in NOISES.items()}
    small = coverages(NOISES["seed, objective x seed"], SMALL, tables)["kernel_share"]
    given, holding = in_percent([one.given / one.tables for one in small]), in_percent([one.share for one in small])
    known, kept = truth(SMALL), targets(sizes, covering, tables)
    lines = [
        f"Each cell has values for {' / '.join(map(str, SEEDS))} seeds, from {tables:,} tables each.\n",
        rejection_table("No effect: the share of tables in which a test at 5 % finds one, %", sizes).markdown(),
        rejection_table("One kernel differs: the share of tables in which a test finds it, %", power).markdown(),
        coverage_table(covering).markdown(),
        f"A gain of {known['gain']:g} nats is distinguished from zero in {given} % of tables. Of these, Fieller's",
        f"interval for the kernel's share, {known['kernel_share']:g}, contains it in {holding} %.\n",
        *map(str, kept),
    ]
    Console().out("\n".join(lines), highlight=False)
    shares = {name: {part: [one.share for one in column] for part, column in c.items()} for name, c in covering.items()}
    document = {"seeds": SEEDS, "tables": tables, "sizes": sizes, "power": power, "coverage": shares}
    write(options.json, document, kept)
    return 0 if all(target.met for target in kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
