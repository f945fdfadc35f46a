"""Annealed importance sampling with Hamiltonian Monte Carlo (Neal 2001; Wu, Burda, Salakhutdinov and Grosse 2017).

Between the law p(v) of points and their law given an image lie p_t(v) ~ p(v) p(x | v)^b_t with 0 = b_0 < ... < b_T = 1.
Points drawn from p(v) are moved by a transition that leaves p_t invariant, for t = 1 to T - 1, and the products of
p(x | v)^(b_t - b_(t-1)) on the way are unbiased weights for p(x): the logarithm of their mean is a stochastic lower
bound of log p(x), whatever the encoder's posterior is. With T = 1 it is importance sampling from p(v).

The same path backwards, from a point that was drawn with the image, has weights whose inverses are unbiased for 1/p(x):
a stochastic upper bound (bidirectional Monte Carlo: Grosse, Ghahramani and Adams 2015).

A transition may depend on the image and the model, but not on the points that it moves, or the weights would be biased.
Step sizes are therefore found in a preliminary run, whose points are not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

LogDensity = Callable[[Tensor], Tensor]
"""Maps points (N, d) to values (N,), differentiably, each point by itself."""

#: Acceptance towards which the steps are adapted, and by how much their logarithm follows each mean acceptance.
ACCEPTANCE, RATE = 0.65, 0.2

#: A step is multiplied by a number drawn uniformly between these, so that no trajectory returns to where it began.
JITTER = (0.6, 1.2)

#: Steepness of the schedule.
STEEPNESS = 4.0


def sigmoid_schedule(temperatures: int) -> tuple[float, ...]:
    """Return b_0 = 0 to b_T = 1 for T ``temperatures``, closer to each other towards both ends.

    Examples
    --------
    >>> [round(b, 3) for b in sigmoid_schedule(4)]
    [0.0, 0.105, 0.5, 0.895, 1.0]
    """

    def height(share: float) -> float:
        return math.tanh(STEEPNESS * (2 * share - 1) / 2)

    middle = [0.5 + height(t / temperatures) / (2 * height(1)) for t in range(1, temperatures)]
    return (0.0, *middle, 1.0)


@dataclass(frozen=True)
class State:
    """Points (N, d) with log p(v) and log p(x | v), (N,), and their gradients (N, d)."""

    points: Tensor
    base: Tensor
    conditional: Tensor
    base_gradient: Tensor
    conditional_gradient: Tensor

    def log_density(self, b: float) -> Tensor:
        """Return log p(v) + b log p(x | v), (N,)."""
        return self.base + b * self.conditional

    def gradient(self, b: float) -> Tensor:
        """Return the gradient of `log_density`, (N, d)."""
        return self.base_gradient + b * self.conditional_gradient

    def where(self, chosen: Tensor, other: State) -> State:
        """Return these points where ``chosen``, (N,), and those of ``other`` elsewhere."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return State(*(torch.where(chosen if a.dim() == 1 else chosen[:, None], a, b) for a, b in pairs))


@dataclass(frozen=True)
class Bridge:
    """The laws between p(v) and p(v | x), and the transitions that leave them invariant.

    Attributes
    ----------
    log_base, log_conditional : callable
        log p(v), up to a constant, and log p(x | v).
    curvature : Tensor
        About the negative second derivative of log p(x | v) in units of that of log p(v), (d,): p_t is taken for
        1 / sqrt(1 + b_t curvature) wide. It affects how well points move, and not what is estimated.
    schedule : tuple of float
        b_0 to b_T.
    leaps : int
        Leapfrog steps of a transition.
    """

    log_base: LogDensity
    log_conditional: LogDensity
    curvature: Tensor
    schedule: tuple[float, ...]
    leaps: int

    @property
    def last(self) -> int:
        """T."""
        return len(self.schedule) - 1

    def expand(self, points: Tensor) -> State:
        """Return points, (N, d), with their densities and gradients."""
        points = points.detach().requires_grad_()
        with torch.enable_grad():
            base, conditional = self.log_base(points), self.log_conditional(points)
            gradients = [torch.autograd.grad(values.sum(), points)[0] for values in (base, conditional)]
        return State(points.detach(), base.detach(), conditional.detach(), *gradients)

    def move(self, state: State, t: int, step: float, noise: torch.Generator) -> tuple[State, Tensor]:
        """Make a transition that leaves p_t invariant; return the points and the probabilities of acceptance, (N,).

        Hamiltonian Monte Carlo with fresh momenta, for which forwards and backwards are the same.
        """
        b, like = self.schedule[t], state.points
        momentum = torch.randn(like.shape, generator=noise, dtype=like.dtype, device=like.device)
        factor, threshold = torch.rand((2, len(like)), generator=noise, dtype=like.dtype, device=like.device)
        low, high = JITTER
        scale = step * (low + (high - low) * factor[:, None]) / (1 + b * self.curvature).sqrt()
        before = state.log_density(b) - 0.5 * momentum.square().sum(1)
        moved = state
        for _ in range(self.leaps):
            momentum = momentum + 0.5 * scale * moved.gradient(b)
            moved = self.expand(moved.points + scale * momentum)
            momentum = momentum + 0.5 * scale * moved.gradient(b)
        gain = moved.log_density(b) - 0.5 * momentum.square().sum(1) - before
        # A trajectory that left the range of numbers has NaN, and is not accepted.
        probability = torch.where(gain.isnan(), -math.inf, gain).clamp(max=0).exp()
        return moved.where(threshold < probability, state), probability

    def adapt(self, start: Tensor, noise: torch.Generator) -> tuple[float, ...]:
        """Return a step for each t from 1 to T - 1, found by points that start from ``start``, (N, d), drawn from p(v).

        They must not be among those that are weighted.
        """
        state, log_step, steps = self.expand(start), -0.25 * math.log(start.shape[1]), []
        for t in range(1, self.last):
            steps.append(math.exp(log_step))
            state, probability = self.move(state, t, steps[-1], noise)
            log_step += RATE * (float(probability.mean()) - ACCEPTANCE)
        return tuple(steps)

    def forwards(self, start: Tensor, steps: tuple[float, ...], noise: torch.Generator) -> tuple[Tensor, float]:
        """Return log-weights, (N,), whose exponentials have the mean p(x), and the mean acceptance.

        ``start`` holds points (N, d) drawn from p(v), and ``steps`` come from `adapt`.
        """
        return self._follow(range(self.last), start, steps, noise)

    def backwards(self, end: Tensor, steps: tuple[float, ...], noise: torch.Generator) -> tuple[Tensor, float]:
        """Return log-weights, (N,), whose negatives' exponentials have the mean 1/p(x), and the mean acceptance.

        ``end`` holds points (N, d) drawn from p(v | x).
        """
        return self._follow(range(self.last - 1, -1, -1), end, steps, noise)

    def _follow(
        self, between: Iterable[int], points: Tensor, steps: tuple[float, ...], noise: torch.Generator
    ) -> tuple[Tensor, float]:
        """Add up (b_(t+1) - b_t) log p(x | v) over t in this order, moving the points from each to the next."""
        state, log_weights, accepted = self.expand(points), torch.zeros_like(points[:, 0]), []
        before: int | None = None
        for t in between:
            if before is not None:
                # Between the intervals t and t + 1 lies the law of t + 1, in either direction.
                middle = max(t, before)
                state, probability = self.move(state, middle, steps[middle - 1], noise)
                accepted.append(float(probability.mean()))
            log_weights = log_weights + (self.schedule[t + 1] - self.schedule[t]) * state.conditional
            before = t
        return log_weights, sum(accepted) / len(accepted) if accepted else 1.0
