"""What is measured on hold-out images: after every epoch of training, and by ``evaluate``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evae import metrics, plots
from evae.arithmetic import full_precision_or_tf32
from evae.data import as_images, load
from evae.data.source import Progress, silent
from evae.model import VAE
from evae.objectives import Objective, reconstruction_error
from evae.posteriors import Posterior
from evae.runs import Run
from evae.streams import Stream, generator
from theory.errors import InputError

#: Images in one pass through the network. Fixed, because the noise of a seeded draw depends on how it is cut.
CHUNK = 500

#: Images shown in ``reconstructions.png``.
SHOWN = 12


@dataclass(frozen=True)
class Reconstruction:
    """A chunk of hold-out images in [0, 1], their posterior, and the logits of their reconstructions.

    ``drawn`` decodes one seeded draw from the posterior, as in training; ``at_mean`` decodes the posterior's mean.
    """

    images: Tensor
    posterior: Posterior
    drawn: Tensor
    at_mean: Tensor


@torch.no_grad()
def reconstructions(model: VAE, pixels: Tensor, seed: int) -> Iterator[Reconstruction]:
    """Reconstruct uint8 ``pixels`` (N, C, S, S) chunk by chunk with batch normalisation in evaluation mode.

    The draws depend on ``seed`` alone, not on the epoch: epochs are compared under the same noise. The model is left
    in the mode it was in.
    """
    noise = generator(seed, Stream.HOLDOUT, device=pixels.device)
    was_training = model.training
    model.eval()
    try:
        for chunk in pixels.split(CHUNK):
            images = as_images(chunk)
            drawn, posterior = model(images, noise)
            yield Reconstruction(images, posterior, drawn, at_mean=model.decoder(posterior.mean))
    finally:
        model.train(was_training)


@full_precision_or_tf32("fp32")
def holdout_metrics(
    model: VAE, objective: Objective, pixels: Tensor, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Terms of the loss on hold-out images, and a summary of the latent dimensions.

    Returns
    -------
    terms : dict
        ``loss`` and its terms, in nats per image as in training, with one posterior draw; and
        ``reconstruction_at_mean``, the reconstruction error without noise.
    latent : dict
        `latent_summary` of the posteriors of all images.
    """
    rows, posteriors = [], []
    for chunk in reconstructions(model, pixels, seed):
        terms = objective.terms(chunk.drawn, chunk.images, chunk.posterior)
        terms["reconstruction_at_mean"] = reconstruction_error(chunk.at_mean, chunk.images)
        rows.append(torch.stack([term.double().sum() for term in terms.values()]))
        posteriors.append(chunk.posterior)
        names = list(terms)
    means = (torch.stack(rows).sum(0) / len(pixels)).tolist()
    values = dict(zip(names, means, strict=True))
    return {"loss": sum(values[name] for name in objective.names), **values}, latent_summary(posteriors)


def latent_summary(posteriors: list[Posterior]) -> dict[str, Any]:
    """Summarise the codes of all images.

    ``noise_to_signal`` has the least, median and largest ratio over the latent dimensions (None if infinite),
    ``active_dimensions`` counts those below `metrics.ACTIVE_BELOW`, and ``mean_sigma``, ``mean_r`` and ``mean_B``,
    where the posterior has them, are means over images and dimensions. Without noise every ratio is 0, but for a
    dimension without signal, where it is infinite.
    """
    ratio = metrics.noise_to_signal(
        torch.cat([posterior.mean for posterior in posteriors]),
        torch.cat([posterior.variance for posterior in posteriors]),
    )
    least, median, largest = torch.quantile(ratio, torch.tensor([0.0, 0.5, 1.0], device=ratio.device)).tolist()
    spreads = {
        f"mean_{name}": float(torch.cat([posterior.spreads[name] for posterior in posteriors]).mean())
        for name in posteriors[0].spreads
    }
    return {
        **spreads,
        "noise_to_signal": {
            name: _finite(value) for name, value in (("min", least), ("median", median), ("max", largest))
        },
        "active_dimensions": int((ratio < metrics.ACTIVE_BELOW).sum()),
    }


