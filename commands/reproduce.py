"""``reproduce``: train the models of a table and compare them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from commands.shared import completions
from commands.shared.completions import files, folders, one_of
from commands.shared.failures import EXIT_CHECK_FAILED, warnings_as_sentences
from commands.shared.invocation import was_given
from commands.shared.options import (
    common_options,
    data_dir_option,
    device_option,
    judging_options,
    plot_option,
    precision_option,
    runs_dir_option,
)
from commands.shared.output import checked_plots, console_for, json_output, naming, save_plots, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from evae.experiments.results import Results


@click.command(short_help="Train the models of a table and compare them.")
@click.option(
    "--table",
    metavar="1|2|ablation",
    shell_complete=one_of(completions.tables),
    help="1: VAE and EVAE on MNIST and Fashion-MNIST. 2: on CIFAR-10 and CelebA. ablation: all models, kernel x "
    "objective, and reconstruction against rate, on MNIST with d_z = 64. Needed, unless results are merged.",
)
@click.option(
    "--models",
    metavar="NAME,NAME",
    shell_complete=completions.some_of(completions.models),
    help="Other models: those of train, and the ablation's as its tables name them.  [default: vae,evae; for the "
    "ablation all]",
)
@click.option(
    "--datasets",
    metavar="NAME,NAME",
    shell_complete=completions.some_of(completions.datasets),
    help="Other data sets, as train takes them.  [default: those of the table]",
)
@click.option("--latent-dims", metavar="D,D", help="Latent dimensions.  [default: 8,16,32,64; for the ablation 64]")
@click.option("--seeds", default="0,1,2", show_default=True, metavar="N,N|N-N", help="One run of each model for each.")
@click.option("--epochs", type=int, default=50, show_default=True, help="The paper's 50; fewer, and the table says so.")
@click.option("--limit-train", type=int, metavar="N", help="Train on the first N images; the table says so.")
@click.option("--limit-holdout", type=int, metavar="N", help="Judge by the first N hold-out images; the table says so.")
@click.option("--lr", type=float, default=1e-4, show_default=True, help="Learning rate of Adam; the paper's 1e-4.")
@click.option("--batch-size", type=int, default=100, show_default=True, help="The paper's 100.")
@judging_options
@device_option
@precision_option
@click.option("--deterministic", is_flag=True, help="As of train.")
@click.option(
    "--cluster",
    metavar="ADDRESS|local:N",
    help="Train and judge the runs side by side on the workers of this dask scheduler, such as tcp://host:8786, or of "
    "one started here with N workers; the results do not depend on it. With CUDA a run takes a worker that has the "
    "resource GPU. Needs the extra epanechnikov-vae[cluster].",
)
@click.option(
    "--known",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    shell_complete=files,
    help="Take the runs of the table that this results.json holds, as from another machine, for done. They must have "
    "the same settings, images, features and version of this program; otherwise it is said what differs. Repeatable.",
)
@click.option(
    "--hours",
    type=float,
    metavar="N",
    help="Stop when N hours are over: the batch under way is finished and a checkpoint written, or the run judged, and "
    "what is finished is reported.",
)
@click.option(
    "--merge",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    shell_complete=files,
    help="Train nothing: join this results.json with the others that are named so into one table, in the --output. If "
    "they contradict each other, every conflict is named and nothing is written. Repeatable.",
)
@data_dir_option
@runs_dir_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    shell_complete=folders,
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
    """Train and judge every model of a table, and compare them.

    Each run is as train and evaluate make it, in a folder of its own. What is finished is not done again, and what was
    interrupted goes on, so that the same command can be given until all is done. A run that fails is listed, and the
    rest is done. The paper's figures stand beside ours with mean and standard deviation over seeds; wins are counted
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
    for path in known:
        if path.resolve() == (folder / "results.json").resolve():
            raise click.UsageError(f"--known {path} is the file that --output {folder} would replace. Name another.")

    def keep(results: Results) -> None:
        with naming("--output", folder):
            results.save(folder / "results.json")

    with json_output(json_path) as stream, warnings_as_sentences():
        from evae.experiments.display import grid_display
        from evae.experiments.runner import reproduce as reproduce_table

        with grid_display(console) as watcher:
            results = reproduce_table(plan, watcher, cluster=cluster, known=known, hours=hours, kept=keep)
        status = report_results(results, folder, plots, stream, console)
    if results.unfinished:
        print(
            f"Stopped after {hours:g} h, as asked, with {len(results.records)} of {results.planned} runs finished. The "
            "same command goes on.",
            file=sys.stderr,
        )
    return status


def require_nothing_to_train(context: click.Context) -> None:
    """Refuse, with --merge, an option of ``reproduce`` that would do nothing."""
    meaningful = ("merge", "output", "plots", "json_path", "quiet", "debug")
    for parameter in context.command.params:
        if parameter.name not in meaningful and was_given(context, str(parameter.name)):
            raise click.UsageError(
                f"{parameter.opts[0]} does nothing with --merge, which joins results and trains nothing. Leave it out."
            )


def report_results(
    results: Results, folder: Path, plots: Sequence[Path], stream: IO[str] | None, console: Console
) -> int:
    """Write and print what the runs of a table came to; return the exit status."""
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
            print("Nothing is drawn, because no run was finished.", file=sys.stderr)
    for failure in results.failures:
        print(f"Failed: {failure.name}: {failure.reason}", file=sys.stderr)
    return EXIT_CHECK_FAILED if results.failures else 0
