"""The Epanechnikov distribution as a `torch.distributions.Distribution`.

Every formula avoids overflow and cancellation near the ends of the support, and its gradient is finite wherever its
value is: the argument of a branch that is not taken is replaced by a harmless one
(the "double where"), because autograd multiplies the gradient of an untaken branch by zero, and 0 * inf is NaN.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import constraints

from evae.configuration.noises import NOISES
from evae.distributions.arithmetic import require_probabilities, resolved, rounding_error
from evae.distributions.bounded import BoundedSymmetric
from foundation.errors import InputError

#: Entropy of the standard Epanechnikov density (3/4)(1 - x^2) on [-1, 1], in nats.
STANDARD_ENTROPY = NOISES["epanechnikov"].entropy

#: Variance of the standard Epanechnikov density; Lemma 3.2 fixes the variance r^2/5 to make the support [-r, r].
STANDARD_VARIANCE = NOISES["epanechnikov"].variance

#: How `Epanechnikov.rsample` and `standard_epanechnikov` can draw.
ALGORITHMS = ("median", "inverse")


class Epanechnikov(BoundedSymmetric):
    r"""Epanechnikov distribution: density :math:`\frac{3}{4r}\left(1 - ((x-\mu)/r)^2\right)` on [mu - r, mu + r].

    This kernel minimises :math:`\int K^2` at a given mean and variance.

    Parameters
    ----------
    loc : Tensor or float
        mu, the centre: mean, median and mode. Any shape.
    scale : Tensor or float
        r > 0, half the length of the support; the standard deviation is r / sqrt(5). Broadcast against ``loc``.
    validate_args : bool, optional
        Whether parameters and values are checked; by default as
        ``Distribution.set_default_validate_args`` says.

    Raises
    ------
    ValueError
        If ``validate_args`` and a parameter breaks its constraint, or a value given to `log_prob` lies outside the
        support (without validation its log-density is -inf), or a probability given to `icdf` outside [0, 1].

    Notes
    -----
    Source: Lemma 3.2 (density), Algorithm 2 (`rsample`).

    Examples
    --------
    >>> Epanechnikov(0.0, 2.0).variance
    tensor(0.8000)
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale)

    @property
    def variance(self) -> Tensor:
        """The variance, scale^2 / 5."""
        return STANDARD_VARIANCE * self.scale.square()

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, scale / sqrt(5), without the square, which underflows for a small scale."""
        return math.sqrt(STANDARD_VARIANCE) * self.scale

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats: log(scale) + 5/3 - log 3. Shape: the batch shape."""
        return self.scale.log() + STANDARD_ENTROPY

    def rsample(self, sample_shape: Any = (), *, algorithm: str = "median") -> Tensor:
        """Draw loc + scale * K, differentiable in loc and scale.

        K is the median of three uniforms (Algorithm 2) or, with the ``algorithm`` inverse, the quantile of one. Either
        way dx/dtheta = -(dF/dtheta) / f, the gradient of implicit reparametrisation.
        """
        shape = self._extended_shape(sample_shape)
        noise = standard_epanechnikov(shape, dtype=self.loc.dtype, device=self.loc.device, algorithm=algorithm)
        return self.loc + self.scale * noise

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density at ``value``; -inf at the ends of the support and, without validation, outside it.

        The gradient is finite everywhere: zero where the log-density is -inf.
        """
        if self._validate_args:
            self._validate_sample(value)
        log_density = self._log_density(*self._distances_to_ends(value))
        return torch.where(value.isnan(), value, log_density)

    def log_density_from_end(self, distance: Tensor) -> Tensor:
        """Return the log-density at a ``distance`` from the nearer end, to full relative accuracy; broadcasts."""
        return self._log_density(distance, 2 * self.scale - distance)

    def _log_density(self, from_low: Tensor, from_high: Tensor) -> Tensor:
        """Return the log-density by the distances from the two ends of the support; -inf unless both are positive."""
        inside = resolved(from_low, self.scale) & resolved(from_high, self.scale)
        from_low, from_high = (torch.where(inside, distance, self.scale) for distance in (from_low, from_high))
        # (3 / 4r) (1 - u)(1 + u), with 1 - u and 1 + u from the distances to the ends.
        log_density = (
            math.log(3 / 4) - self.scale.log() + (from_high / self.scale).log() + (from_low / self.scale).log()
        )
        return torch.where(inside, log_density, -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """Return the distribution function at any real ``value``: 0 below the support, 1 above it.

        Near the lower end it has full relative accuracy. A distribution function is defined on the whole line, so
        every value is accepted, unlike in `log_prob`.
        """
        from_low = self._distances_to_ends(value)[0].clamp(min=0.0)
        w = torch.minimum(from_low, 2 * self.scale) / self.scale
        # 1/2 + 3u/4 - u^3/4 with u = w - 1, factored.
        return w.square() * (3 - w) / 4

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantile of the probability ``value``: loc + scale * 2 sin(asin(2 p - 1) / 3).

        Accurate to rounding; near 0 and 1, so is the distance from the end of the support. At exactly 0 and 1 the
        derivative in p is infinite, and the gradient in p is set to zero; the gradients in loc and scale are exact.
        """
        if self._validate_args:
            require_probabilities(value)
        centre = self.loc + self.scale * _central_quantile(value)
        upper = value > 0.5
        distance = self.scale * quantile_above_low_end(torch.where(upper, 1 - value, value))
        low_end = self.low + (distance + rounding_error(self.loc, self.scale))
        high_end = self.high - (distance - rounding_error(self.loc, -self.scale))
        return torch.where(is_central(value), centre, torch.where(upper, high_end, low_end))

    def _distances_to_ends(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances of ``value`` from the lower and the upper end of the support; negative outside.

        The rounding error of the offset from loc is added after scale has cancelled the offset.
        """
        offset, error = value - self.loc, rounding_error(value, self.loc)
        return (self.scale + offset) + error, (self.scale - offset) - error


def standard_epanechnikov(
    shape: Any,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    algorithm: str = "median",
) -> Tensor:
    """Draw from the density (3/4)(1 - x^2) on [-1, 1].

    Parameters
    ----------
    shape : sequence of int
        The shape of the result.
    generator : torch.Generator, optional
        The only state that the draw depends on; by default the global generator.
    dtype, device : optional
        Data type and device of the result.
    algorithm : str
        ``median``: the median of three uniforms (Algorithm 2), which is faster. ``inverse``: the quantile of one.

    Raises
    ------
    InputError
        If ``algorithm`` is neither.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"algorithm must be {' or '.join(ALGORITHMS)}, got {algorithm!r}. Choose one of them.")
    if algorithm == "inverse":
        return _standard_quantile(torch.rand(tuple(shape), generator=generator, dtype=dtype, device=device))
    first, second, third = torch.rand((3, *shape), generator=generator, dtype=dtype, device=device).unbind()
    # The median by three comparisons: torch.median would also compute the indices, which are not needed.
    median = torch.maximum(torch.minimum(first, second), torch.minimum(torch.maximum(first, second), third))
    return 2 * median - 1


