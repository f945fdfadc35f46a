"""``reproduce``: train the models of a table and compare them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from commands.shared import completions
from commands.shared.completions import folders, one_of, some_of
from commands.shared.failures import EXIT_CHECK_FAILED, Command, print_line
from commands.shared.invocation import was_given
from commands.shared.options import SHARED, common_options, option, path_option, plot_option, table_options
from commands.shared.output import checked_plots, console_for, json_output, naming, save_plots, write_json
from evae.configuration.options import DATASET_WORDS, OPTIONS
from evae.experiments.plan import TABLES

if TYPE_CHECKING:
    from rich.console import Console

    from evae.experiments.results import Results


@click.command(cls=Command, short_help="Train the models of a table and compare them.")
@click.option(
    "--table",
    metavar="1|2|ablation",
    shell_complete=one_of(TABLES),
    help="1: VAE and EVAE on MNIST and Fashion-MNIST. 2: on CIFAR-10 and CelebA. ablation: all models, kernel x "
    "objective, and reconstruction against rate, on MNIST with d_z = 64. Needed, unless results are merged.",
)
@click.option(
    "--models",
    metavar="NAME,NAME",
    shell_complete=some_of(completions.models),
    help="Other models: those of train, and the ablation's as its tables name them.  [default: vae,evae; for the "
    "ablation all]",
)
@click.option(
    "--datasets",
    metavar="NAME,NAME",
    shell_complete=some_of(DATASET_WORDS),
    help="Other data sets, as train takes them.  [default: those of the table]",
)
@click.option("--latent-dims", metavar="D,D", help="Latent dimensions.  [default: 8,16,32,64; for the ablation 64]")
@click.option("--seeds", default="0,1,2", show_default=True, metavar="N,N|N-N", help="One run of each model for each.")
@table_options(OPTIONS, "epochs", "limit_train", "limit_holdout", "skip_undecodable", "lr", "batch_size")
@table_options(OPTIONS, "schedule", "optimizer", "weight_decay", "clip_gradient")
@table_options(OPTIONS, "network", "image_size", "fit", "binarise", "pixels", "pixel_scale")
@table_options(SHARED, "features", "inception_weights")
@table_options(OPTIONS, "device", "precision", "deterministic")
@option(
    SHARED["cluster"],
    details="Runs are trained and evaluated in parallel; with CUDA a run takes a worker that has the resource GPU. "
    "Needs the extra epanechnikov-vae[cluster].",
)
@path_option(
    "--known",
    multiple=True,
    help="Take the runs of the table that this results.json holds, as from another machine, for done. They must have "
    "the same settings, images, features and version of this program; otherwise it is said what differs. Repeatable.",
)
@click.option(
    "--hours",
    type=float,
    metavar="N",
    help="Stop when N hours are over: the batch under way is finished and a checkpoint written, or the run evaluated, "
    "and what is finished is reported.",
)
@path_option(
    "--merge",
    multiple=True,
    help="Train nothing: join this results.json with the others that are named so into one table, in the --output. If "
    "they contradict each other, every conflict is named and nothing is written. Repeatable.",
)
@table_options(OPTIONS, "data_dir", "runs_dir")
@path_option(
    "--output",
    metavar="DIR",
    complete=folders,
    help="Where results.json, runs.csv, table.md, table.tex and the plots are written.  [default: RUNS_DIR/TABLE]",
)
@plot_option("the hold-out error by epoch; for the ablation the error by kernel and objective, and whose the gain is.")
@common_options
@click.pass_context
def reproduce(
    context: click.Context,
    /,
    table: str | None,
    datasets: str | None,
    latent_dims: str | None,
    seeds: str,
    models: str | None,
    cluster: str | None,
    known: tuple[Path, ...],
    hours: float | None,
    merge: tuple[Path, ...],
    output: Path | None,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Train and evaluate every model of a table, and compare them.

    Each run is as train and evaluate make it, in a separate folder. Finished runs are not repeated, and interrupted
    ones are resumed, so that the same command can be given until all is done. A run that fails is listed, and the
    rest is done. The paper's figures stand next to ours with mean and standard deviation over seeds; wins are counted
    and tested as the paper does and as it should be; the ablation says how much of EVAE's gain is the kernel's and how
    much the objective's. The exit code is 1 if a run failed.

    Results add up: results.json is renewed after every run, and a table can be made in parts, on several machines, of
    which one knows what others did (--known), or which are joined at the end (--merge).

    \b
    Examples
      python cli.py reproduce --table 1
      python cli.py reproduce --table ablation --epochs 5 --features classifier
      python cli.py reproduce --table 1 --datasets digits --features classifier
      python cli.py reproduce --table 1 --models vae,evae,ae
      python cli.py reproduce --table 2 --seeds 0-19 --cluster tcp://10.0.0.1:8786
      python cli.py reproduce --table ablation --known there.json --hours 8
      python cli.py reproduce --merge here.json --merge there.json --output all
    """  # noqa: D301
    console = console_for(json_path, quiet)
    # Merging reads finished results; options of training would be ignored, and are refused.
    if merge:
        require_nothing_to_train(context)
        if output is None:
            raise click.UsageError("--merge needs --output DIR, where the joined results are written. Give one.")
        checked_plots(plots)
        with json_output(json_path) as stream:
            from evae.experiments.merging import merged_files
            from foundation.terminal import print_sentence

            found = merged_files(merge)
            print_sentence(console, f"Merged: {found.sentence}")
            return report_results(found.results, output, plots, stream, console)
    if table is None:
        (needed,) = (parameter for parameter in context.command.params if parameter.name == "table")
        raise click.MissingParameter(ctx=context, param=needed)
    from evae.experiments.plan import Plan, whole_numbers

    plan = Plan.of(
        table,
        datasets=None if datasets is None else [name.strip() for name in datasets.split(",")],
        latent_dims=None if latent_dims is None else whole_numbers(latent_dims, "--latent-dims"),
        seeds=whole_numbers(seeds, "--seeds"),
        models=None if models is None else [name.strip() for name in models.split(",")],
        **options,
    )
    checked_plots(plots)
    folder = output or Path(options["runs_dir"]) / (table if table == "ablation" else f"table-{table}")
    # A file that is read for known runs must not be the one that is replaced after every run.
    for path in known:
        if path.resolve() == (folder / "results.json").resolve():
            raise click.UsageError(f"--known {path} is the file that --output {folder} would replace. Name another.")

    with naming("--output", folder):
        from foundation.files import require_creatable_folder

        require_creatable_folder(folder)

    def keep(results: Results) -> None:
        with naming("--output", folder):
            results.save(folder / "results.json")

    with json_output(json_path) as stream:
        from evae.experiments.display import open_grid_display
        from evae.experiments.runner import reproduce as reproduce_table

        with open_grid_display(console) as callback:
            results = reproduce_table(plan, callback, cluster=cluster, known=known, hours=hours, kept=keep)
        status = report_results(results, folder, plots, stream, console)
    if results.unfinished:
        print_line(
            f"Stopped after {hours:g} h, as asked, with {len(results.records)} of {results.planned} runs finished. "
            "Repeat the command to resume."
        )
    return status


