"""The courses of the study, each a kernel, density, weight and rule for the bandwidth, from m = 10^2 to 10^12."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Integer, Rational

from simulations.study.study import Study
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.kernels import EPANECHNIKOV, Kernel

SIZES = tuple(10**power for power in range(2, 13))

FACTOR = 4
"""The factor of the wider rules: Theorem 3.1 restricts the rate of b, not its factor."""

SHIFT = Rational(1, 4)
"""The mean of the shifted kernel."""


@dataclass(frozen=True)
class Course:
    """A setting at all of `SIZES`.

    Parameters
    ----------
    name : str
        Its name in the record.
    title : str
    kernel : Kernel
    density, weight : str
        Names, as on the command line.
    bandwidth : Bandwidth
    replicates : int
        At each m.
    seed : int
        Different in every course, so that no two share random numbers.
    """

    name: str
    title: str
    bandwidth: Bandwidth
    replicates: int
    seed: int
    kernel: Kernel = EPANECHNIKOV
    density: str = "normal"
    weight: str = "window:-2,2"

    def study(self, m: int, replicates: int | None = None) -> Study:
        """Return the study at one m, with another number of replicates if it is given."""
        return Study(
            m=m,
            replicates=replicates or self.replicates,
            kernel=self.kernel,
            density=self.density,
            weight=self.weight,
            bandwidth=self.bandwidth,
            seed=self.seed,
        )


INSIDE, BORDER = bandwidth_named("m^-0.235"), bandwidth_named("m^-2/9")


def _widen(rule: Bandwidth) -> Bandwidth:
    return Bandwidth(f"{FACTOR} {rule.name}", factor=float(FACTOR), exponent=rule.exponent)


COURSES = {
    course.name: course
    for course in (
        Course("inside", "inside the window", INSIDE, replicates=100_000, seed=1),
        Course("border", "on the border", BORDER, replicates=10_000, seed=2),
        Course("inside-wide", "inside, 4 times as wide", _widen(INSIDE), replicates=10_000, seed=3),
        Course("border-wide", "on the border, 4 times as wide", _widen(BORDER), replicates=10_000, seed=4),
        Course(
            "uniform",
            "uniform prior",
            INSIDE,
            replicates=2_000,
            seed=5,
            density="uniform:-1,1",
            weight="inverse-density:-1,1",
        ),
        Course(
            "shifted",
            "kernel with mean 1/4",
            INSIDE,
            replicates=4_000,
            seed=6,
            kernel=EPANECHNIKOV.transform(SHIFT, Integer(1)),
        ),
    )
}
"""The courses by name. The first is the standard example of Theorem 3.1; each of the others differs in one respect."""
