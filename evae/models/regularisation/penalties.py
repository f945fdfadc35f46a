"""Penalties: terms that can be added to any objective (`evae.models.objectives.Penalised`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evae.compute.place import place
from evae.configuration.recipe import Recipe
from evae.models.posteriors import Posterior
from foundation.errors import InputError


@dataclass(frozen=True)
class Penalty(ABC):
    """A term of a batch, in nats per image.

    Attributes
    ----------
    weight : float
        Positive.
    """

    weight: float = 1.0

    name: ClassVar[str]

    @property
    def term(self) -> str:
        """The name in the metrics, prefixed with ``weighted_`` for a weight other than 1."""
        return f"{self.name}_penalty" if self.weight == 1 else f"weighted_{self.name}_penalty"

    @abstractmethod
    def __call__(self, posterior: Posterior, networks: int = 1) -> Tensor:
        """Compute the unweighted penalty, (rows,), whose mean over the rows of a network is that of its batch.

        The rows of ``posterior`` are those of one of the stacked ``networks`` after those of another.
        """


@dataclass(frozen=True)
class MomentPenalty(Penalty):
    r"""The squared distance of the covariance of the codes from the identity, :math:`\sum_{ij} (C_{ij} - I_{ij})^2`.

    C is the covariance of the codes of the batch's images, the noise of each included: that of the posteriors' means
    plus the mean of their covariances. Only two moments of a posterior matter, so that it is exact for every one. It is
    the penalty of DIP-VAE-II with equal weights for the diagonal and the rest. Source: Kumar, Sattigeri and
    Balakrishnan, Variational inference of disentangled latent concepts (2018).

    It is a function of the whole batch: that of fewer images is larger, by the error of their covariance.
    """

    name: ClassVar[str] = "dip"

    def __call__(self, posterior: Posterior, networks: int = 1) -> Tensor:
        """Compute the penalty of each network's batch, in each of its rows."""
        means = posterior.mean.unflatten(0, (networks, -1))
        centred = means - means.mean(1, keepdim=True)
        if posterior.joint:
            covariance = posterior.covariance.unflatten(0, (networks, -1)).mean(1)
            noise = covariance - torch.eye(means.shape[2], dtype=means.dtype, device=means.device)
        else:
            noise = torch.diag_embed(posterior.variance.unflatten(0, (networks, -1)).mean(1) - 1)
        distance = centred.mT @ centred / means.shape[1] + noise
        return distance.square().sum((1, 2)).repeat_interleave(means.shape[1])


def penalty_for(recipe: Recipe) -> Penalty | None:
    """Return the penalty that a complete recipe names, if any."""
    if recipe.penalty is None:
        return None
    assert recipe.penalty_weight is not None
    return _PENALTIES[recipe.penalty](recipe.penalty_weight)


def require_whole_batches(recipe: Recipe) -> None:
    """Raise `InputError` for a recipe with a penalty in one of several processes, each of which has part of a batch."""
    count = place().count
    if recipe.penalty is not None and count > 1:
        raise InputError(
            f"--penalty {recipe.penalty} is a function of the whole batch, of which each of the {count} processes "
            "that torchrun started has a part. Leave torchrun out."
        )


_PENALTIES: dict[str, type[Penalty]] = {"dip": MomentPenalty}
