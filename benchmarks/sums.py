"""The law of T_m with drawn sums of positions, engine sums, against that with drawn positions and the exact moments.

    python -m benchmarks.sums [--json FILE] [--replicates N]

The normal density, the weight 1 on [-2, 2], b = m^-0.235, with the few cells that `auto` chooses, where as much as
possible happens within the cells. Both engines have cells, so the second comparison sees the law of the sums alone.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from benchmarks.shared.report import Target, at_least, at_most, write
from foundation.types import Array
from simulations.engines.multinomial.replicates import MultinomialReplicates
from simulations.engines.sums.replicates import SumReplicates
from simulations.study.study import Study
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.variance import exact_variance

SIZES = (3_000, 10_000, 100_000)
LARGEST = (10**6, 10**9, 10**12)
"""Sizes at which positions are not drawn: the sums are compared with the exact mean and variance alone."""

KERNELS = ("epanechnikov", "triweight")
LEVELS = (0.01, 0.05, 0.5, 0.95, 0.99)
SEED = 1


@dataclass(frozen=True)
class Row:
    """T_m of many replicates with drawn sums.

    Attributes
    ----------
    kernel : str
    m, strata, replicates : int
        ``strata`` is the number of parts of cells whose sums are drawn.
    microseconds : float
        Time of a replicate.
    mean_z, variance_z : float
        Mean and variance minus the exact ones, in standard errors.
    skewness_z : float or None
        Skewness minus that with drawn positions, in standard errors; None where positions are not drawn, as below.
    largest_quantile_gap : float or None
        Largest difference of the quantiles at `LEVELS`, in standard deviations.
    ks_p_value : float or None
        Two-sample Kolmogorov-Smirnov test against drawn positions.
    """

    kernel: str
    m: int
    strata: int
    replicates: int
    microseconds: float
    mean_z: float
    variance_z: float
    skewness_z: float | None = None
    largest_quantile_gap: float | None = None
    ks_p_value: float | None = None


def compare(kernel: str, m: int, replicates: int, *, with_positions: bool) -> Row:
    """Simulate T_m with drawn sums and, if asked, with drawn positions on the same cells."""
    setting = Study(m, kernel=kernel).setting
    engine = SumReplicates(setting, m)
    engine.values(SEED, range(1))
    started = time.process_time()
    values = engine.values(SEED, range(replicates))
    seconds = time.process_time() - started
    mean, variance = exact_mean(m, kernel).total, exact_variance(m, kernel).total
    kurtosis = float(stats.kurtosis(values))
    row = Row(
        kernel,
        m,
        engine.strata_drawn["sums"],
        replicates,
        1e6 * seconds / replicates,
        float(values.mean() - mean) / math.sqrt(variance / replicates),
        float(values.var(ddof=1) - variance) / (variance * math.sqrt((2 + kurtosis) / replicates)),
    )
    if not with_positions:
        return row
    positions = MultinomialReplicates(setting, m, engine.cells_per_bandwidth).values(SEED, range(replicates))
    gaps = np.quantile(values, LEVELS) - np.quantile(positions, LEVELS)
    return Row(
        **{
            **asdict(row),
            "skewness_z": _skewness_distance(values, positions),
            "largest_quantile_gap": float(np.abs(gaps).max()) / math.sqrt(variance),
            "ks_p_value": float(stats.ks_2samp(values, positions).pvalue),
        }
    )


def _skewness_distance(one: Array, other: Array) -> float:
    """Compute the difference of two skewnesses in standard errors, which 100 parts of each sample estimate."""
    parts = [np.array([stats.skew(part) for part in np.array_split(values, 100)]) for values in (one, other)]
    error = math.sqrt(sum(part.var(ddof=1) / part.size for part in parts))
    return float(parts[0].mean() - parts[1].mean()) / error


def targets(rows: list[Row]) -> list[Target]:
    """Return what the engine promises, with the results of this run."""
    compared = [row for row in rows if row.ks_p_value is not None]
    return [
        at_most("largest |z| of the mean", 4, max(abs(row.mean_z) for row in rows)),
        at_most("largest |z| of the variance", 4, max(abs(row.variance_z) for row in rows)),
        at_most("largest |z| of the skewness", 4, max(abs(row.skewness_z or 0.0) for row in compared)),
        at_least("smallest p-value of Kolmogorov and Smirnov", 1e-4, min(row.ks_p_value or 0.0 for row in compared)),
    ]


def table(rows: list[Row]) -> Table:
    """Format the rows as a table."""
    shown = Table(title="T_m with drawn sums", title_justify="left")
    for name in ("kernel", "m", "strata", "µs", "z mean", "z variance", "z skewness", "quantiles", "KS p"):
        shown.add_column(name, justify="right")
    for row in rows:
        compared = (row.skewness_z, row.largest_quantile_gap, row.ks_p_value)
        shown.add_row(
            row.kernel,
            f"{row.m:,}",
            f"{row.strata:,}",
            f"{row.microseconds:,.0f}",
            f"{row.mean_z:+.2f}",
            f"{row.variance_z:+.2f}",
            *("" if value is None else f"{value:.3g}" for value in compared),
        )
    return shown


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sums", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--replicates", type=int, default=100_000, help="of each law (default 100000)")
    options = parser.parse_args(arguments)
    rows = [compare(kernel, m, options.replicates, with_positions=True) for kernel in KERNELS for m in SIZES]
    rows += [compare(KERNELS[0], m, options.replicates // 10, with_positions=False) for m in LARGEST]
    console = Console(width=120)
    console.print(table(rows))
    found = targets(rows)
    for target in found:
        console.print(str(target), highlight=False)
    write(options.json, {"rows": [asdict(row) for row in rows]}, found)
    return 0 if all(target.met for target in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
