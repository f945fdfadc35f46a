"""Reference values for a trained model: training images, the untrained model, the plain autoencoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from evae.compute.precision import full_precision_or_tf32
from evae.compute.random_streams import Stream, generator
from evae.configuration.configuration import Configuration
from evae.configuration.options import INDIFFERENT
from evae.configuration.recipe import PRESETS, RECIPE_FIELDS
from evae.evaluation.holdout import reconstructions
from evae.models.custom.functions import Builder
from evae.models.initial_weights import initial_model
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.files import read_json
from foundation.validation import is_any_of, is_count, is_finite_number, is_not_negative, is_null, is_record, is_text

#: Options in which a run and its plain autoencoder may differ: the model, and options that do not affect results.
_MAY_DIFFER = INDIFFERENT | RECIPE_FIELDS | {"model"}

_AT_MEAN = is_record({"posterior_mean": is_not_negative})

_ERRORS = is_record({"posterior_mean": is_finite_number})

_JUDGED = is_record(
    {
        "weights_of_epoch": is_count,
        "reconstruction_error": _ERRORS,
        "sharpness": _AT_MEAN,
        "frechet_distance": is_any_of(is_null, _AT_MEAN),
        "features": is_any_of(is_null, is_record({"identity": is_text})),
    }
)


def sample_training_images(pixels: Tensor, number: int) -> Tensor:
    """Sample ``number`` training images without replacement, or take all if there are fewer.

    Their Fréchet distance from the hold-out images is the floor for new images: that of independent real images.
    Reconstructions are not independent and can be nearer. The sample depends only on the two numbers of images, so that
    all models of a data set have the same floor.
    """
    order = torch.randperm(len(pixels), generator=generator(0, Stream.TRAINING_SAMPLE))
    return pixels[order[:number].sort().values]


@torch.no_grad()
@full_precision_or_tf32("fp32")
def error_before_training(
    config: Configuration, pixels: Tensor, device: torch.device | str, model: VAE | Builder | str | None = None
) -> float | None:
    """Compute the reconstruction error before the first step, in nats per hold-out image, from one posterior draw.

    It varies over seeds because the initial weights do; if the error of trained models varies as much, training has
    not yet forgotten its starting point. ``model`` is a network of the user's own, as for `VAE.of`; for a model with
    weights the result is None, since those before training are not known.
    """
    if isinstance(model, VAE):
        return None
    _, *shape = pixels.shape
    untrained: VAE = initial_model(config, (shape[0], shape[1], shape[2]), model).place_on(device)
    chunks = reconstructions(untrained, pixels.to(device), config.seed)
    errors = [untrained.pixels.error(chunk.drawn, chunk.images).double() for chunk in chunks]
    return float(torch.cat(errors).mean())


def find_autoencoder(run: Run, features: dict[str, Any] | None) -> dict[str, Any] | None:
    """Find the metrics of the plain autoencoder with the same settings, trained and evaluated in the same runs folder.

    Parameters
    ----------
    run : Run
    features : dict or None
        The feature network of its evaluation, which must be that of the autoencoder's evaluation.

    Returns
    -------
    dict or None
        ``run``, its name, and ``reconstruction_error``, ``sharpness`` and ``frechet_distance`` of its reconstructions;
        None if no such run exists, or ``run`` is one itself.
    """
    if run.configuration.recipe == _PLAIN:
        return None
    identity = None if features is None else features["identity"]
    for other in _neighbours(run):
        evaluation = _evaluation_of(other)
        if not _JUDGED(evaluation) or evaluation["weights_of_epoch"] != run.configuration.epochs:
            continue
        found = evaluation["features"]
        if (None if found is None else found["identity"]) == identity:
            figures = {name: evaluation[name]["posterior_mean"] for name in ("reconstruction_error", "sharpness")}
            distances = evaluation["frechet_distance"]
            return {"run": other.name, **figures, "frechet_distance": distances and distances["posterior_mean"]}
    return None


_PLAIN = PRESETS["ae"].completed()


def _evaluation_of(run: Run) -> Any:
    """Read another run's evaluation; empty if missing or damaged, which must not prevent this run's evaluation."""
    path = run.path / "evaluation.json"
    try:
        return read_json(path) if path.exists() else {}
    except InputError:
        return {}


def _neighbours(run: Run) -> Iterator[Run]:
    """Yield the plain autoencoders in the same folder with otherwise equal settings, sorted by name."""
    wanted = dataclasses.asdict(run.configuration)
    for path in sorted(run.path.resolve().parent.glob("*/config.json")):
        try:
            other = Run.open(path.parent)
            config = other.configuration
        except InputError:
            continue
        alike = all(getattr(config, name) == value for name, value in wanted.items() if name not in _MAY_DIFFER)
        if alike and config.recipe == _PLAIN:
            yield other
