"""The decomposition of a gain between two treatments into parts of the kernel and the objective.

Every figure is a contrast of the values of one seed: common terms cancel, and the spread of the contrast includes the
variation of the effect between seeds. Its t-interval over the seeds is exact for normal values of any covariance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evae.experiments.statistics.estimates import Estimate, estimate, t_quantile
from evae.experiments.statistics.trials import Blocks, Treatment, Trial, complete_blocks
from foundation.errors import InputError
from foundation.types import Array


@dataclass(frozen=True)
class Share:
    """A part of a gain as a fraction of it, with Fieller's 95 % interval for the ratio of two means."""

    value: float
    interval: tuple[float, float]

    @property
    def rest(self) -> Share:
        """The remainder of the whole."""
        return Share(1 - self.value, (1 - self.interval[1], 1 - self.interval[0]))

    def document(self) -> dict[str, Any]:
        """Return the share as strict JSON."""
        return {"value": self.value, "interval": list(self.interval)}


@dataclass(frozen=True)
class Decomposition:
    """The gain from one treatment to another, split between the kernel and the objective.

    Each estimate uses one number per seed. ``kernel.mean + objective.mean`` is ``gain.mean``. Each interval has its
    individual level of 95 %, without adjustment for multiplicity.

    Attributes
    ----------
    start, end : Treatment
    lower_is_better : bool
    gain : Estimate
        Positive if ``end`` is better.
    kernel, objective : Estimate
        The part of each, averaged over the two orders of changing them (Shapley value).
    kernel_first, kernel_last : Estimate
        The gain from changing the kernel under the objective of ``start``, and under that of ``end``.
    objective_first, objective_last : Estimate
        The gain from changing the objective with the kernel of ``start``, and with that of ``end``.
    interaction : Estimate
        ``kernel_last - kernel_first``, which is ``objective_last - objective_first``.
    kernel_share, objective_share : Share or None
        Share of the gain. None if the gain does not differ significantly from 0, since exactly then the interval of a
        ratio is unbounded, and if a part does not vary between seeds.
    left_out : tuple of int
        Seeds with some of the four treatments, but not all.
    """

    start: Treatment
    end: Treatment
    lower_is_better: bool
    gain: Estimate
    kernel: Estimate
    objective: Estimate
    kernel_first: Estimate
    kernel_last: Estimate
    objective_first: Estimate
    objective_last: Estimate
    interaction: Estimate
    left_out: tuple[int, ...]

    @property
    def kernel_share(self) -> Share | None:
        """The kernel's part as a fraction of the gain."""
        varying = self.kernel.interval is not None and self.objective.interval is not None
        return fieller_share(self.kernel, self.gain) if self.gain.sign and varying else None

    @property
    def objective_share(self) -> Share | None:
        """The objective's part as a fraction of the gain."""
        return None if self.kernel_share is None else self.kernel_share.rest

    def document(self) -> dict[str, Any]:
        """Return the decomposition as strict JSON."""
        names = ("gain", "kernel", "objective", "kernel_first", "kernel_last", "objective_first", "objective_last")
        shares = {"kernel_share": self.kernel_share, "objective_share": self.objective_share}
        return {
            "start": self.start._asdict(),
            "end": self.end._asdict(),
            "lower_is_better": self.lower_is_better,
            **{name: getattr(self, name).document() for name in (*names, "interaction")},
            **{name: None if share is None else share.document() for name, share in shares.items()},
            "left_out": list(self.left_out),
        }


def decompose_gain(
    trials: Iterable[Trial],
    start: tuple[str, str] = ("gaussian", "elbo"),
    end: tuple[str, str] = ("epanechnikov", "kde-bound"),
    *,
    lower_is_better: bool = True,
) -> Decomposition:
    """Split the gain from ``start`` to ``end`` into the part of the kernel and the part of the objective.

    Parameters
    ----------
    trials : iterable of Trial
        Only the four combinations of the two kernels with the two objectives are used.
    start, end : (kernel, objective)
        Treatments that differ in both.
    lower_is_better : bool

    Raises
    ------
    InputError
        If ``start`` and ``end`` share the kernel or the objective, no seed has all four treatments, or one treatment
        has two trials with one seed.

    Examples
    --------
    >>> values = {"gaussian": {"elbo": 9, "kde-bound": 3}, "epanechnikov": {"elbo": 8, "kde-bound": 1}}
    >>> trials = [Trial(kernel, objective, 0, v) for kernel, row in values.items() for objective, v in row.items()]
    >>> split = decompose_gain(trials)
    >>> split.gain.mean, split.kernel.mean, split.objective.mean
    (8.0, 1.5, 6.5)
    """
    first, last = Treatment(*start), Treatment(*end)
    if first.kernel == last.kernel or first.objective == last.objective:
        raise InputError(
            f"a gain is split between two that differ in kernel and objective, got {first} and {last}; name another."
        )
    corners = (first, first._replace(kernel=last.kernel), first._replace(objective=last.objective), last)
    return _decomposition(first, last, lower_is_better, complete_blocks(trials, corners))


def _decomposition(start: Treatment, end: Treatment, lower_is_better: bool, blocks: Blocks) -> Decomposition:
    magnitude = float(np.abs(blocks.values).max())
    old, kernel_only, objective_only, new = (-1 if lower_is_better else 1) * blocks.values.T

    def estimated(gains: Array) -> Estimate:
        return estimate(gains.tolist(), magnitude)

    # Either factor can change first; the part of each is the mean over both orders, so that the parts add up.
    return Decomposition(
        start,
        end,
        lower_is_better,
        gain=estimated(new - old),
        kernel=estimated(((kernel_only - old) + (new - objective_only)) / 2),
        objective=estimated(((objective_only - old) + (new - kernel_only)) / 2),
        kernel_first=estimated(kernel_only - old),
        kernel_last=estimated(new - objective_only),
        objective_first=estimated(objective_only - old),
        objective_last=estimated(new - kernel_only),
        interaction=estimated((new - objective_only) - (kernel_only - old)),
        left_out=blocks.left_out,
    )


def fieller_share(part: Estimate, gain: Estimate) -> Share:
    """Return the mean of ``part`` over that of ``gain``, whose interval must not contain 0, with Fieller's interval.

    The interval consists of all ratios q for which a t-test does not reject that the mean of part - q gain is 0: the
    values between the roots of a quadratic, whose leading coefficient is positive under that condition. It therefore
    contains 0 exactly if the interval of the part does. Because it is given only for a significant gain, its coverage
    is below 95 % if the gain is so small that it is rarely significant.
    """
    covariance = np.cov(part.values, gain.values) * t_quantile(gain.n - 1) ** 2 / gain.n
    a = gain.mean**2 - covariance[1, 1]
    b = part.mean * gain.mean - covariance[0, 1]
    c = part.mean**2 - covariance[0, 0]
    width = math.sqrt(max(b**2 - a * c, 0.0))
    return Share(part.mean / gain.mean, (float(b - width) / float(a), float(b + width) / float(a)))
