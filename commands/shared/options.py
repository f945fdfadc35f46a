"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from commands.shared import completions
from commands.shared.completions import files, folders, one_of


def common_options(command: Any) -> Any:
    """Add the options that every command has: ``--json``, ``--quiet`` and ``--debug``."""
    for option in (
        click.option(
            "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error instead of one sentence."
        ),
        click.option("--quiet", is_flag=True, help="Print no progress and no tables."),
        click.option(
            "--json",
            "json_path",
            metavar="PATH|-",
            shell_complete=files,
            help="Write the machine-readable result to PATH; on '-', to standard output and nothing else there.",
        ),
    ):
        command = option(command)
    return command


def plot_option(what: str) -> Callable[[Any], Any]:
    """Return the option ``--plot`` of a command that draws ``what``; see `checked_plots` and `save_plots`."""
    return click.option(
        "--plot",
        "plots",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help=f"Draw the result as FILE, a .png, .svg or .pdf: {what} Repeatable.",
    )


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda",
    shell_complete=one_of(completions.settings("DEVICES")),
    help="auto takes CUDA where there is one.",
)

data_dir_option = click.option(
    "--data-dir",
    default="data",
    show_default=True,
    metavar="DIR",
    shell_complete=folders,
    help="Where data sets are: torchvision's root.",
)

runs_dir_option = click.option(
    "--runs-dir",
    default="runs",
    show_default=True,
    metavar="DIR",
    shell_complete=folders,
    help="Where runs' folders are made.",
)

precision_option = click.option(
    "--precision",
    default="fp32",
    show_default=True,
    metavar="fp32|tf32|bf16",
    shell_complete=one_of(completions.settings("PRECISIONS")),
    help="The arithmetic of training. fp32: single precision throughout. tf32: products on CUDA rounded to 10 bits. "
    "bf16: layers in bfloat16, the weights, the noise and the loss in single precision. Hold-out images are measured "
    "in fp32.",
)


def judging_options(command: Any) -> Any:
    """Add the options of what judges images: ``--features`` and ``--inception-weights``."""
    for option in (
        click.option(
            "--inception-weights",
            metavar="FILE",
            shell_complete=files,
            help="pytorch-fid's weights of the Inception network. By default they are looked for where "
            "EVAE_INCEPTION_WEIGHTS says and in torch's hub folder, and else downloaded; their SHA-256 is checked.",
        ),
        click.option(
            "--features",
            default="auto",
            show_default=True,
            metavar="auto|inception|imagenet|classifier|none",
            shell_complete=one_of(completions.features),
            help="The features whose Fréchet distance from the hold-out images is reported. inception: the FID, with "
            "pytorch-fid's network. imagenet: those of EfficientNet-Lite0, trained on ImageNet; not FID, but for every "
            "data set and nothing to download. classifier: those of a small classifier that is trained once, seeded, "
            "on the data set's own labels; not FID either. none: no distance. auto: inception where its weights can "
            "be had, otherwise imagenet, and it is said which.",
        ),
    ):
        command = option(command)
    return command


original_data_dir_option = click.option(
    "--data-dir",
    metavar="DIR",
    shell_complete=folders,
    help="Where the data set is now; by default where it was when the run was trained.",
)
