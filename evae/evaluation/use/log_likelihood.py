"""Log-likelihoods of single images under a trained model."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor

from evae.compute.precision import keep_freed_memory, resolve_device
from evae.configuration.options import PIXELS
from evae.data.arrays import GivenData, as_image_data
from evae.data.binarisation import binarise_split
from evae.data.images import is_binary
from evae.evaluation.code_laws import FITTED_TO, code_law
from evae.evaluation.evaluate import images_of
from evae.evaluation.generation import choose_sampler
from evae.evaluation.likelihood.scorer import Scorer
from evae.evaluation.names import BINARISATIONS, DEFAULT_SAMPLES, LAWS, SAMPLES
from evae.models.custom.functions import Builder
from evae.models.priors.prior import CodeLaw
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.errors import InputError


def log_likelihood(
    model: VAE | Run | str | Path,
    images: Tensor,
    samples: int = DEFAULT_SAMPLES,
    *,
    network: VAE | Builder | str | None = None,
    data: GivenData | None = None,
    law: str | None = None,
    binarise: str | None = None,
    seed: int = 0,
    weights: str | None = None,
    device: str = "auto",
    data_dir: str | Path | None = None,
) -> Tensor:
    """Estimate log p(x) of each of some binary images by importance sampling, as `evae.evaluation.likelihood` does.

    Parameters
    ----------
    model : VAE, Run, str or Path
        A model with a fixed prior, or the folder of a run.
    network, data
        Of a run with a network or images of your own: these, as ``model`` and ``data`` of `evae.evaluate`.
    images : Tensor
        uint8 of shape (N, C, S, S), with pixels 0 and 255 unless the model's law of the pixels is a density.
    samples : int
        Codes drawn for each image: a multiple of 8 from 200 to 100,000.
    law : str, optional
        p(z): ``prior``, the fixed law towards which the model was trained, or ``mixture``, normal laws fitted to the
        codes of the training images. By default the prior where there is one.
    binarise : str, optional
        ``threshold`` or ``static``: how grey pixels, of the images and of the training images that the mixture is
        fitted to, become binary (`evae.data.binarisation`).
    seed : int
        Of all draws.
    weights, device, data_dir
        As for `evae.sample`; only of a run.

    Returns
    -------
    Tensor
        In nats, (N,), in double precision on the CPU. On average each value is below log p(x), and rises with
        ``samples``.

    Raises
    ------
    InputError
        If the images are not as described, an option is out of range, the model does not have the law, or the run or
        its data cannot be read.

    Notes
    -----
    `evae.evaluate` with ``likelihood="is"`` reports means with standard errors and the Pareto shape of the weights,
    which shows where an estimate is unreliable.
    """
    SAMPLES.require("samples", samples)
    if binarise is not None:
        BINARISATIONS.require("binarise", binarise)
    if isinstance(model, VAE):
        _require_pixels(images, model.image_shape)
        _refuse_for_model(network, data)
        scored = _scorable("images", images, binarise, "holdout", model)
        return _score(model, _own_prior(model, law), scored, samples, seed)
    run = model if isinstance(model, Run) else Run.open(model)
    _require_pixels(images, run.image_shape)
    chosen = choose_sampler(run, law, None)
    if chosen not in LAWS:
        raise InputError(
            f"law must be {' or '.join(LAWS)}, got {chosen!r}: its density has no closed form. Leave law out for the "
            "default."
        )
    loaded = VAE.load(run, resolve_device(device), model=network, weights=weights)
    scored, train, inner = _scorable("images", images, binarise, "holdout", loaded), torch.empty(0), None
    # The data are read where the law is fitted to them, or they tell the pixels within a border.
    if chosen == "mixture" or run.configuration.fit == "pad":
        found_data = images_of(run, data_dir, given=None if data is None else as_image_data(data))
        inner = found_data.inner
        if chosen == "mixture":
            train = _scorable("the training images", found_data.train[:FITTED_TO], binarise, "train", loaded)
    found = code_law(chosen, loaded, run.configuration.recipe, train, seed)
    assert isinstance(found, CodeLaw)
    return _score(loaded, found, scored, samples, seed, inner)


def _score(
    model: VAE, law: CodeLaw, pixels: Tensor, samples: int, seed: int, inner: tuple[int, int] | None = None
) -> Tensor:
    keep_freed_memory(model.device)
    scores = Scorer.of(copy.deepcopy(model).eval(), {"law": law}, seed, inner).score(pixels, samples)
    return torch.tensor([score["law"].log_likelihood for score in scores], dtype=torch.float64)


def _own_prior(model: VAE, law: str | None) -> CodeLaw:
    if law not in (None, "prior"):
        raise InputError(
            f"law must be prior for a model, got {law!r}. Give its run, whose images a mixture is fitted to."
        )
    if model.prior is None:
        raise InputError(
            "the model must have a fixed prior, got none. Give its run, whose training images a mixture is fitted to."
        )
    return model.prior


def _require_pixels(images: Tensor, shape: tuple[int, ...]) -> None:
    found = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
    pixels = isinstance(images, Tensor) and images.dtype == torch.uint8
    if not pixels or tuple(images.shape[1:]) != shape or len(images) == 0:
        wanted = ", ".join(map(str, shape))
        raise InputError(f"images must be a torch.Tensor of uint8 with shape (N, {wanted}) and N > 0, got {found}.")


def _refuse_for_model(network: object, data: object) -> None:
    for name, given in (("network", network), ("data", data)):
        if given is not None:
            raise InputError(f"{name} does nothing with a model, which is complete: it belongs to a run. Leave it out.")


def _scorable(name: str, pixels: Tensor, how: str | None, split: str, model: VAE) -> Tensor:
    """Return pixels that the model's law has a likelihood of: made binary as said, or grey for a density."""
    if model.pixels.name != PIXELS[0]:
        if how is not None:
            raise InputError(
                f"binarise does nothing with a model whose law of the pixels, {model.pixels.name}, is a density. Leave "
                "it out."
            )
        return pixels
    if how is not None:
        return binarise_split(pixels, how, split)
    if not is_binary(pixels):
        raise InputError(
            f"the pixels of {name} must be 0 or 255, got others: the decoder's Bernoulli likelihood is one of binary "
            'pixels only. Add binarise="threshold" or binarise="static".'
        )
    return pixels
