"""Pictures of a model: reconstructions below their originals, new images, walks between two images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from evae.compute.precision import full_precision_or_tf32
from evae.data import as_images
from evae.evaluation.holdout import reconstructions
from evae.metrics import eight_bit
from evae.models.vae import VAE
from foundation.errors import InputError
from foundation.figures import apply_style, create_figure, save_figure
from foundation.typography import format_plot_text

#: Images in a row.
COLUMNS = 12

#: Number of walks shown by ``evaluate``: between hold-out images 0 and 1, 2 and 3, and so on.
WALKS = 4

#: Of a picture, in inches: the width of a row of images, the margin, and the heights of the title and of a label.
_WIDTH, _MARGIN, _TITLE, _LABEL = 0.8 * COLUMNS, 0.05, 0.3, 0.26


@dataclass(frozen=True)
class ImageRows:
    """Images under one label, laid out in rows of `COLUMNS`: uint8 of shape (N, C, S, S), C = 1 or 3."""

    label: str
    images: Tensor


@full_precision_or_tf32("fp32")
def reconstruction_rows(model: VAE, pixels: Tensor, seed: int) -> list[ImageRows]:
    """Return the first hold-out images and their reconstructions, each image in the same column of all rows."""
    shown = pixels[:COLUMNS].to(model.device)
    (chunk,) = reconstructions(model, shown, seed)
    return [
        ImageRows("originals (hold-out)", shown),
        ImageRows("reconstructed from the posterior mean", eight_bit(model.pixels.mean(chunk.at_mean))),
        ImageRows("reconstructed from one posterior draw", eight_bit(model.pixels.mean(chunk.drawn))),
    ]


def save_reconstructions(folder: Path, title: str, model: VAE, pixels: Tensor, seed: int) -> None:
    """Save `reconstruction_rows` as ``reconstructions.png``."""
    save_rows(reconstruction_rows(model, pixels, seed), folder / "reconstructions.png", title)


@torch.no_grad()
@full_precision_or_tf32("fp32")
def walk(model: VAE, pixels: Tensor, first: int, last: int) -> ImageRows:
    """Decode equidistant points on the straight line between the posterior means of two images.

    The row, on the CPU, begins and ends with the images themselves; uint8 ``pixels`` (N, C, S, S) are on any device,
    and ``model`` must be in evaluation mode.

    Raises
    ------
    InputError
        If a number is out of range, or both are equal.
    """
    for number in (first, last):
        if not 0 <= number < len(pixels):
            raise InputError(f"the numbers of hold-out images must be from 0 to {len(pixels) - 1}, got {number}.")
    require_different(first, last)
    ends = pixels[[first, last]].to(model.device)
    codes = model.encode(as_images(ends)).mean
    share = torch.linspace(0, 1, COLUMNS - 2, device=codes.device)[:, None]
    steps = eight_bit(model.decode((1 - share) * codes[0] + share * codes[1]))
    return ImageRows(f"from hold-out image {first} to {last}", torch.cat([ends[:1], steps, ends[1:]]).cpu())


def require_different(first: int, last: int) -> None:
    """Raise `InputError` if a walk would end where it begins."""
    if first == last:
        raise InputError(f"the two images of a walk must differ, got {first} twice.")


def walks(model: VAE, pixels: Tensor) -> list[ImageRows]:
    """Return the first `WALKS` walks between consecutive hold-out images, or fewer if there are fewer images."""
    return [walk(model, pixels, first, first + 1) for first in range(0, min(2 * WALKS, len(pixels) - 1), 2)]


def save_rows(blocks: Sequence[ImageRows], path: Path, title: str) -> None:
    """Save the figure of `rows_figure` as a PNG, atomically."""
    save_figure(rows_figure(blocks, title), path, dots_per_inch=150)


@apply_style
def rows_figure(blocks: Sequence[ImageRows], title: str) -> Figure:
    """Draw blocks of images, each under its label, in rows of `COLUMNS`."""
    mosaics = [tile_images(block.images) for block in blocks]
    heights = [_WIDTH * mosaic.shape[0] / mosaic.shape[1] for mosaic in mosaics]
    size = _WIDTH + 2 * _MARGIN, _TITLE + sum(heights) + _LABEL * len(blocks) + _MARGIN
    figure = create_figure(*size)
    # Everything has its place in inches. A layout that measures every text first takes three times as long, and a
    # picture is drawn at the end of every training.
    figure.set_layout_engine("none")
    page = figure.add_axes((0, 0, 1, 1))
    page.set_axis_off()
    page.text(_MARGIN, _TITLE / 2, format_plot_text(title), fontsize=10, verticalalignment="center")
    top = _TITLE
    for block, mosaic, height in zip(blocks, mosaics, heights, strict=True):
        page.text(_MARGIN, top + _LABEL / 2, format_plot_text(block.label), fontsize=8, verticalalignment="center")
        top += _LABEL
        place = (_MARGIN, _MARGIN + _WIDTH, top + height, top)
        page.imshow(mosaic.numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto", extent=place)
        top += height
    # Each image set the limits to its own extent.
    page.set(xlim=(0, size[0]), ylim=(size[1], 0))
    return figure


def tile_images(images: Tensor) -> Tensor:
    """Tile uint8 images (N, C, S, S) in rows of `COLUMNS` on white: (height, width) if grey, else (height, width, 3).

    The gap between neighbours is an eighth of their side.
    """
    count, channels, side, _ = images.shape
    height, gap = -(-count // COLUMNS), side // 8
    tiles = torch.full((height * COLUMNS, channels, side + gap, side + gap), 255, dtype=torch.uint8)
    tiles[:count, :, :side, :side] = images.cpu()
    rows = tiles.view(height, COLUMNS, channels, side + gap, side + gap).permute(0, 3, 1, 4, 2)
    mosaic = rows.reshape(height * (side + gap), COLUMNS * (side + gap), channels)
    return mosaic[..., 0] if channels == 1 else mosaic
