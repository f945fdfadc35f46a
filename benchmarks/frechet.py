"""The Fréchet distance against the matrix square root by which pytorch-fid and torchmetrics compute it.

python -m benchmarks.frechet [--json FILE] [--dimensions D]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy import linalg

from benchmarks.shared.report import at_least, at_most, write
from benchmarks.shared.timing import side_by_side
from evae.metrics import frechet_distance
from foundation.types import Array

Law = tuple[Array, Array]


def law(rng: np.random.Generator, dimensions: int) -> Law:
    """Draw features of twice as many images, with very different spreads; return their mean and covariance."""
    features = rng.standard_normal((2 * dimensions, dimensions)) * np.geomspace(1e-2, 1, dimensions)
    features = features @ rng.standard_normal((dimensions, dimensions)) / np.sqrt(dimensions)
    return features.mean(0), np.cov(features, rowvar=False)


def by_matrix_square_root(first: Law, second: Law) -> float:
    """Compute the distance with `scipy.linalg.sqrtm`."""
    root = np.real(linalg.sqrtm(first[1] @ second[1]))
    return float(np.sum((first[0] - second[0]) ** 2) + np.trace(first[1]) + np.trace(second[1]) - 2 * np.trace(root))


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frechet", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--dimensions", type=int, default=2048, help="of the features (default 2048, Inception's)")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    first, second = law(rng, options.dimensions), law(rng, options.dimensions)
    ours, theirs = frechet_distance(*first, *second), by_matrix_square_root(first, second)
    times = side_by_side(
        {
            "ours": lambda _: frechet_distance(*first, *second),
            "sqrtm": lambda _: by_matrix_square_root(first, second),
        },
        rounds=3,
    )
    ratio = times["sqrtm"].ratio_to(times["ours"])
    console = Console(width=100)
    console.print(f"d = {options.dimensions}: ours {times['ours'].median:.2f} s, sqrtm {times['sqrtm'].median:.2f} s")
    targets = [
        at_least("sqrtm over ours", 5, ratio),
        at_most("relative difference of the distances", 1e-6, abs(ours / theirs - 1)),
    ]
    for target in targets:
        console.print(str(target), highlight=False)
    seconds = {name: time.seconds for name, time in times.items()}
    write(options.json, {"dimensions": options.dimensions, "seconds": seconds}, targets)
    return 0 if all(target.met for target in targets) else 1


if __name__ == "__main__":
    raise SystemExit(main())
