"""Hold-out metrics after each epoch: reconstructions, the terms of the loss, and a summary of the codes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evae import metrics
from evae.compute.precision import full_precision_or_tf32
from evae.compute.random_streams import Stream, generator
from evae.data import as_images
from evae.models.objectives import Objective
from evae.models.posteriors import Draw, Posterior
from evae.models.vae import VAE
from evae.runs.epoch_record import LatentSummary, NoiseToSignal

#: Batch size on hold-out images. Constant, because the noise of a seeded draw depends on it.
CHUNK = 500


@dataclass(frozen=True)
class Reconstruction:
    """A chunk of hold-out images in [0, 1], their posterior, and the logits of their reconstructions.

    ``drawn`` decodes ``draw``, seeded draws from the posterior, as many as in training; ``at_mean`` decodes the
    posterior's mean.
    """

    images: Tensor
    posterior: Posterior
    draw: Draw
    drawn: Tensor
    at_mean: Tensor


@torch.no_grad()
def reconstructions(
    model: VAE, pixels: Tensor, seed: int, density: bool = False, samples: int = 1
) -> Iterator[Reconstruction]:
    """Reconstruct uint8 ``pixels`` (N, C, S, S) in chunks with the model in evaluation mode.

    The draws depend only on ``seed``, not on the epoch, so that epochs are compared under the same noise. They have a
    log-density if ``density``, and are ``samples`` for each image. The model's mode is restored.
    """
    noise = generator(seed, Stream.HOLDOUT, device=pixels.device)
    was_training = model.training
    model.eval()
    try:
        # With several codes for an image, as many codes are decoded at once as images otherwise.
        for chunk in pixels.split(max(CHUNK // samples, 1)):
            images = as_images(chunk)
            logits, posterior, draw = model(images, noise, density=density, samples=samples)
            yield Reconstruction(images, posterior, draw, logits, at_mean=model.logits(posterior.mean))
    finally:
        model.train(was_training)


@torch.no_grad()
@full_precision_or_tf32("fp32")
def holdout_metrics(
    model: VAE, objective: Objective, pixels: Tensor, seed: int
) -> tuple[dict[str, float], LatentSummary]:
    """Measure the terms of the loss on hold-out images, and summarise the latent dimensions.

    Returns
    -------
    terms : dict
        ``loss`` and its terms, as the field ``holdout`` of `evae.runs.epoch_record.EpochRecord`.
    latent : LatentSummary
        `latent_summary` of the posteriors of all images.
    """
    rows, posteriors = [], []
    with torch.no_grad():
        prior = None if model.prior is None else model.prior.snapshot()
    for chunk in reconstructions(model, pixels, seed, objective.needs_density, objective.samples):
        terms = objective.terms(chunk.drawn, chunk.images, chunk.posterior, chunk.draw, prior, pixels=model.pixels)
        terms["reconstruction_at_mean"] = model.pixels.error(chunk.at_mean, chunk.images)
        rows.append(torch.stack([term.double().sum() for term in terms.values()]))
        posteriors.append(chunk.posterior)
        names = list(terms)
    means = (torch.stack(rows).sum(0) / len(pixels)).tolist()
    values = dict(zip(names, means, strict=True))
    return {"loss": sum(values[name] for name in objective.names), **values}, latent_summary(posteriors)


def latent_summary(posteriors: list[Posterior]) -> LatentSummary:
    """Summarise the codes of all images, given their posteriors chunk by chunk.

    Without noise every ratio of noise to signal is 0, except in a dimension without signal, where it is infinite; the
    rate is None.
    """
    means = torch.cat([posterior.mean for posterior in posteriors])
    variances = torch.cat([posterior.variance for posterior in posteriors])
    entropies = [posterior.entropy for posterior in posteriors if posterior.entropy is not None]
    # Ratios over dimensions, then the mean of each spread.
    ratio = metrics.noise_to_signal(means, variances)
    least, median, largest = torch.quantile(ratio, torch.tensor([0.0, 0.5, 1.0], device=ratio.device)).tolist()
    spreads = {
        name: float(torch.cat([posterior.spreads[name] for posterior in posteriors]).mean())
        for name in posteriors[0].spreads
    }
    return LatentSummary(
        spreads,
        NoiseToSignal(_finite(least), _finite(median), _finite(largest)),
        active_dimensions=int((ratio < metrics.ACTIVE_BELOW).sum()),
        rate=metrics.rate(means, variances, torch.cat(entropies)) if entropies else None,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
