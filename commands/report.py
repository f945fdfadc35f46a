"""``report``: write the HTML report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.shared import completions
from commands.shared.failures import EXIT_CHECK_FAILED, Command
from commands.shared.invocation import command_line
from commands.shared.options import SHARED, common_options, option, original_data_dir_option, path_option, table_options
from commands.shared.output import console_for, json_output, replaced_file, write_json
from evae.configuration.options import OPTIONS
from foundation.progress import show_progress_bar

if TYPE_CHECKING:
    from simulations import Study


@click.command(cls=Command, short_help="Write the page that tells the story.")
@path_option(
    "--output",
    default="report.html",
    show_default=True,
    help="The page: one .html file that fetches nothing.",
)
@click.option(
    "--m",
    "sizes",
    type=int,
    multiple=True,
    metavar="M",
    help="Where T_m is simulated. Repeatable.  [default: 100, 1000, 10000 and 100000]",
)
@table_options(SHARED, "replicates", "seed")
@path_option(
    "--results",
    multiple=True,
    help="A results.json that reproduce wrote. Repeatable, one for each table.  [default: those in the folders "
    "table-1, table-2 and ablation of RUNS_DIR, and for tables that are not there what comes with the project]",
)
@path_option(
    "--run",
    "runs",
    multiple=True,
    metavar="RUN",
    complete=completions.runs,
    help="The folder of a trained model whose reconstructions are shown. Repeatable.  [default: the small model that "
    "comes with the project]",
)
@option(OPTIONS["runs_dir"], summary="Folder in which reproduce left its tables.")
@original_data_dir_option
@option(SHARED["jobs"], summary="Processes that decide claims, and threads that simulate.")
@common_options
@click.pass_context
def report(
    context: click.Context,
    /,
    output: Path,
    jobs: int | None,
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Write one self-contained HTML page that tells the whole story.

    On it are the ledger, decided again, with every proof unfolding and its formulas typeset; T_m simulated again, with
    its exact mean and its limit; the paper's tables next to ours; the ablation; reconstructions; and how each figure
    was made. It can be filtered by verdict and searched, read on a phone, in the dark and by a screen reader, and
    printed. The exit code is 1 if a verdict is not the one on record.

    \b
    Examples
      python cli.py report
      python cli.py report --output page.html --run runs/mnist-evae-d64-seed0
      python cli.py report --results runs/ablation/results.json
    """  # noqa: D301
    from foundation.errors import InputError
    from foundation.terminal import print_sentence

    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output must end in .html, got {output}.")
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        with replaced_file(output, "--output") as file:
            from report.build import Contents, make_page
            from simulations.terminal import progress_display
            from theory import ledger

            contents = Contents(**{name: value for name, value in options.items() if value != ()})
            with contextlib.ExitStack() as deciding:
                advance = deciding.enter_context(show_progress_bar("deciding", len(ledger.claims()), quiet))

                def simulating(study: Study) -> contextlib.AbstractContextManager[Callable[[int], None]]:
                    # Show one bar at a time; all claims are decided by now.
                    deciding.close()
                    return progress_display(study, quiet)

                page = make_page(
                    contents, command=command_line(context), jobs=jobs, decided=advance, display=simulating
                )
            file.write(page.html())
        # The page is on disk now.
        write_json(stream, {"report": str(output), **page.document()})
        print_sentence(console, f"Written: {output}")
    return EXIT_CHECK_FAILED if page.ledger.unexpected else 0
