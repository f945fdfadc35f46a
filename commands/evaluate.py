"""``evaluate``: evaluate a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commands.shared import completions
from commands.shared.failures import Command
from commands.shared.options import (
    SHARED,
    common_options,
    original_data_dir_option,
    own_network_option,
    plot_option,
    table_options,
)
from commands.shared.output import checked_plots, console_for, json_output, save_plots, write_json
from evae.configuration.options import OPTIONS


@click.command(cls=Command, short_help="Evaluate a trained model.")
@click.argument("run", shell_complete=completions.runs)
@table_options(SHARED, "features", "inception_weights")
@table_options(SHARED, "likelihood", "samples", "chains", "temperatures", "leapfrog_steps")
@table_options(SHARED, "binarise", "likelihood_images")
@click.option(
    "--two-stage",
    is_flag=True,
    help="Also compare as many new images from a second VAE, trained on the codes of the training images.",
)
@own_network_option
@table_options(OPTIONS, "device")
@table_options(SHARED, "weights")
@original_data_dir_option
@plot_option("the first hold-out images above their reconstructions, as in reconstructions.png.")
@common_options
def evaluate(
    run: str, network: str | None, plots: tuple[Path, ...], json_path: str | None, quiet: bool, **options: Any
) -> None:
    """Evaluate the trained model in the folder RUN on the hold-out images.

    Compared with the originals are their reconstructions, from one draw of the posterior, as the paper has it, and
    from its mean; and as many new images, from a mixture fitted to the codes of the training images and, where the
    model has a fixed one, from its prior. Shown are the reconstruction error (binary cross-entropy in nats per image:
    sum over pixels, mean over images), the sharpness (Appendix C: variance of the Laplace-filtered grey image in
    [0, 1] at the network's resolution, rounded to 8 bits) and the Fréchet distance of the --features; with --likelihood
    also the log-likelihood of binary images in nats, with its error and the evidence for it. Writes evaluation.json,
    reconstructions.png, samples.png and walks.png into RUN.

    \b
    Examples
      python cli.py evaluate runs/mnist-evae-d64-seed0
      python cli.py evaluate runs/mnist-evae-d64-seed0 --features classifier
      python cli.py evaluate runs/mnist-evae-d64-seed0 --likelihood is \\
          --samples 5000 --binarise threshold
    """  # noqa: D301
    checked_plots(plots)
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        # Imported here, so that --help does not wait for torch.
        from evae.evaluation.evaluate import PICTURES
        from evae.evaluation.evaluate import evaluate as evaluate_run
        from evae.evaluation.terminal import evaluation_report
        from foundation.progress import show_decoding_progress
        from foundation.terminal import print_sentence

        with show_decoding_progress(quiet) as progress:
            result = evaluate_run(run, progress=progress, model=network, **options)
        if plots:
            from evae.evaluation.figures import reconstructions_figure

            places = {name: options[name] for name in ("device", "weights", "data_dir")}
            save_plots(reconstructions_figure(run, model=network, **places), plots)
        write_json(stream, result)
        console.print(evaluation_report(result))
        written = ", ".join(str(Path(run) / name) for name in ("evaluation.json", *PICTURES))
        print_sentence(console, f"Written: {written}")
