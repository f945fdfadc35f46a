"""The law of T_m from m = 10^2 to 10^12, against the exact mean and variance and against its leading terms.

    python -m benchmarks.asymptotics [--json FILE] [--replicates N] [--only NAME ...]

The courses are those of `simulations.asymptotics.courses`: the standard example of Theorem 3.1 inside its window of
bandwidths and on the border, the uniform prior of EVAE and a kernel whose mean is not 0. Five minutes of one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.shared.report import Target, at_most, write
from simulations.asymptotics.courses import COURSES, SIZES
from simulations.asymptotics.record import Point, Track, courses_document
from simulations.study.simulate import simulate
from simulations.study.study import MOST_REPLICATES
from simulations.study.summary import FEWEST

#: From this m on the skewness and the distance to the limit law are compared with their leading terms.
FIRST = 10**6


def follow(name: str, replicates: int | None, console: Console) -> list[Point]:
    """Simulate a course on one thread, and show each of its points."""
    course, points = COURSES[name], []
    console.print(f"{course.name}: {course.title}, b = {course.bandwidth.name}", highlight=False)
    table = Table("m", "engine", "µs", "mean", "z", "variance", "z", "skewness", "distance", box=None)
    for m in SIZES:
        point = Point.of(simulate(course.study(m, replicates), workers=1))
        points.append(point)
        table.add_row(
            f"{m:.0e}",
            point.engine,
            f"{1e6 * point.seconds / point.replicates:,.0f}",
            f"{point.mean:.5g} ± {point.mean_error:.1g}",
            f"{point.mean_z:+.2f}",
            f"{point.variance:.5g} ± {point.variance_error:.1g}",
            f"{point.variance_z:+.2f}",
            f"{point.skewness:.3f} ± {point.skewness_error:.3f}",
            f"{point.limit_distance:.4f}",
        )
    console.print(table)
    return points


def targets(points: dict[str, list[Point]]) -> list[Target]:
    """Compare the points with what the theory predicts of them."""
    every = [point for some in points.values() for point in some]
    found = [
        at_most("largest |z| of the mean", 4, max(abs(point.mean_z) for point in every)),
        at_most("largest |z| of the variance", 4, max(abs(point.variance_z) for point in every)),
    ]
    if "inside" not in points:
        return found
    track = Track(COURSES["inside"], tuple(points["inside"]))
    late = [point for point in track.points if point.m >= FIRST]
    skewness = [(p.skewness - track.terms.skewness_at(p.bandwidth)) / p.skewness_error for p in late]
    distances = [
        (p.limit_distance - (track.terms.limit_distance_at(p.m, p.bandwidth) or 0.0)) / p.distance_error for p in late
    ]
    return [
        *found,
        at_most("largest |z| of the skewness against its leading term, m >= 10^6", 4, max(map(abs, skewness))),
        at_most("largest |z| of the distance against its leading term, m >= 10^6", 4, max(map(abs, distances))),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the study; return 1 if a prediction fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asymptotics", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    parser.add_argument("--replicates", type=int, help="at each m (default: the number of each course)")
    parser.add_argument("--only", nargs="+", choices=COURSES, metavar="NAME", help=f"of {', '.join(COURSES)}")
    options = parser.parse_args(arguments)
    if options.replicates is not None and not FEWEST <= options.replicates <= MOST_REPLICATES:
        parser.error(f"--replicates must be from {FEWEST} to {MOST_REPLICATES:,}, got {options.replicates}.")
    if options.json is not None and (options.json.is_dir() or not options.json.parent.is_dir()):
        parser.error(f"--json must be a file in a folder that exists, got {options.json}.")
    console = Console(width=120)
    points = {name: follow(name, options.replicates, console) for name in options.only or COURSES}
    found = targets(points)
    for target in found:
        console.print(str(target), highlight=False)
    write(options.json, {"courses": courses_document(points)}, found)
    return 0 if all(target.met for target in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