def _standard_quantile(p: Tensor) -> Tensor:
    """Return the quantile of the standard density, in [-1, 1]; NaN for p outside [0, 1]."""
    upper = p > 0.5
    outer = quantile_above_low_end(torch.where(upper, 1 - p, p)) - 1
    return torch.where(is_central(p), _central_quantile(p), torch.where(upper, -outer, outer))


def is_central(p: Tensor) -> Tensor:
    """Return whether 2p - 1, and so the quantile's distance from the centre, has full relative accuracy."""
    return (p - 0.5).abs() < 0.25


def _central_quantile(p: Tensor) -> Tensor:
    """Return the quantile of p where `is_central`, and zero elsewhere."""
    return quantile_from_centre(2 * torch.where(is_central(p), p, 0.5) - 1)


def quantile_from_centre(t: Tensor) -> Tensor:
    """Return the quantile of the standard density at (1 + t)/2, for -1 < t < 1: 2 sin(asin(t) / 3)."""
    return 2 * (t.asin() / 3).sin()


def quantile_above_low_end(p: Tensor) -> Tensor:
    """Return the distance of the quantile from -1, for 0 <= p <= 1/2, to full relative accuracy; NaN below 0.

    Near p = 0 the distance is sqrt(4p/3), but the rounding of 2p - 1 would make it 0 for p of 1e-17 or less. The
    identity asin(2p - 1) = 2 asin(sqrt p) - pi/2 avoids this cancellation.
    """
    at_end = p == 0
    angle = 2 / 3 * torch.where(at_end, 0.5, p).sqrt().asin()
    return torch.where(at_end, 0.0, math.sqrt(3) * angle.sin() + 2 * (angle / 2).sin().square())
