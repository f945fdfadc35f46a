"""Log-likelihoods of single images under a trained model."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from evae.compute.precision import keep_freed_memory, resolve_device
from evae.compute.random_streams import Stream, generator
from evae.configuration.options import PIXELS
from evae.data.arrays import GivenData, as_image_data
from evae.data.images import binarise as make_binary
from evae.data.images import is_binary
from evae.evaluation.code_laws import FITTED_TO, code_law
from evae.evaluation.evaluate import images_of
from evae.evaluation.generation import choose_sampler
from evae.evaluation.likelihood import Scorer
from evae.evaluation.names import BINARISATIONS, DEFAULT_SAMPLES, SAMPLES
from evae.models.custom.functions import Builder
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.errors import InputError


def log_likelihood(
    run: Run | str | Path,
    images: Tensor,
    samples: int = DEFAULT_SAMPLES,
    *,
    model: VAE | Builder | str | None = None,
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
    run : Run, str or Path
        The run folder.
    model, data
        A network and images of your own, as for `evae.evaluate`.
    images : Tensor
        uint8 of shape (N, C, S, S), with pixels 0 and 255 unless the run's law of the pixels is a density.
    samples : int
        Codes drawn for each image: a multiple of 8 from 200 to 100,000.
    law : str, optional
        p(z): ``prior``, the fixed law towards which the model was trained, or ``mixture``, normal laws fitted to the
        codes of the training images. By default the prior where there is one.
    binarise : str, optional
        ``threshold`` or ``static``: how grey pixels, of the images and of the training images that the mixture is
        fitted to, become binary (`evae.data.images.binarise`).
    seed : int
        Of all draws.
    weights, device, data_dir
        As for `evae.sample`.

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
    run = run if isinstance(run, Run) else Run.open(run)
    SAMPLES.require("samples", samples)
    if binarise is not None:
        BINARISATIONS.require("binarise", binarise)
    _require_pixels(images, run.image_shape)
    is_density = run.configuration.pixels != PIXELS[0]
    if is_density and binarise is not None:
        raise InputError("binarise does nothing with a run whose law of the pixels is a density. Leave it out.")
    chosen = choose_sampler(run, law, None)
    trained = VAE.load(run, resolve_device(device), model=model, weights=weights)
    given = None if data is None else as_image_data(data)
    keep_freed_memory(trained.device)
    scored = images if is_density else _binary("images", images, binarise, seed, epoch=0)
    train = torch.empty(0)
    if chosen == "mixture":
        train = images_of(run, data_dir, given=given).train[:FITTED_TO]
        train = train if is_density else _binary("the training images", train, binarise, seed, epoch=1)
    laws = {chosen: code_law(chosen, trained, run.configuration.recipe, train, seed)}
    scores = Scorer.of(trained, laws, seed).score(scored, samples)
    return torch.tensor([score[chosen].log_likelihood for score in scores], dtype=torch.float64)


def _require_pixels(images: Tensor, shape: tuple[int, int, int]) -> None:
    found = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
    pixels = isinstance(images, Tensor) and images.dtype == torch.uint8
    if not pixels or tuple(images.shape[1:]) != shape or len(images) == 0:
        wanted = ", ".join(map(str, shape))
        raise InputError(f"images must be a torch.Tensor of uint8 with shape (N, {wanted}) and N > 0, got {found}.")


def _binary(name: str, pixels: Tensor, how: str | None, seed: int, epoch: int) -> Tensor:
    if how is not None:
        return make_binary(pixels, how, generator(seed, Stream.BINARISATION, epoch))
    if not is_binary(pixels):
        raise InputError(
            f"the pixels of {name} must be 0 or 255, got others: the decoder's Bernoulli likelihood is one of binary "
            'pixels only. Add binarise="threshold" or binarise="static".'
        )
    return pixels
