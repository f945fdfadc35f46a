"""Section on trained models: originals and reconstructions, walks between codes, and training curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from evae.evaluation.evaluate import images_of
from evae.evaluation.figures import latent_figure, training_figure
from evae.evaluation.pictures import ImageRows, reconstruction_rows, tile_images, walks
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.typography import quote_for_shell
from report.elements import Drawing, drawing, picture
from report.sections.experiments import OURS, shown_path

#: The small model included in the project.
OWN_RUN = OURS / "digits-evae"


@dataclass(frozen=True)
class Strip:
    """A row of images with captions."""

    label: str
    image: Markup


@dataclass(frozen=True)
class Album:
    """Pictures and drawings of a trained model.

    Attributes
    ----------
    name, description, source, command : str
        The run's name, a description of the model, the run's folder, and the command that shows it.
    strips : tuple of Strip
    drawings : tuple of Drawing
        Training curves, if the run has metrics.
    """

    name: str
    description: str
    source: str
    command: str
    strips: tuple[Strip, ...]
    drawings: tuple[Drawing, ...]


def album_of(folder: str | Path, data_dir: str | Path | None = None, number: int = 1) -> Album:
    """Draw hold-out images of a run, their reconstructions, and walks between their codes.

    ``number`` of the run on the page distinguishes the anchors of its drawings.

    Raises
    ------
    InputError
        If the run or its weights are missing or damaged, or its data cannot be read.
    """
    run = Run.open(folder)
    if run.configuration.has_own_network:
        raise InputError(
            f"{run.path} has a network of the user's own, whose code a page does not run. Show another run, or use "
            "`evaluate`."
        )
    model = VAE.load(run, "cpu")
    config = run.configuration
    holdout = images_of(run, data_dir).holdout
    rows = [*reconstruction_rows(model, holdout, config.seed), *walks(model, holdout)[:2]]
    return Album(
        name=run.name,
        description=f"{config.label} on {config.dataset}, latent dimensions: {config.latent_dim}, weights after epoch "
        f"{run.weights_file().epoch}. The images were not trained on.",
        source=shown_path(Path(folder)),
        command=f"python cli.py report --run {quote_for_shell(shown_path(Path(folder)))}",
        strips=tuple(_strip(run, block) for block in rows),
        drawings=tuple(_drawings(run, number)),
    )


def _drawings(run: Run, number: int) -> Iterator[Drawing]:
    records = run.records
    if not records:
        return
    last = records[-1]
    yield drawing(
        f"run-{number}-training",
        training_figure(run),
        caption="The terms of the loss by epoch, in training and on hold-out images, as in Figures S6 and S7.",
        description=f"Curves of the reconstruction error and the regularisation over {last.epoch} epochs. The "
        f"hold-out reconstruction error ends at {last.reconstruction:.1f} nats per image.",
        source="notebooks/reconstructions.ipynb",
    )
    # Without noise the ratio is 0 in every epoch, and its curve would show nothing.
    ratios = last.latent.noise_to_signal
    if ratios is not None and ratios.median:
        yield drawing(
            f"run-{number}-latent",
            latent_figure(run),
            caption="The codes by epoch: the mean spreads r and B, the ratio of noise to signal, and the rate.",
            description=f"Curves over {last.epoch} epochs. The median ratio of noise to signal ends at "
            f"{ratios.median:.2g}.",
            source="notebooks/latent.ipynb",
        )


def _strip(run: Run, block: ImageRows) -> Strip:
    pixels = np.ascontiguousarray(tile_images(block.images).numpy())
    count = len(block.images)
    return Strip(block.label, picture(pixels, f"{count} images of {run.configuration.dataset}: {block.label}."))
