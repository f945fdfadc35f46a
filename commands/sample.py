"""``sample``: draw new images from a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commands.shared import completions
from commands.shared.completions import one_of
from commands.shared.failures import Command
from commands.shared.invocation import was_given
from commands.shared.options import (
    SHARED,
    common_options,
    option,
    original_data_dir_option,
    own_network_option,
    table_options,
)
from commands.shared.output import console_for, json_output, write_json
from evae.configuration.options import OPTIONS
from evae.evaluation.names import SAMPLERS


@click.command(cls=Command, short_help="Draw new images from a trained model.")
@click.argument("run", shell_complete=completions.runs)
@click.option(
    "--sampler",
    metavar="prior|mixture|two-stage",
    shell_complete=one_of(SAMPLERS),
    help="From which law codes are drawn. prior: the fixed law towards which the model was trained, which EVAE does "
    "not have, since its prior depends on the image. mixture: normal laws fitted to the codes of the training images, "
    "for any model. two-stage: a second VAE trained on these codes, for any model.  "
    "[default: prior where there is one, else mixture; it is said which]",
)
@click.option("--images", "number", type=int, default=48, show_default=True, metavar="N", help="How many.")
@click.option("--components", type=int, metavar="K", help="Normal laws in the mixture.  [default: 10]")
@click.option(
    "--walk",
    metavar="I,J",
    help="Instead, walk from the code of hold-out image I to that of J, on a straight line, in ten steps.",
)
@click.option(
    "--traverse",
    type=int,
    metavar="I",
    help="Instead, vary one latent dimension of the code of hold-out image I in each row, over the range of the codes "
    "of hold-out images (1st to 99th percentile): the ten most active dimensions, the most active first.",
)
@option(SHARED["seed"], summary="Seed of the fit and of the draws.", details="")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .png of the images in rows, or an .npz with the array images: uint8, N x H x W or N x H x W x 3.  "
    "[default: samples-SAMPLER-seedN.png, walk-I-J.png or traversal-I.png, in RUN]",
)
@own_network_option
@table_options(OPTIONS, "device")
@table_options(SHARED, "weights")
@original_data_dir_option
@common_options
@click.pass_context
def sample(
    context: click.Context,
    /,
    run: str,
    walk: str | None,
    traverse: int | None,
    network: str | None,
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw new images from the trained model in the folder RUN.

    \b
    Examples
      python cli.py sample runs/mnist-vae-d64-seed0 --sampler prior
      python cli.py sample runs/mnist-evae-d64-seed0 --images 999 --output new.npz
      python cli.py sample runs/mnist-evae-d64-seed0 --walk 0,3
      python cli.py sample runs/mnist-evae-d64-seed0 --traverse 0
    """  # noqa: D301
    from evae.evaluation.generation import new_images, walk_between
    from evae.evaluation.use.traversal import traverse as traverse_latent

    if walk is not None and traverse is not None:
        raise click.UsageError("--walk and --traverse exclude each other. Give one of them.")
    # Both begin with given codes: options that draw codes would have no effect.
    instead = "--walk" if walk is not None else None if traverse is None else "--traverse"
    if instead and (given := [name for name in DRAWING if was_given(context, name)]):
        flag = "images" if given[0] == "number" else given[0]
        raise click.UsageError(f"--{flag} does nothing with {instead}, which draws no codes. Leave it out.")
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        from foundation.progress import show_decoding_progress
        from foundation.terminal import print_sentence

        with show_decoding_progress(quiet) as progress:
            places = {name: value for name, value in options.items() if name not in DRAWING}
            places["model"] = network
            if walk is not None:
                result = walk_between(run, *_pair(walk), progress=progress, **places)
            elif traverse is not None:
                result = traverse_latent(run, traverse, progress=progress, **places)
            else:
                result = new_images(run, progress=progress, model=network, **options)
        write_json(stream, result)
        print_sentence(console, f"{result['images']:,} images: {result['law']}.")
        print_sentence(console, f"Written: {result['output']}")


#: Options that determine the codes drawn by ``sample``.
DRAWING = ("sampler", "number", "components", "seed")


def _pair(text: str) -> tuple[int, int]:
    first, comma, last = text.partition(",")
    numbers = (first.strip(), last.strip())
    if not comma or not all(number.isdecimal() and len(number) < 19 for number in numbers):
        raise click.UsageError(f"--walk takes the numbers of two hold-out images, as in 0,3; got {text!r}.")
    return int(first), int(last)
