"""Priors that are mixtures of Epanechnikov laws: kernel density estimates, with a share of N(0, I) in the mixture.

A mixture of laws of bounded support has no density at most codes, so that almost every divergence from it would be
infinite. The share of a normal law makes the logarithm of the density finite everywhere: it is called defensive.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from evae.configuration.noises import NOISES
from evae.models.posteriors import LocationScalePosterior, draw_noise
from evae.models.priors.prior import Prior
from evae.models.priors.pseudo_inputs import PseudoInputs

#: Codes whose distances to all components are held at once.
_ROWS = 500

_NOISE = NOISES["epanechnikov"]


class Kernels(NamedTuple):
    """Centres and bandwidths of products of Epanechnikov kernels, each of shape (networks, C, d_z)."""

    centres: Tensor
    bandwidths: Tensor


class EpanechnikovMixture(Prior):
    """The mixture (1 - e)/C sum of K((z - m)/r)/r over C products of Epanechnikov kernels, plus e times N(0, I).

    Parameters
    ----------
    share : float
        e, from 0 to 1, both excluded.
    networks : int
        Number of stacked networks.
    """

    share: float
    networks: int

    @abstractmethod
    def kernels(self) -> Kernels:
        """Return the kernels."""

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density, where the rows of one network follow those of another; it is finite everywhere."""
        kernels, parts = self.kernels(), []
        # In parts, because each has a distance to every kernel in every dimension.
        for rows in codes.unflatten(0, (self.networks, -1)).split(_ROWS, dim=1):
            parts.append(self._log_parts(rows, kernels).logsumexp(2))
        return torch.cat(parts, 1).flatten()

    @torch.no_grad()
    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw one of all components for each code, the defensive one with probability e, then the code from it."""
        centres, bandwidths = (each[0].float().cpu() for each in self.kernels())
        count, dimension = centres.shape
        weights = torch.full((count + 1,), (1 - self.share) / count)
        weights[count] = self.share
        chosen = torch.multinomial(weights, number, replacement=True, generator=random)
        kernel = draw_noise(_NOISE, torch.empty(number, dimension), random)
        normal = torch.randn(number, dimension, generator=random)
        nearest = chosen.clamp_max(count - 1)
        return torch.where(chosen[:, None] < count, centres[nearest] + bandwidths[nearest] * kernel, normal)

    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the moments of the component to which the code most probably belongs."""
        kernels = self.kernels()
        component = int(self._log_parts(code[None, None], kernels)[0, 0].argmax())
        if component == kernels.centres.shape[1]:
            return torch.zeros_like(code), torch.eye(len(code)).to(code)
        bandwidths = kernels.bandwidths[0, component]
        return kernels.centres[0, component], torch.diag(_NOISE.variance * bandwidths.square())

    def in_double(self, device: torch.device) -> Prior:
        """Return the mixture of the present kernels in double precision."""
        kernels = Kernels(*(each.detach().double().to(device) for each in self.kernels()))
        return FixedEpanechnikovMixture(kernels, self.share, self.label)

    def document(self) -> dict[str, Any]:
        """Return the description and the number of kernels."""
        return {**super().document(), "components": self.kernels().centres.shape[1]}

    def _log_parts(self, rows: Tensor, kernels: Kernels) -> Tensor:
        """Return the log-density of each kernel and of N(0, I) times its weight, (networks, N, C + 1)."""
        u = (rows[:, :, None] - kernels.centres[:, None]) / kernels.bandwidths[:, None]
        # In this form it keeps its digits near the ends, and 1 stands in where its logarithm would have no gradient.
        complement = (1 - u) * (1 + u)
        inside = complement > 0
        log_kernels = torch.where(inside, complement, 1.0).log() - (kernels.bandwidths / 0.75).log()[:, None]
        log_weight = math.log1p(-self.share) - math.log(kernels.centres.shape[1])
        of_kernels = torch.where(inside.all(3), log_kernels.sum(3) + log_weight, -math.inf)
        of_normal = math.log(self.share) - 0.5 * (rows.square() + math.log(2 * math.pi)).sum(2, keepdim=True)
        return torch.cat([of_kernels, of_normal], 2)


class FixedEpanechnikovMixture(EpanechnikovMixture):
    """A mixture of given kernels.

    Parameters
    ----------
    kernels : Kernels
    share : float
        e.
    label : str
        Description of the law.
    """

    def __init__(self, kernels: Kernels, share: float, label: str) -> None:
        super().__init__()
        self._kernels, self.share, self._label = kernels, share, label
        self.networks = len(kernels.centres)

    @property
    def label(self) -> str:
        """The description."""
        return self._label

    def kernels(self) -> Kernels:
        """Return the kernels."""
        return self._kernels


class EpanechnikovVampPrior(PseudoInputs, EpanechnikovMixture):
    """The mixture of the Epanechnikov posteriors of C pseudo-inputs, with a defensive share.

    But for this share it is a kernel density estimate of the codes, with C centres and a bandwidth for each centre and
    dimension. The parameters are those of `PseudoInputs` and the share.
    """

    def __init__(
        self, image_shape: Sequence[int], number: int, share: float, networks: int = 1, learned: bool = True
    ) -> None:
        super().__init__(image_shape, number, networks, learned)
        self.share = share

    @property
    def label(self) -> str:
        """Description with the number of pseudo-inputs and the share."""
        return (
            f"the prior, a mixture of the posteriors at {self.number} {self.kind} pseudo-inputs, with the share "
            f"{self.share:g} of N(0, I)"
        )

    def kernels(self) -> Kernels:
        """Encode the pseudo-inputs, and return the kernels of their posteriors."""
        posterior = self.posterior()
        assert isinstance(posterior, LocationScalePosterior)
        assert posterior.noise is _NOISE
        return Kernels(*(each.unflatten(0, (self.networks, -1)) for each in (posterior.mu, posterior.scale)))

    def snapshot(self) -> FixedEpanechnikovMixture:
        """Encode the pseudo-inputs once."""
        return FixedEpanechnikovMixture(self.kernels(), self.share, self.label)

    def stack(self, networks: int) -> EpanechnikovVampPrior:
        """Return such a prior of this size for ``networks`` stacked networks."""
        return EpanechnikovVampPrior(self.pixels.shape[1:], self.number, self.share, networks, self.learned)