def require_nothing_to_train(context: click.Context) -> None:
    """Raise a usage error for options that have no effect with ``--merge``."""
    meaningful = ("merge", "output", "plots", "json_path", "quiet", "debug")
    for parameter in context.command.params:
        if parameter.name not in meaningful and was_given(context, str(parameter.name)):
            raise click.UsageError(
                f"{parameter.opts[0]} does nothing with --merge, which joins results and trains nothing. Leave it out."
            )


def report_results(
    results: Results, folder: Path, plots: Sequence[Path], stream: IO[str] | None, console: Console
) -> int:
    """Write and print the results of a table; return the exit status."""
    # Whatever was finished is reported, also where other runs failed or time ran out.
    if results.records:
        from evae.experiments.reports.files import report, write_results
        from foundation.terminal import print_sentence

        found = report(results)
        with naming("--output", folder):
            written = write_results(results, found, folder)
        if plots:
            from evae.experiments.reports.figures import figures

            save_plots(next(iter(figures(results).values())), plots)
        write_json(stream, {**results.document(), **found.document, "notes": found.notes})
        console.print(found.for_terminal())
        print_sentence(console, f"Written: {', '.join(map(str, written))}")
    else:
        write_json(stream, results.document())
        if plots:
            print_line("Nothing is drawn, because no run was finished.")
    for failure in results.failures:
        print_line(f"Failed: {failure.name}: {failure.reason}")
    return EXIT_CHECK_FAILED if results.failures else 0
