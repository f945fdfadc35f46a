"""The Epanechnikov distribution as a `torch.distributions.Distribution`, and its Kullback-Leibler divergences.

Every formula is written so that it neither overflows nor cancels near the ends of the support, and so that its
gradient is a finite number wherever its value is one: a branch that is not taken is fed a harmless argument
(the "double where"), because autograd multiplies the gradient of an untaken branch by zero, and 0 * inf is NaN.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal, Uniform, constraints
from torch.distributions.kl import register_kl
from torch.distributions.utils import broadcast_all

#: Entropy of the standard Epanechnikov density (3/4)(1 - x^2) on [-1, 1], in nats.
STANDARD_ENTROPY = 5 / 3 - math.log(3)

#: Variance of the standard Epanechnikov density; Lemma 3.2 fixes the variance r^2/5 to make the support [-r, r].
STANDARD_VARIANCE = 1 / 5


class Epanechnikov(Distribution):
    r"""Epanechnikov distribution: density :math:`\frac{3}{4r}\left(1 - ((x-\mu)/r)^2\right)` on [mu - r, mu + r].

    It is the kernel that minimises :math:`\int K^2` at a given mean and variance.

    Parameters
    ----------
    loc : Tensor or float
        mu, the centre: mean, median and mode. Any shape.
    scale : Tensor or float
        r > 0, half the length of the support; the standard deviation is r / sqrt(5). Broadcast against ``loc``.
    validate_args : bool, optional
        Whether parameters and values are checked; by default as `Distribution.set_default_validate_args` says.

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
    has_rsample = True

    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Distribution | None = None) -> Epanechnikov:
        """Return the same distribution with ``batch_shape``; no memory is copied."""
        new = self._get_checked_instance(Epanechnikov, _instance)  # type: ignore[no-untyped-call]
        shape = torch.Size(batch_shape)
        new.loc = self.loc.expand(shape)
        new.scale = self.scale.expand(shape)
        super(Epanechnikov, new).__init__(shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        """Return the closed interval [loc - scale, loc + scale]."""
        return constraints.interval(self.low, self.high)

    @property
    def low(self) -> Tensor:
        """Lower end of the support, loc - scale."""
        return self.loc - self.scale

    @property
    def high(self) -> Tensor:
        """Upper end of the support, loc + scale."""
        return self.loc + self.scale

    @property
    def mean(self) -> Tensor:
        """The mean, loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The mode, loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance, scale^2 / 5."""
        return STANDARD_VARIANCE * self.scale.square()

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, scale / sqrt(5): not by way of the square, which underflows for a small scale."""
        return math.sqrt(STANDARD_VARIANCE) * self.scale

    def entropy(self) -> Tensor:
        """Differential entropy in nats: log(scale) + 5/3 - log 3. Shape: the batch shape."""
        return self.scale.log() + STANDARD_ENTROPY

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw loc + scale * K with K the median of three uniforms (Algorithm 2), differentiable in loc and scale."""
        shape = self._extended_shape(sample_shape)
        noise = standard_epanechnikov(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + self.scale * noise

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density at ``value``; -inf at the ends of the support and, without validation, outside of it.

        The gradient is finite everywhere: zero where the log-density is -inf.
        """
        if self._validate_args:
            self._validate_sample(value)
        offset = value - self.loc
        inside = offset.abs() < self.scale
        offset = torch.where(inside, offset, 0.0)
        # 1 - u and 1 + u by way of the distances to the ends, which floating point computes without error near them.
        from_high = (self.scale - offset) / self.scale
        from_low = (self.scale + offset) / self.scale
        log_density = math.log(3 / 4) - self.scale.log() + from_high.log() + from_low.log()
        outside = torch.where(value.isnan(), value, -math.inf)
        return torch.where(inside, log_density, outside)

    def cdf(self, value: Tensor) -> Tensor:
        """Distribution function at any real ``value``: 0 below the support, 1 above it.

        A distribution function is defined on the whole line, so that, unlike `log_prob`, no value is refused.
        """
        u = ((value - self.loc) / self.scale).clamp(-1.0, 1.0)
        # 1/2 + 3u/4 - u^3/4, factored: the left tail keeps its relative accuracy.
        return (1 + u).square() * (2 - u) / 4

    def icdf(self, value: Tensor) -> Tensor:
        """Quantile of the probability ``value``: loc + scale * 2 sin(asin(2 p - 1) / 3).

        Accurate to rounding, also near 0 and 1. The derivative in p is infinite at 0 and 1 themselves; there the
        gradient in p is set to zero, and the gradients in loc and scale are exact.
        """
        if self._validate_args and not bool(constraints.unit_interval.check(value).all()):
            raise ValueError(f"Expected every probability given to icdf to lie in [0, 1], but found {value}.")
        return self.loc + self.scale * _standard_quantile(value)


def standard_epanechnikov(
    shape: Any,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw from the density (3/4)(1 - x^2) on [-1, 1] as the median of three uniforms (Algorithm 2).

    The result has the given ``shape``. With a ``generator`` the draw depends on its state alone.
    """
    first, second, third = torch.rand((3, *shape), generator=generator, dtype=dtype, device=device).unbind()
    # The median by three comparisons: torch.median would also sort out the indices, which nobody asks for.
    median = torch.maximum(torch.minimum(first, second), torch.minimum(torch.maximum(first, second), third))
    return 2 * median - 1


def _standard_quantile(p: Tensor) -> Tensor:
    """Quantile of the standard density, in [-1, 1]; NaN outside of [0, 1].

    2p - 1 rounds away what matters near p = 0, where the quantile is -1 + sqrt(4p/3): from p = 1e-17 on it would be
    -1. With asin(2p - 1) = 2 asin(sqrt p) - pi/2 nothing cancels; the upper half follows by symmetry.
    """
    upper = p > 0.5
    tail = torch.where(upper, 1 - p, p)
    at_end = tail == 0
    angle = 2 / 3 * torch.where(at_end, 0.5, tail).sqrt().asin()
    distance = math.sqrt(3) * angle.sin() + 2 * (angle / 2).sin().square()
    quantile = torch.where(at_end, 0.0, distance) - 1
    return torch.where(upper, -quantile, quantile)


def _contained(p: Epanechnikov, q: Epanechnikov | Uniform) -> Tensor:
    """Whether the support of p lies in that of q, judged by the ends as the supports have them, after rounding."""
    return (p.low >= q.low) & (p.high <= q.high)


@register_kl(Epanechnikov, Normal)
def _kl_epanechnikov_normal(p: Epanechnikov, q: Normal) -> Tensor:
    """KL(p || q) = -h(p) - E_p log q, always finite."""
    scaled_distance = ((p.loc - q.loc) / q.scale).square() + STANDARD_VARIANCE * (p.scale / q.scale).square()
    return q.scale.log() - p.entropy() + 0.5 * (math.log(2 * math.pi) + scaled_distance)


@register_kl(Epanechnikov, Uniform)
def _kl_epanechnikov_uniform(p: Epanechnikov, q: Uniform) -> Tensor:
    """KL(p || q) = log(length of q) - h(p); +inf where p reaches beyond q."""
    return torch.where(_contained(p, q), (q.high - q.low).log() - p.entropy(), math.inf)


@register_kl(Normal, Epanechnikov)
def _kl_normal_epanechnikov(p: Normal, q: Epanechnikov) -> Tensor:
    """Infinite: a normal law puts mass outside of every bounded interval."""
    return torch.full_like(broadcast_all(p.loc, q.loc)[0], math.inf)


@register_kl(Uniform, Epanechnikov)
def _kl_uniform_epanechnikov(p: Uniform, q: Epanechnikov) -> Tensor:
    """KL(p || q) = -log(length of p) - E_p log q; +inf where p reaches beyond q."""
    half_length = (p.high - p.low) / 2
    centre = (p.high + p.low) / 2 - q.loc
    contained = (p.low >= q.low) & (p.high <= q.high)
    half_length, centre = torch.where(contained, half_length, q.scale / 2), torch.where(contained, centre, 0.0)
    # E_p log(1 - v^2) with v = (x - loc)/scale is a mean logarithm on either side, with 1 -+ v measured from the ends.
    expectation = sum(
        (middle / q.scale).log() + _mean_log_about_one((half_length / middle).clamp(max=1.0))
        for middle in (q.scale - centre, q.scale + centre)
    )
    divergence = q.scale.log() - (2 * half_length).log() - math.log(3 / 4) - expectation
    return torch.where(contained, divergence, math.inf)


def _mean_log_about_one(s: Tensor) -> Tensor:
    """Mean of log over [1 - s, 1 + s], for 0 < s <= 1; at s = 1, log 2 - 1, where the gradient is set to zero."""
    at_one, tiny = s == 1, s < 1e-3
    safe = torch.where(at_one | tiny, 0.5, s)
    exact = ((1 + safe) * safe.log1p() - (1 - safe) * (-safe).log1p()) / (2 * safe) - 1
    # The next term of the series, -s^6/42, is below 3e-20.
    series = -s.square() / 6 - s.square().square() / 20
    return torch.where(at_one, math.log(2) - 1, torch.where(tiny, series, exact))


@register_kl(Epanechnikov, Epanechnikov)
def _kl_epanechnikov_epanechnikov(p: Epanechnikov, q: Epanechnikov) -> Tensor:
    r"""KL(p || q) in closed form; +inf where p reaches beyond q; exactly 0 for equal laws.

    Let g_1, g_2 >= 0 be the gaps between the lower and the upper ends of the two supports, r and R the scales of p
    and q, and d_i = g_i / r. Then R / r = 1 + (d_1 + d_2)/2, and, K being standard,

    KL = 3 log(R / r) - G(d_1) - G(d_2),   G(d) = E log(1 + d + K) - E log(1 + K).
    """
    shift = p.loc - q.loc
    excess = q.scale - p.scale
    contained = _contained(p, q) & (excess >= 0)
    # Supports whose rounded ends touch may overlap by less than a rounding error: such a gap is none.
    lower_gap = torch.where(contained, excess + shift, 0.0).clamp(min=0.0)
    upper_gap = torch.where(contained, excess - shift, 0.0).clamp(min=0.0)
    log_ratio = _log_of_sum(p.scale, (lower_gap + upper_gap) / 2)
    divergence = 3 * log_ratio - _expected_log_gain(lower_gap, p.scale) - _expected_log_gain(upper_gap, p.scale)
    # A guard: for laws that are almost equal the three terms cancel to within their rounding.
    return torch.where(contained, divergence.clamp(min=0.0), math.inf)


def _log_of_sum(r: Tensor, gap: Tensor) -> Tensor:
    """log((r + gap) / r) without overflow of gap / r and without cancellation for a small gap."""
    near = gap < r
    return torch.where(near, (torch.where(near, gap, 0.0) / r).log1p(), (r + gap).log() - r.log())


#: From this many half-widths on, the series of `_expected_log_gain` is more accurate than the closed form.
_FAR = 3.0
#: E K^(2j) = 3 / ((2j + 1)(2j + 3)), divided by 2j; with a = 1 + d >= 4 the first term left out is below 1e-20.
_SERIES = tuple(3 / (2 * j * (2 * j + 1) * (2 * j + 3)) for j in range(1, 15))


def _expected_log_gain(gap: Tensor, r: Tensor) -> Tensor:
    """G(d) = E log(1 + d + K) - E log(1 + K) for standard Epanechnikov K and d = gap / r >= 0.

    Closed form by partial integration against the distribution function,
    G(d) = log(1 + d/2) + d + d^2/2 - d^2 (d + 3)/4 log(1 + 2/d);
    for large d its terms cancel, and the series log(1 + d) - sum_j E K^(2j) / (2j (1 + d)^(2j)) takes over.
    """
    far = gap >= _FAR * r
    d = torch.where(far, 0.0, gap) / r
    positive = d > torch.finfo(d.dtype).tiny
    safe = torch.where(positive, d, 1.0)
    touching = torch.where(positive, d.square() * (d + 3) / 4, 0.0) * ((safe + 2) / safe).log()
    closed = (d / 2).log1p() + d + d.square() / 2 - touching
    inverse_square = (r / (r + gap)).square()
    series = torch.zeros_like(inverse_square)
    for coefficient in reversed(_SERIES):
        series = inverse_square * (coefficient + series)
    distant = _log_of_sum(r, gap) - series - (math.log(2) - 5 / 6)
    return torch.where(far, distant, closed)
