"""References for the figures of a trained model: training images, the untrained model, the plain autoencoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from evae.compute.precision import full_precision_or_tf32
from evae.compute.random_streams import Stream, generator
from evae.configuration.configuration import INDIFFERENT, Configuration
from evae.configuration.recipe import PRESETS, RECIPE_FIELDS
from evae.evaluation.holdout import reconstructions
from evae.models.initial_weights import initial_model
from evae.models.objectives import reconstruction_error
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation import validation as forms
from foundation.errors import InputError
from foundation.files import read_json

#: What a run and its plain autoencoder may differ in: the model, and what decides nothing of the result.
_MAY_DIFFER = INDIFFERENT | RECIPE_FIELDS | {"model"}

_AT_MEAN = forms.record({"posterior_mean": forms.number})

_JUDGED = forms.record(
    {
        "weights_of_epoch": forms.whole,
        "reconstruction_error": _AT_MEAN,
        "sharpness": _AT_MEAN,
        "frechet_distance": forms.either(forms.nothing, _AT_MEAN),
        "features": forms.either(forms.nothing, forms.record({"identity": forms.text})),
    }
)


def sample_training_images(pixels: Tensor, number: int) -> Tensor:
    """Choose training images at random, none twice: as many as there are hold-out images, or all where there are fewer.

    Their Fréchet distance from the hold-out images is the floor for new images: that of real ones which are independent
    of these. Reconstructions are not, and can be nearer. The choice depends on nothing but the two numbers, so that all
    models of a data set have one floor.
    """
    order = torch.randperm(len(pixels), generator=generator(0, Stream.TRAINING_SAMPLE))
    return pixels[order[:number].sort().values]


@full_precision_or_tf32("fp32")
def error_before_training(config: Configuration, pixels: Tensor, device: torch.device | str) -> float:
    """Return the reconstruction error of the model before its first step, in nats per hold-out image, from one draw.

    Over seeds it spreads as the initial weights do; where that of trained models spreads as much, training has not
    yet forgotten where it began.
    """
    _, *shape = pixels.shape
    model: VAE = initial_model(config, (shape[0], shape[1], shape[2])).place_on(device)
    chunks = reconstructions(model, pixels.to(device), config.seed)
    errors = [reconstruction_error(chunk.drawn, chunk.images).double() for chunk in chunks]
    return float(torch.cat(errors).mean())


def find_autoencoder(run: Run, features: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the figures of the plain autoencoder of the same settings, trained and judged in the same runs folder.

    Parameters
    ----------
    run : Run
    features : dict or None
        What its evaluation says of the network of features; the autoencoder must be judged in the same.

    Returns
    -------
    dict or None
        ``run``, its name, and ``reconstruction_error``, ``sharpness`` and ``frechet_distance`` of its reconstructions;
        None where there is no such run, or ``run`` is one itself.
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
    """Read a neighbour's evaluation; nothing where it is missing or damaged, which must not cost this run its own."""
    path = run.path / "evaluation.json"
    try:
        return read_json(path) if path.exists() else {}
    except InputError:
        return {}


def _neighbours(run: Run) -> Iterator[Run]:
    """Yield the plain autoencoders in the same folder that differ from the run in nothing else, by name."""
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
