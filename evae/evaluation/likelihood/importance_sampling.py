"""Importance sampling of the likelihood of one image, p(x) = E p(x | z) p(z) / q(z) with z drawn from a proposal q.

With a posterior of bounded support as the proposal it would never converge to p(x): what the support leaves out stays
missing, however many codes are drawn, 0.0257 nats in a dimension for the best Epanechnikov law. Half of the codes are
therefore drawn from a normal law that reaches beyond it, and every code is weighted by the density of the mixture
(deterministic mixture sampling: Owen and Zhou, Safe and effective importance sampling, 2000). This also bounds the
weights at the ends of the posterior's support, where its density vanishes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from evae.evaluation.likelihood.laplace import Normal
from evae.metrics import pareto_k
from evae.models.posteriors import Draw, Posterior


@dataclass(frozen=True)
class Proposal:
    """A mixture of the posterior of one image and of normal laws.

    Attributes
    ----------
    posterior : Posterior
        Of one image: its tensors have the shape (1, d_z). It has a density unless ``own`` is 0.
    normals : tuple of Normal
        Laws of codes (d_z,).
    own, each : int
        Number of codes drawn from the posterior, and from each of the normal laws. K is their total.
    """

    posterior: Posterior
    normals: tuple[Normal, ...]
    own: int
    each: int

    def draw(self, generator: torch.Generator | None = None) -> Draw:
        """Draw K codes, (K, d_z), with the log-density of the mixture at each, (K,).

        If both numbers are even, each half of the rows has the same share of every law.
        """
        parts = [self._draw_own(generator)] if self.own else []
        parts += [self._draw_normal(number, generator) for number in range(len(self.normals)) if self.each]
        halves = [[pair.tensor_split(2)[half] for pair in part] for half in (0, 1) for part in parts]
        return Draw(*(torch.cat(tensors) for tensors in zip(*halves, strict=True)))

    def _draw_own(self, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw from the posterior; return the codes and the log-density of the mixture."""
        drawn = self.posterior.repeat(self.own).draw(generator)
        assert drawn.log_density is not None
        return drawn.codes, self._mix(drawn.codes, drawn.log_density)

    def _draw_normal(self, number: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw from one of the normal laws; return the codes and the log-density of the mixture."""
        like = self.posterior.mean
        noise = torch.randn(self.each, like.shape[1], generator=generator, dtype=like.dtype, device=like.device)
        codes = self.normals[number].at(noise)
        return codes, self._mix(codes, self.posterior.repeat(self.each).log_prob(codes) if self.own else None)

    def _mix(self, codes: Tensor, own: Tensor | None) -> Tensor:
        """Return the log-density of the mixture, given that of the posterior unless it has no share."""
        total = self.own + self.each * len(self.normals)
        parts = [] if own is None else [own + math.log(self.own / total)]
        if self.each:
            parts += [normal.log_prob(codes) + math.log(self.each / total) for normal in self.normals]
        return torch.stack(parts).logsumexp(0)


def log_mean_exp(log_weights: Tensor) -> Tensor:
    """Compute the logarithm of the mean weight over the last dimension; its expectation is at most log p(x)."""
    return log_weights.logsumexp(-1) - math.log(log_weights.shape[-1])


@dataclass(frozen=True)
class Estimate:
    """The estimate of log p(x) in nats for one image.

    Attributes
    ----------
    log_likelihood : float
        From all K weights. Its expectation is a lower bound of log p(x).
    at_half : float
        From K / 2 weights, the mean of the two halves: a lower bound too, which on average is not above the former.
        If the two differ much, K is too small.
    pareto_k : float
        `evae.metrics.pareto_k` of the weights.
    """

    log_likelihood: float
    at_half: float
    pareto_k: float

    @classmethod
    def of(cls, log_weights: Tensor) -> Estimate:
        """Estimate from log p(x | z) + log p(z) - log q(z) of K codes, K even, in the order of `Proposal.draw`."""
        return cls(
            float(log_mean_exp(log_weights)),
            float(log_mean_exp(log_weights.unflatten(0, (2, -1))).mean()),
            pareto_k(log_weights.cpu().numpy()),
        )
