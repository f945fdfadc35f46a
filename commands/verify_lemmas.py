"""``verify-lemmas``: decide the paper's claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.shared import completions
from commands.shared.completions import one_of
from commands.shared.failures import EXIT_CHECK_FAILED, Command, OneOf
from commands.shared.options import SHARED, common_options, plot_option, table_options
from commands.shared.output import (
    checked_plots,
    console_for,
    format_json,
    json_output,
    save_plots,
    text_output,
    write_json,
)
from commands.shared.startup import rare_garbage_collection
from foundation.progress import show_progress_bar, show_spinner

if TYPE_CHECKING:
    from rich.console import Console

    from theory.ledger.finding import Finding


@click.command("verify-lemmas", cls=Command, short_help="Decide what the paper claims.")
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=one_of(completions.claims))
@click.option("--list", "only_list", is_flag=True, help="List the claims without deciding them.")
@click.option("--explain", is_flag=True, help="Show every step of each proof or refutation, with its formulas.")
@click.option(
    "--assume",
    "assumptions",
    multiple=True,
    metavar="ID=EXPR",
    shell_complete=one_of(completions.assumptions),
    help="Decide EXPR in place of what the paper prints, as in lemma-3.2.minimum='4/(5*r)'. Where a claim prints "
    "decimals, those of EXPR state the digits typed. Repeatable. Without an ID only these claims are decided.",
)
@click.option(
    "--format",
    "form",
    type=OneOf(["table", "json", "markdown", "latex"]),
    default="table",
    show_default=True,
    help="How the verdicts are shown; LaTeX is a document that compiles by itself.",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there instead of the terminal.")
@table_options(SHARED, "jobs")
@click.option("--density", metavar="EXPR", help="With the ID kernel: the density in x of a kernel to be assessed.")
@click.option("--support", metavar="A,B", help="With --density: where it is positive, as in -1,1 or -oo,oo.")
@plot_option("with --density, the kernel next to Epanechnikov's, and its efficiency among the others'.")
@click.option(
    "--with-simulations",
    is_flag=True,
    help="Also run the seeded simulations that some claims need; without it these are pending, or refuted by exact "
    "moments.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="After this long a claim is given up as undecided, a kernel as beyond assessment.",
)
@common_options
@rare_garbage_collection()
def verify_lemmas(
    ids: tuple[str, ...],
    only_list: bool,
    explain: bool,
    assumptions: tuple[str, ...],
    form: str,
    output: Path | None,
    jobs: int | None,
    time_limit: float,
    density: str | None,
    support: str | None,
    plots: tuple[Path, ...],
    with_simulations: bool,
    json_path: str | None,
    quiet: bool,
) -> int:
    """Decide what the paper claims, by computer algebra.

    Each claim takes what the paper prints as a formula and proves it, corrects it or refutes it by computer algebra.
    ID names a claim (lemma-3.2.minimum) or a group (lemma-3.2); without any, all are decided.

    \b
    Verdicts
      proved       true as printed
      erratum      false as printed; a small correction saves it
      refuted      false, with a counterexample
      conditional  true only under an assumption the paper does not state or meet
      computed     confirmed numerically, without a proof
      simulated    statistical evidence only
      pending      waits for --with-simulations
      undecided    neither, by the means at hand

    \b
    Examples
      python cli.py verify-lemmas --list
      python cli.py verify-lemmas lemma-3.2 --explain
      python cli.py verify-lemmas --assume lemma-3.2.minimum='4/(5*r)'
      python cli.py verify-lemmas kernel --support -1,1 \\
        --density '15/16*(1-x**2)**2'

    The exit code is 1 if a verdict is not the one on record.
    """  # noqa: D301 (click wants the character itself)
    from foundation.processes import count_usable_cores
    from theory import ledger
    from theory.ledger import finding as report
    from theory.ledger import parallel as workers

    if density is not None or support is not None:
        options = {"--list": only_list, "--explain": explain, "--assume": assumptions, "--format": form != "table"}
        options |= {"--output": output, "--jobs": jobs, "--with-simulations": with_simulations}
        if given := [name for name, value in options.items() if value]:
            raise click.UsageError(f"{given[0]} is about the paper's claims; leave it out to assess a kernel.")
        assess_user_kernel(ids, density, support, plots, time_limit, json_path, console_for(json_path, quiet))
        return 0
    if plots:
        raise click.UsageError("--plot draws a user-defined kernel, and needs the ID kernel, --density and --support.")
    # The chosen claims, with those named by --assume after them; --assume alone decides these only.
    assumed = dict(_split_assumption(text) for text in assumptions)
    chosen = list(ledger.select(ids) if ids or not assumed else ())
    chosen += [ledger.claim_named(name) for name in assumed if name not in {claim.id for claim in chosen}]
    console = console_for(json_path, quiet)
    if only_list:
        options = {"--explain": explain, "--assume": assumptions, "--format": form != "table", "--jobs": jobs}
        options |= {"--with-simulations": with_simulations}
        if given := [name for name, value in options.items() if value]:
            raise click.UsageError(f"{given[0]} does nothing with --list, which decides nothing. Leave it out.")
        with json_output(json_path) as stream, text_output(output, console) as page:
            write_json(stream, report.list_document(chosen))
            page.print(report.claim_list(chosen))
        return 0
    # Decide in processes, each under the time limit, and add simulations afterwards, in this one.
    requests = [workers.ClaimRequest(claim.id, assumed.get(claim.id)) for claim in chosen]
    with json_output(json_path) as stream, text_output(output, console) as page:
        with show_progress_bar("deciding", len(requests), quiet) as advance:
            findings = workers.decide(
                requests, jobs or count_usable_cores(), time_limit, lambda finding: advance(finding.claim.id)
            )
        if with_simulations:
            from simulations.evidence import with_evidence

            with show_spinner("simulating what some claims need", quiet):
                findings = [with_evidence(finding) for finding in findings]
        write_json(stream, report.document(findings))
        show_ledger(findings, form, explain, page)
    return 0 if all(finding.as_expected for finding in findings) else EXIT_CHECK_FAILED


def assess_user_kernel(
    ids: tuple[str, ...],
    density: str | None,
    support: str | None,
    plots: Sequence[Path],
    time_limit: float,
    json_path: str | None,
    console: Console,
) -> None:
    """Assess a user-supplied kernel: its constants, the assumptions it meets, its efficiency."""
    from theory.kernel_assessment import assess_kernel_completely
    from theory.ledger.parallel import run_within

    if density is None or support is None or ids != ("kernel",):
        raise click.UsageError("to assess a kernel: verify-lemmas kernel --density '15/16*(1-x**2)**2' --support -1,1")
    checked_plots(plots)
    with json_output(json_path) as stream:
        with show_spinner("assessing the kernel", console.quiet):
            assessment = run_within(time_limit, assess_kernel_completely, density, support)
        if plots:
            from theory.figures import kernel_figure

            save_plots(kernel_figure(assessment), plots)
        write_json(stream, {"kernel": assessment.document()})
    console.print(assessment.table())


def _split_assumption(text: str) -> tuple[str, str]:
    name, equals, expression = text.partition("=")
    if not equals or not expression.strip():
        raise click.UsageError(f"--assume takes ID=EXPR, as in lemma-3.2.minimum='4/(5*r)'; got {text!r}.")
    return name.strip(), expression.strip()


def show_ledger(findings: list[Finding], form: str, explain: bool, page: Console) -> None:
    """Print the findings in the chosen format."""
    from rich.console import Group

    from theory.ledger import finding as report

    if page.quiet:
        return
    if form == "table":
        page.print(Group(*map(report.explanation, findings)) if explain else report.table(findings))
    elif form == "json":
        page.file.write(format_json(report.document(findings)))
    else:
        page.file.write((report.markdown if form == "markdown" else report.latex)(findings, explain))
