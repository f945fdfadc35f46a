"""Priors that are mixtures of normal laws: learned, or with the moments of the posteriors of pseudo-inputs (VampPrior).

Means and scales of a learned mixture start spread out, so that no two components start alike, and a scale is never
below `SMALLEST_SCALE`: a component that shrinks onto one code has an unbounded density there.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from evae.models.priors.prior import Components, Prior
from evae.models.priors.pseudo_inputs import PseudoInputs

#: Smallest standard deviation of a learned component, in units of the code.
SMALLEST_SCALE = 0.01

#: Codes whose distances to all components are held at once.
_ROWS = 500


class GaussianMixture(Prior):
    """A mixture of normal laws with independent dimensions.

    Parameters
    ----------
    networks : int
        Number of stacked networks.
    """

    def __init__(self, networks: int = 1) -> None:
        super().__init__()
        self.networks = networks

    @abstractmethod
    def components(self) -> Components:
        """Return the components."""

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density, where the rows of one network follow those of another."""
        found = self.components()
        parts = []
        # In parts, because each has a distance to every component in every dimension.
        for rows in codes.unflatten(0, (self.networks, -1)).split(_ROWS, dim=1):
            flat = rows.flatten(0, 1)
            each = found.log_weights[:, None] - found.cross_entropies(flat, torch.zeros_like(flat))
            parts.append(each.logsumexp(2))
        return torch.cat(parts, 1).flatten()

    @torch.no_grad()
    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw one of all components for each code, then the code from it."""
        found = self.components()
        log_weights, means, scales = (each[0].float().cpu() for each in (found.log_weights, found.means, found.scales))
        chosen = torch.multinomial(log_weights.exp(), number, replacement=True, generator=random)
        return means[chosen] + scales[chosen] * torch.randn(number, means.shape[1], generator=random)

    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the moments of the component to which the code most probably belongs."""
        found = self.components()
        (row,) = (found.log_weights[:, None] - found.cross_entropies(code[None], torch.zeros_like(code)[None]))[0]
        component = int(row.argmax())
        return found.means[0, component], torch.diag(found.scales[0, component].square())

    def document(self) -> dict[str, Any]:
        """Return the description and the number of components."""
        return {**super().document(), "components": self.components().means.shape[1]}


class MixturePrior(GaussianMixture):
    """A mixture whose weights, means and scales are learned.

    Parameters
    ----------
    latent_dim : int
        d_z.
    number : int
        Number of components.
    networks : int
        Number of stacked networks.
    """

    part = "mixture"

    def __init__(self, latent_dim: int, number: int, networks: int = 1) -> None:
        super().__init__(networks)
        self.logits = nn.Parameter(torch.empty(networks, number))
        self.means = nn.Parameter(torch.empty(networks, number, latent_dim))
        self.raw_scales = nn.Parameter(torch.empty(networks, number, latent_dim))
        self.reset_parameters()

    @property
    def label(self) -> str:
        """Description with the number of components."""
        return f"the prior, a learned mixture of {self.means.shape[1]} normal laws"

    def reset_parameters(self) -> None:
        """Draw the means from N(0, I); scales of 1 and equal weights."""
        nn.init.zeros_(self.logits)
        nn.init.normal_(self.means)
        # softplus of this, with the smallest scale, is 1.
        nn.init.constant_(self.raw_scales, math.log(math.expm1(1 - SMALLEST_SCALE)))

    def components(self) -> Components:
        """Return the components with the current weights."""
        scales = functional.softplus(self.raw_scales) + SMALLEST_SCALE
        return Components(self.logits.log_softmax(1), self.means, scales)

    def stack(self, networks: int) -> MixturePrior:
        """Return a mixture of this size for ``networks`` stacked networks."""
        _, number, latent_dim = self.means.shape
        return MixturePrior(latent_dim, number, networks)


class FixedMixture(GaussianMixture):
    """A mixture of given components.

    Parameters
    ----------
    components : Components
    label : str
        Description of the law.
    """

    def __init__(self, components: Components, label: str) -> None:
        super().__init__(len(components.means))
        self._components, self._label = components, label

    @property
    def label(self) -> str:
        """The description."""
        return self._label

    def components(self) -> Components:
        """Return the components."""
        return self._components

    def in_double(self, device: torch.device) -> FixedMixture:
        """Return a copy on a device, in double precision."""
        return FixedMixture(self._components.in_double(device), self._label)


class VampPrior(PseudoInputs, GaussianMixture):
    """The mixture of the normal laws that have the moments of the posteriors of C pseudo-inputs, with equal weights.

    Source: Tomczak and Welling, VAE with a VampPrior (2018), where the components are the posteriors themselves; for a
    Gaussian posterior they are the same. The parameters are those of `PseudoInputs`.
    """

    @property
    def label(self) -> str:
        """Description with the number of pseudo-inputs."""
        return f"the prior, a mixture with the posteriors' moments at {self.number} {self.kind} pseudo-inputs"

    def components(self) -> Components:
        """Encode the pseudo-inputs, and return the normal laws with the moments of their posteriors."""
        posterior = self.posterior()
        means, variances = (moment.unflatten(0, (self.networks, -1)) for moment in (posterior.mean, posterior.variance))
        log_weights = means.new_full(means.shape[:2], -math.log(means.shape[1]))
        return Components(log_weights, means, variances.sqrt())

    def snapshot(self) -> FixedMixture:
        """Encode the pseudo-inputs once."""
        return FixedMixture(self.components(), self.label)

    def in_double(self, device: torch.device) -> Prior:
        """Return the mixture of the present components in double precision."""
        return self.snapshot().in_double(device)

    def stack(self, networks: int) -> VampPrior:
        """Return a VampPrior of this size for ``networks`` stacked networks."""
        return VampPrior(self.pixels.shape[1:], self.number, networks, self.learned)
