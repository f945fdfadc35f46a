"""Pictures of a run."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from theory.files import written_aside


def save_image_rows(rows: dict[str, Tensor], path: Path, title: str) -> None:
    """Save rows of images as a PNG, each row under its label.

    ``rows`` maps a label to uint8 images of shape (columns, C, S, S), C = 1 or 3; the same image is in the same
    column of every row. The file is whole or not there.
    """
    columns = max(len(images) for images in rows.values())
    figure = Figure(figsize=(0.8 * columns + 0.1, 1.1 * len(rows) + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    for strip, (label, images) in zip(figure.subfigures(len(rows), 1, squeeze=False)[:, 0], rows.items(), strict=True):
        strip.suptitle(label, fontsize=8, x=0.01, ha="left")
        for axes, image in zip(strip.subplots(1, columns, squeeze=False)[0], images, strict=True):
            picture = image[0] if len(image) == 1 else image.permute(1, 2, 0)
            axes.imshow(picture.cpu().numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_axis_off()
    with written_aside(path) as aside:
        figure.savefig(aside, format="png", dpi=150)
