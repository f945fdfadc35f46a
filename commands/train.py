"""``train``: train a VAE or an EVAE."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.shared import completions
from commands.shared.failures import Command
from commands.shared.invocation import was_given
from commands.shared.options import common_options, plot_option, table_options
from commands.shared.output import checked_plots, console_for, json_output, save_plots, write_json
from evae.configuration.options import OPTIONS

if TYPE_CHECKING:
    from evae.runs.run import Run


@click.command(cls=Command, short_help="Train a VAE or an EVAE.")
@table_options(OPTIONS)
@click.option(
    "--seeds",
    metavar="N,N|N-N",
    help="Train a run of each seed, such as 0-7, all at once in one process, which is meant for a GPU that one run "
    "does not fill; on a CPU it takes at least as long as one after another. Each is, within rounding, the run that "
    "--seed N alone would give. One whose loss becomes NaN fails alone. -seedN is appended to --name.",
)
@click.option(
    "--resume",
    metavar="RUN",
    multiple=True,
    shell_complete=completions.runs,
    help="Resume a run (a folder, or a name in --runs-dir) that was stopped, or is to have more --epochs. It keeps its "
    "options; the result is the same to the bit as if it had never stopped (on CUDA if it is --deterministic). Given "
    "several times: with runs of --seeds, all at once again.",
)
@click.option(
    "--help-combinations",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, given: _print_combinations(context, given),
    help="Print which posteriors, objectives and kinds of divergence can be combined, and why others cannot, and exit.",
)
@plot_option("the errors and the noise of the codes by epoch.")
@common_options
@click.pass_context
def train(
    context: click.Context,
    /,
    resume: tuple[str, ...],
    seeds: str | None,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a VAE or an EVAE, by default with the networks of Appendix B and the settings of Appendix C.

    A model is a posterior with an objective; each can be replaced, and they combine freely where the objective has an
    exact formula for the posterior, or another kind that --divergence-by names. An option that would do nothing for the
    pair is refused.

    The run's folder keeps the configuration, one line of metrics an epoch, the same as curves (tensorboard --logdir
    runs), the weights of the last finished epoch, the last two checkpoints, and a picture of hold-out images and
    their reconstructions. Losses are in nats per image, on one scale in training and on hold-out images. Ctrl-C and
    SIGTERM write a checkpoint; --resume continues from the last one, also after a crash.

    Started by torchrun, several processes share each batch, on the CPU or on a CUDA device each: the batch, its noise
    and its normalisation are those of one process, and so is the loss curve within rounding.

    \b
    Examples
      python cli.py train --model evae --name mine
      python cli.py train --resume mine --epochs 100
      python cli.py train --model evae --seeds 0-7
      python cli.py train --dataset mnist --network mlp --image-size 28
      torchrun --nproc-per-node 2 cli.py train --model evae --device cuda
    """  # noqa: D301
    from evae.compute.place import place
    from evae.configuration.configuration import Configuration
    from evae.experiments.plan import whole_numbers

    config = Configuration(**options)
    if seeds is not None:
        for option in ("seed", "resume"):
            if was_given(context, option):
                raise click.UsageError(f"--seeds and --{option} exclude each other. Give one of them.")
    at_once = None if seeds is None else whole_numbers(seeds, "--seeds")
    # Under torchrun one process alone prints, draws and writes.
    if not place().is_first:
        plots, json_path, quiet = (), None, True
    checked_plots(plots)
    # What cannot be drawn is refused now, and not after hours of training.
    number = len(at_once or resume)
    if plots and number > 1:
        from evae.evaluation.figures import MOST_RUNS

        if number > MOST_RUNS:
            raise click.UsageError(f"--plot draws at most {MOST_RUNS} runs, and these are {number}. Leave it out.")
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        from evae.runs.run import find_run
        from evae.training.display import open_training_display
        from evae.training.train import resume_seeds, train_seeds
        from evae.training.train import train as train_model
        from foundation.terminal import print_sentence
        from foundation.typography import quote_for_shell

        with open_training_display(console) as callback:
            if resume:
                given = {name: value for name, value in options.items() if was_given(context, name)}
                runs_dir = given.pop("runs_dir", config.runs_dir)
                found = [find_run(name, runs_dir) for name in resume]
                runs = resume_seeds(found, callback, show_progress=False, **given)
            elif at_once is not None:
                runs = train_seeds(config, at_once, callback, show_progress=False)
            else:
                runs = (train_model(config, callback, show_progress=False),)
        # The figures, the document and the way on, once every run has finished.
        several = at_once is not None or len(resume) > 1
        if plots:
            from evae.evaluation.figures import run_figure, training_figure

            save_plots(training_figure(*runs) if several else run_figure(runs[0]), plots)
        documents = [run_document(run) for run in runs]
        write_json(stream, {"runs": documents} if several else documents[0])
        where = ", ".join(str(run.path) for run in runs)
        picture = "reconstructions.png"
        told = f"The runs are in {where}; look at {picture} in each."
        if not several:
            told = f"The run is in {where}; look at {runs[0].path / picture}."
        print_sentence(console, told)
        # Commands are not wrapped, so that they can be copied.
        network = f" --network {runs[0].configuration.network}" if runs[0].configuration.has_own_network else ""
        console.print(f"Next: python cli.py evaluate {quote_for_shell(str(runs[0].path))}{network}", soft_wrap=True)


def _print_combinations(context: click.Context, given: bool) -> None:
    """Print the table of combinations and end the command, if that is asked for."""
    if not given or context.resilient_parsing:
        return
    from evae.models.regularisation.combinations import combination_table

    console_for(None, quiet=False).print(combination_table())
    context.exit()


def run_document(run: Run) -> dict[str, Any]:
    """Return the entry of a run in the JSON output of ``train``."""
    config = run.configuration
    document = {"run": str(run.path), **run.status, "configuration": dataclasses.asdict(config)}
    return {**document, "recipe": config.recipe.document(), "data": run.data, "metrics": run.metrics}
