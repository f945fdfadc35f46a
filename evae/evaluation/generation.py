"""Generation of images for ``sample``: new images or walks between two codes, as pictures or arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evae import metrics
from evae.compute.precision import resolve_device
from evae.data.arrays import GivenData, as_image_data
from evae.evaluation.code_laws import (
    COMPONENTS,
    FITTED_TO,
    code_law,
    draw_images,
    require_components,
    require_sampler,
)
from evae.evaluation.evaluate import images_of
from evae.evaluation.names import FITTED
from evae.evaluation.pictures import ImageRows, require_different, save_rows, walk
from evae.models.custom.functions import Builder
from evae.models.priors.prior import CodeSource
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.files import open_output
from foundation.progress import ProgressCallback, ignore_progress
from foundation.validation import require_positive

#: Supported suffixes of the output.
FORMATS = (".png", ".npz")

#: Maximum number of images in one picture.
MOST_IN_A_PICTURE = 1_200


def new_images(
    run: Run | str | Path,
    *,
    model: VAE | Builder | str | None = None,
    data: GivenData | None = None,
    sampler: str | None = None,
    number: int = 48,
    components: int | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    device: str = "auto",
    weights: str | None = None,
    data_dir: str | Path | None = None,
    progress: ProgressCallback = ignore_progress,
) -> dict[str, Any]:
    """Draw codes, decode them and write the images.

    Parameters
    ----------
    run : Run, str or Path
        The run folder.
    model, data
        A network and images of your own, as for `evae.evaluation.evaluate`.
    sampler : str, optional
        One of `evae.evaluation.names.SAMPLERS`; by default the prior if the model has a fixed one, else the
        mixture.
    number : int
        Number of images.
    components : int, optional
        Number of normal laws in the mixture; by default `evae.evaluation.code_laws.COMPONENTS`.
    seed : int
        Determines the fit of the law and the draws.
    output : str or Path, optional
        A .png or .npz file; by default a .png in the run's folder.
    device, weights, data_dir, progress
        As for `evae.evaluation.evaluate`. Data are read only for a law that is fitted to their codes.

    Returns
    -------
    dict
        ``run``, ``sampler``, the description of its ``law``, ``images``, ``seed``, ``sharpness`` and ``output``.

    Raises
    ------
    InputError
        If an option is out of range or not applicable, the model does not have the sampler, or the run or its data
        cannot be read.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    require_positive("--images", number)
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed must be a whole number from 0 to 2^63 - 1, got {seed}.")
    # Check all options before the model is loaded.
    chosen = choose_sampler(run, sampler, components)
    path = destination(output, run.path / f"samples-{chosen}-seed{seed}.png", number)
    trained = VAE.load(run, resolve_device(device), model=model, weights=weights)
    law = law_of_codes(run, trained, chosen, components, seed, data, data_dir, progress)
    images = draw_images(trained, law, number, seed, progress)
    write_images([ImageRows(law.label, images)], path, run.name)
    return describe_images(run, images, path) | {"sampler": chosen, "seed": seed, **law.document()}


def law_of_codes(
    run: Run,
    model: VAE,
    sampler: str,
    components: int | None,
    seed: int,
    data: GivenData | None,
    data_dir: str | Path | None,
    progress: ProgressCallback = ignore_progress,
) -> CodeSource:
    """Return the law of a chosen sampler of a run; the images are read only for a law that is fitted to their codes.

    ``data`` are images of the user's own, as for `evae.evaluate`.
    """
    given = None if data is None else as_image_data(data)
    train = images_of(run, data_dir, progress, given).train if sampler in FITTED else torch.empty(0)
    laws = COMPONENTS if components is None else components
    return code_law(sampler, model, run.configuration.recipe, train, seed, laws, progress)


def choose_sampler(run: Run, sampler: str | None, components: int | None) -> str:
    """Return the sampler of a run, by default the prior if the model has a fixed one, else the mixture.

    Raises
    ------
    InputError
        If the sampler is unknown, or ``components`` are given and it is not the mixture, or their number is out of
        range.
    """
    chosen = sampler or ("prior" if run.configuration.recipe.has_prior else "mixture")
    require_sampler(chosen)
    if chosen != "mixture" and components is not None:
        raise InputError(f"--components applies to --sampler mixture only, got --sampler {chosen}. Leave it out.")
    if components is not None:
        require_components(components, FITTED_TO)
    return chosen


def walk_between(
    run: Run | str | Path,
    first: int,
    last: int,
    *,
    model: VAE | Builder | str | None = None,
    data: GivenData | None = None,
    output: str | Path | None = None,
    device: str = "auto",
    weights: str | None = None,
    data_dir: str | Path | None = None,
    progress: ProgressCallback = ignore_progress,
) -> dict[str, Any]:
    """Write the images decoded on a walk between the codes of two hold-out images, given by their numbers.

    The first and the last image are the originals. Options, result and errors are as for `new_images`.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    require_different(first, last)
    path = destination(output, run.path / f"walk-{first}-{last}.png", 1)
    trained = VAE.load(run, resolve_device(device), model=model, weights=weights)
    given = None if data is None else as_image_data(data)
    rows = walk(trained, images_of(run, data_dir, progress, given).holdout, first, last)
    write_images([rows], path, run.name)
    return describe_images(run, rows.images, path) | {"walk": [first, last], "law": f"a walk {rows.label}"}


def describe_images(run: Run, images: Tensor, path: Path) -> dict[str, Any]:
    """Return what the JSON of ``sample`` says of images and of their file."""
    return {
        "run": run.name,
        "images": len(images),
        "sharpness": metrics.sharpness(images),
        "output": str(path),
    }


def destination(output: str | Path | None, default: Path, number: int) -> Path:
    """Return the path of the output; raises `InputError` before any work if it cannot be written."""
    path = default if output is None else Path(output)
    if path.suffix not in FORMATS:
        raise InputError(f"--output must end in {' or '.join(FORMATS)}, got {path}.")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"--output {path} must be a file in a folder that exists.")
    if path.suffix == ".png" and number > MOST_IN_A_PICTURE:
        raise InputError(
            f"--images must be at most {MOST_IN_A_PICTURE} for a picture, got {number}. Write arrays instead: "
            "--output FILE.npz."
        )
    return path


def write_images(blocks: Sequence[ImageRows], path: Path, title: str) -> None:
    """Write blocks of images as one picture, or in an .npz file as one array of uint8."""
    if path.suffix == ".png":
        save_rows(blocks, path, title)
        return
    images = torch.cat([block.images for block in blocks])
    arrays = images.permute(0, 2, 3, 1).numpy() if images.shape[1] == 3 else images[:, 0].numpy()
    with open_output(path) as stream:
        np.savez_compressed(stream, images=arrays)
