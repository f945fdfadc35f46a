"""T_m against KDEpy, statsmodels, SciPy and scikit-learn: accuracy, time and ratio, in one run on one core.

    python -m benchmarks.tm [--json FILE] [--rounds N] [--slow]

The standard example: the normal density, the weight 1 on [-2, 2], b = m^-0.235. Every call has a new input, since the
processor's branch predictor would learn a fixed sample. Accuracies are relative to the exact statistic, which the tests
compare with 40-digit arithmetic.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.shared import peers
from benchmarks.shared.report import Target, at_least, at_most, write
from benchmarks.shared.timing import Times, Work, side_by_side
from foundation.types import Array
from simulations.engines.cells.replicates import CellReplicates
from simulations.engines.choice import ENGINES, Replicates, engine_for
from simulations.study.study import Study

Statistic = Callable[[Array], float]

M = 10_000
LARGER = (10_000, 1_000_000, 10**9, 10**12)

WANTED = {100: 40, 10_000: 50, 1_000_000: 400}
"""How many times as fast as NumPy's normals and KDEpy a replicate is to be, by m."""

GROWTH = {10**9: 60, 10**12: 300}
"""The most times the time at m = 10,000 that a replicate may take, by m; the grid itself grows 15 and 75 times."""

SAMPLES, FEW = 64, 4
SEED = 1
EXACT, CELLS = "exact", "cells"
FASTEST_FOR = {"exact": 10_000, "cells": 10_000, "multinomial": 10**6, "sums": 0}
"""The largest m at which an engine is timed beside that of `auto`."""

FASTEST_PEER = "KDEpy FFTKDE, 4096 nodes"
SLOW = ("KDEpy TreeKDE, 512 nodes", "scikit-learn KernelDensity, 512 nodes", "SciPy gaussian_kde, 512 nodes")


@dataclass(frozen=True)
class Row:
    """The results of a contestant.

    Attributes
    ----------
    microseconds : float
        Time of a call, the median over the rounds.
    ratio : float
        Time relative to that of the first contestant in the table.
    rms_error : float or None
        Root mean square error of T_m relative to the exact statistic.
    """

    microseconds: float
    ratio: float
    rms_error: float | None = None


def evaluation(kernel: str, others: Mapping[str, Callable[[Array, float], float]], rounds: int) -> dict[str, Row]:
    """Time T_m of a given, unsorted sample."""
    study = Study(M, kernel=kernel)
    setting, b = study.setting, study.setting.bandwidth.at(M)
    rng = np.random.default_rng(SEED)
    samples = [rng.standard_normal(M) for _ in range(SAMPLES)]
    cells = CellReplicates(setting, M)
    contestants: dict[str, Statistic] = {
        f"{CELLS}, L = {cells.cells_per_bandwidth}": cells.grid.of_sample,
        EXACT: lambda sample: setting.of_sorted(np.sort(sample)),
        **{name: _bind(peer, b) for name, peer in others.items()},
    }
    exact = [setting.of_sorted(np.sort(sample)) for sample in samples]
    times = side_by_side({name: _cycling(value, samples) for name, value in contestants.items()}, rounds)
    # The accuracy of slow peers is measured on fewer samples.
    accuracies = {
        name: _rms_error(value, samples[: SAMPLES if name not in SLOW else FEW], exact)
        for name, value in contestants.items()
    }
    return _rows(times, accuracies)


