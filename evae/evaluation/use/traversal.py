"""Traversals of the latent space: images in which one dimension of a code varies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evae import metrics
from evae.compute.precision import full_precision_or_tf32, resolve_device
from evae.data import as_images
from evae.data.arrays import GivenData, as_image_data
from evae.evaluation.evaluate import images_of
from evae.evaluation.generation import describe_images, destination, write_images
from evae.evaluation.holdout import CHUNK
from evae.evaluation.pictures import COLUMNS, ImageRows
from evae.metrics import eight_bit
from evae.models.custom.functions import Builder
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress

#: Largest number of dimensions in a picture, the most active ones.
MOST_DIMENSIONS = 10

#: The shares of hold-out images whose codes are below the first and the last code of a row.
ENDS = (0.01, 0.99)


def traverse(
    run: Run | str | Path,
    number: int = 0,
    *,
    model: VAE | Builder | str | None = None,
    data: GivenData | None = None,
    output: str | Path | None = None,
    device: str = "auto",
    weights: str | None = None,
    data_dir: str | Path | None = None,
    progress: ProgressCallback = ignore_progress,
) -> dict[str, Any]:
    """Write a picture in which each row varies one latent dimension of the code of a hold-out image.

    The rows are the most active dimensions, of the lowest ratio of noise to signal, in this order. In each, the
    dimension takes equidistant values from the 1st to the 99th percentile of its posterior means over the hold-out
    images, while the others are those of the image.

    Parameters
    ----------
    run : Run, str or Path
        The run folder.
    model, data
        A network and images of your own, as for `evae.evaluate`.
    number : int
        The hold-out image, from 0.
    output : str or Path, optional
        A .png, or an .npz file with the array ``images``, row after row; by default a .png in the run's folder.
    device, weights, data_dir, progress
        As for `evae.evaluation.generation.new_images`.

    Returns
    -------
    dict
        ``run``, ``images``, ``sharpness``, ``output``, ``traverse``, the number of the image, ``law``, the description,
        and ``dimensions``: of each row the ``dimension`` from 0, its values ``from`` and ``to`` and its
        ``noise_to_signal``, None where infinite.

    Raises
    ------
    InputError
        If there is no such image, or the run, its data or the output cannot be used.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    path = destination(output, run.path / f"traversal-{number}.png", 1)
    trained = VAE.load(run, resolve_device(device), model=model, weights=weights)
    given = None if data is None else as_image_data(data)
    pixels = images_of(run, data_dir, progress, given).holdout
    if not 0 <= number < len(pixels):
        raise InputError(f"the number of the hold-out image must be from 0 to {len(pixels) - 1}, got {number}.")
    rows, dimensions = latent_rows(trained, pixels, number)
    write_images(rows, path, f"{run.name}: hold-out image {number}, one latent dimension at a time")
    law = f"hold-out image {number} with one of {len(rows)} latent dimensions at {COLUMNS} values"
    described = describe_images(run, torch.cat([row.images for row in rows]), path)
    return described | {"traverse": number, "law": law, "dimensions": dimensions}


@torch.no_grad()
@full_precision_or_tf32("fp32")
def latent_rows(
    model: VAE, pixels: Tensor, number: int, most: int = MOST_DIMENSIONS
) -> tuple[list[ImageRows], list[dict[str, Any]]]:
    """Return the rows of `traverse`, with images on the CPU, and the description of their dimensions.

    uint8 ``pixels`` (N, C, S, S), N >= 2, are on any device, and ``model`` must be in evaluation mode.
    """
    posteriors = [model.encode(as_images(chunk.to(model.device))) for chunk in pixels.split(CHUNK)]
    means = torch.cat([posterior.mean for posterior in posteriors])
    ratios = metrics.noise_to_signal(means, torch.cat([posterior.variance for posterior in posteriors]))
    # Without noise all ratios are 0: then the dimension that varies most comes first.
    order = sorted(range(len(ratios)), key=lambda index: (float(ratios[index]), -float(means[:, index].var())))
    rows, described = [], []
    for dimension in order[:most]:
        first, last = torch.quantile(means[:, dimension], means.new_tensor(ENDS)).tolist()
        codes = means[number].repeat(COLUMNS, 1)
        codes[:, dimension] = torch.linspace(first, last, COLUMNS)
        ratio = float(ratios[dimension])
        label = f"dimension {dimension}: from {first:.3g} to {last:.3g}, noise to signal {ratio:.3g}"
        rows.append(ImageRows(label, eight_bit(model.decode(codes)).cpu()))
        finite = ratio if ratio < float("inf") else None
        described.append({"dimension": dimension, "from": first, "to": last, "noise_to_signal": finite})
    return rows, described