def evaluate(
    run: Run | str | Path, *, device: str = "auto", data_dir: str | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Measure a trained model on its hold-out images; write ``evaluation.json`` and ``reconstructions.png``.

    Parameters
    ----------
    run : Run, str or Path
        The run folder.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    data_dir : str, optional
        Where the data set is; by default where it was in training.
    progress : function, optional
        Called while images are decoded; see `evae.data.load`.

    Returns
    -------
    dict
        What ``evaluation.json`` holds: ``reconstruction_error`` in nats per image (binary cross-entropy summed over
        pixels, mean over images) and ``sharpness``, each for one posterior draw and at the posterior mean.

    Raises
    ------
    InputError
        If the run, its weights or its data are missing or damaged, the data have another shape than in training, or
        another process is writing the run.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    config = run.configuration
    chosen = resolve_device(device)
    model = VAE.load(run, chosen)
    place = config.data_dir if data_dir is None else data_dir
    data = load(config.dataset, place, image_size=config.image_size, progress=progress)
    if data.image_shape != run.image_shape:
        now, then = ("x".join(map(str, shape)) for shape in (data.image_shape, run.image_shape))
        raise InputError(
            f"the images of {config.dataset} are {now} (channels, height, width) now, and {run.name} was trained on "
            f"{then}. Point --data-dir at the original ones."
        )
    pixels = data.holdout.to(chosen)
    with run.locked():
        document = {
            "run": run.name,
            "model": config.model,
            "recipe": config.recipe.document(),
            "latent_dim": config.latent_dim,
            "weights_of_epoch": run.weights_epoch,
            "dataset": config.dataset,
            "split": "hold-out",
            "images": len(pixels),
            "resolution": list(pixels.shape[2:]),
            **_judge(model, pixels, config.seed),
        }
        run.write_evaluation(document)
        save_reconstructions(run, model, pixels, config.seed)
    return document


@full_precision_or_tf32("fp32")
def _judge(model: VAE, pixels: Tensor, seed: int) -> dict[str, dict[str, float]]:
    """Reconstruction error and sharpness, streamed: only numbers are kept of each chunk."""
    errors: dict[str, list[Tensor]] = {"one_posterior_draw": [], "posterior_mean": []}
    sharpness: dict[str, list[Tensor]] = {"originals": [], **{name: [] for name in errors}}
    for chunk in reconstructions(model, pixels, seed):
        sharpness["originals"].append(metrics.sharpness_of_each(chunk.images))
        for name, logits in (("one_posterior_draw", chunk.drawn), ("posterior_mean", chunk.at_mean)):
            errors[name].append(reconstruction_error(logits, chunk.images).double())
            sharpness[name].append(metrics.sharpness_of_each(logits.sigmoid()))
    return {
        "reconstruction_error": {name: float(torch.cat(values).mean()) for name, values in errors.items()},
        "sharpness": {name: float(torch.cat(values).mean()) for name, values in sharpness.items()},
    }


@full_precision_or_tf32("fp32")
def reconstruction_rows(model: VAE, pixels: Tensor, seed: int) -> dict[str, Tensor]:
    """Return the first hold-out images and their reconstructions, uint8 of shape (n, C, S, S), by label."""
    shown = pixels[:SHOWN]
    (chunk,) = reconstructions(model, shown, seed)
    return {
        "originals (hold-out)": shown,
        "reconstructed from the posterior mean": metrics.eight_bit(chunk.at_mean.sigmoid()),
        "reconstructed from one posterior draw": metrics.eight_bit(chunk.drawn.sigmoid()),
    }


def save_reconstructions(run: Run, model: VAE, pixels: Tensor, seed: int) -> None:
    """Draw the first hold-out images beside their reconstructions into ``reconstructions.png``."""
    plots.save_image_rows(reconstruction_rows(model, pixels, seed), run.path / "reconstructions.png", run.name)


def resolve_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is a usable device, else the CPU; an `InputError` if CUDA is asked for in vain."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda was asked for, but torch finds no CUDA device. Use --device cpu or auto.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