def whole_replicates(m: int, rounds: int) -> dict[str, Row]:
    """Time the drawing of a sample and its T_m by all engines that are fast at ``m``, the one of `auto` first."""
    setting = Study(m).setting
    b, block = setting.bandwidth.at(m), max(20, 200_000 // m)
    rng = np.random.default_rng(SEED)
    names = [engine_for("auto", setting, m).name, *(name for name in ENGINES if m <= FASTEST_FOR[name])]
    contestants = {name: _blocks(ENGINES[name](setting, m, None), block) for name in dict.fromkeys(names)}
    contestants[f"NumPy normals and {FASTEST_PEER}"] = lambda _: [
        peers.kdepy_fft(rng.standard_normal(m), b) for _ in range(block)
    ]
    times = side_by_side(contestants, rounds)
    return _rows({name: Times(tuple(s / block for s in time.seconds)) for name, time in times.items()}, {})


def growth(rounds: int) -> dict[int, float]:
    """Time the engine that `auto` selects; return microseconds for a replicate, by m."""
    block = 20
    contestants = {str(m): _blocks(engine_for("auto", Study(m).setting, m), block) for m in LARGER}
    times = side_by_side(contestants, rounds)
    return {m: 1e6 * times[str(m)].median / block for m in LARGER}


def _blocks(engine: Replicates, block: int) -> Work:
    return lambda call: engine.values(SEED, range(call * block, (call + 1) * block))


def _bind(peer: Callable[[Array, float], float], b: float) -> Statistic:
    return lambda sample: peer(sample, b)


def _cycling(statistic: Statistic, samples: list[Array]) -> Work:
    return lambda call: statistic(samples[call % len(samples)])


def _rms_error(statistic: Statistic, samples: list[Array], exact: list[float]) -> float:
    errors = [statistic(sample) / value - 1 for sample, value in zip(samples, exact, strict=False)]
    return float(np.sqrt(np.mean(np.square(errors))))


def _rows(times: Mapping[str, Times], errors: Mapping[str, float]) -> dict[str, Row]:
    first = next(iter(times.values()))
    return {name: Row(1e6 * time.median, time.ratio_to(first), errors.get(name)) for name, time in times.items()}


def targets(
    given: Mapping[str, Row], replicates: Mapping[int, Mapping[str, Row]], microseconds: Mapping[int, float]
) -> list[Target]:
    """Return the project's targets for speed and accuracy, with the results of this run."""
    cells = next(row for name, row in given.items() if name.startswith(CELLS))
    exact = given[EXACT]
    return [
        at_most("rms relative error of T_m from cells", 1e-3, cells.rms_error or 0.0),
        at_least(f"T_m of a given sample, m = {M:,}: {FASTEST_PEER} over cells", 15, given[FASTEST_PEER].ratio),
        at_most(f"microseconds of an exact T_m of a given sample, m = {M:,}", 200, exact.microseconds),
        at_most("microseconds of an exact replicate, m = 100", 12, replicates[100][EXACT].microseconds),
        *(
            at_least(
                f"whole replicates, m = {m:,}: NumPy normals and KDEpy over {next(iter(replicates[m]))}",
                wanted,
                list(replicates[m].values())[-1].ratio,
            )
            for m, wanted in WANTED.items()
        ),
        *(
            at_most(f"a replicate at m = {m:,} over one at {M:,}", most, microseconds[m] / microseconds[M])
            for m, most in GROWTH.items()
        ),
    ]


def table(title: str, rows: Mapping[str, Row]) -> Table:
    """Format the rows as a table."""
    shown = Table(title=title, title_justify="left")
    for name in ("", "µs", "ratio", "rms relative error"):
        shown.add_column(name, justify="right" if name else "left")
    for name, row in rows.items():
        error = "" if row.rms_error is None else f"{row.rms_error:.1e}"
        shown.add_row(name, f"{row.microseconds:,.1f}", f"{row.ratio:,.1f}", error)
    return shown


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tm", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each table (default 7)")
    parser.add_argument(
        "--slow", action="store_true", help="include the peers that take a tenth of a second for a sample"
    )
    options = parser.parse_args(arguments)
    console = Console(width=100)
    chosen = [
        {name: peer for name, peer in group.items() if options.slow or name not in SLOW}
        for group in (peers.EPANECHNIKOV, peers.GAUSSIAN)
    ]
    given = evaluation("epanechnikov", chosen[0], options.rounds)
    console.print(table(f"T_m of a given sample, m = {M:,}, Epanechnikov kernel", given))
    gaussian = evaluation("gaussian", chosen[1], options.rounds)
    console.print(table(f"T_m of a given sample, m = {M:,}, Gaussian kernel", gaussian))
    replicates = {m: whole_replicates(m, options.rounds) for m in WANTED}
    for m, rows in replicates.items():
        console.print(table(f"A replicate, drawing included, m = {m:,}", rows))
    microseconds = growth(options.rounds)
    console.print("Microseconds a replicate: " + ", ".join(f"{t:,.0f} at m = {m:,}" for m, t in microseconds.items()))
    found = targets(given, replicates, microseconds)
    for target in found:
        console.print(str(target), highlight=False)
    document: dict[str, Any] = {
        "evaluation_epanechnikov": _plain(given),
        "evaluation_gaussian": _plain(gaussian),
        "replicates": {str(m): _plain(rows) for m, rows in replicates.items()},
        "microseconds_a_replicate": {str(m): value for m, value in microseconds.items()},
    }
    write(options.json, document, found)
    return 0 if all(target.met for target in found) else 1


def _plain(rows: Mapping[str, Row]) -> dict[str, Any]:
    return {name: vars(row) for name, row in rows.items()}


if __name__ == "__main__":
    raise SystemExit(main())
