"""``simulate-tm``: simulate the Bickel-Rosenblatt statistic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commands.shared.completions import one_of
from commands.shared.failures import EXIT_CHECK_FAILED, Command
from commands.shared.invocation import way_on, with_the_way_on
from commands.shared.options import (
    SHARED,
    common_options,
    density_option,
    kernel_option,
    option,
    plot_option,
    resume_option,
    table_options,
)
from commands.shared.output import checked_plots, console_for, json_output, save_plots, write_json
from commands.shared.startup import rare_garbage_collection
from simulations.engines.names import ENGINE_NAMES


@click.command("simulate-tm", cls=Command, short_help="Simulate the Bickel-Rosenblatt statistic.")
@click.option(
    "--m",
    "sizes",
    type=int,
    multiple=True,
    required=True,
    metavar="M",
    help="Observations in a sample. Repeatable: several make a study of convergence. The paper's example is 100.",
)
@table_options(SHARED, "replicates", "kernel", "kernel_support", "density", "support")
@option(SHARED["weight"], default="window:-2,2")
@table_options(SHARED, "bandwidth", "seed")
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    metavar="|".join(ENGINE_NAMES),
    shell_complete=one_of(ENGINE_NAMES),
    help="How T_m is computed. exact: to nearly machine precision. cells: from power sums in cells, many times as "
    "fast, with an error, small compared with the spread of T_m, that is measured and reported. multinomial: the same, "
    "but drawing the counts of the cells first. sums: in addition drawing sums of positions, at a cost that does not "
    "grow with M, which may then be as large as 10^15. auto: by M, and it is said which.",
)
@table_options(SHARED, "workers", "cluster")
@resume_option("what is done", "run")
@plot_option(
    "for one M the law of the standardised statistic with its limit, for several how means, quantiles, variance and "
    "skewness approach theirs."
)
@common_options
@click.pass_context
@rare_garbage_collection()
def simulate_tm(
    context: click.Context,
    /,
    sizes: tuple[int, ...],
    workers: int | None,
    cluster: str | None,
    resume: str | None,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    kernel: str,
    kernel_support: str | None,
    density: str,
    support: str | None,
    **options: Any,
) -> int:
    """Simulate the Bickel-Rosenblatt statistic T_m and compare it with its exact mean and its limit.

    T_m = m b ∫ (f_m - f)² a compares the kernel density estimate f_m of m observations with the density f they are
    drawn from. By Theorem 3.1 the paper puts the limit I(K) ∫ f a in place of E T_m. Shown are the simulated mean
    with its standard error; the exact mean at this m in its three parts; the limit; the standardised statistic
    b^(-1/2) (T_m - I(K) ∫ f a) next to the normal law it tends to; and, in words, whether the theorem's assumptions
    hold for this choice and what the simulation says. The exit status is 1 if a simulated mean contradicts the exact
    mean.

    \b
    Examples
      python cli.py simulate-tm --m 10000
      python cli.py simulate-tm --m 100 --m 1000 --m 10000 --plot convergence.svg
      python cli.py simulate-tm --m 100000 --replicates 100000 --resume study.json
      python cli.py simulate-tm --m 1000 --replicates 20000 --json -
      python cli.py simulate-tm --m 500 --density t:5
      python cli.py simulate-tm --m 500 --density 'x*exp(-x)' --support 0,oo \\
        --weight window:0.5,4
    """  # noqa: D301
    from foundation.errors import InputError
    from simulations import SimulationInterrupted, SimulationStopped, simulate_studies
    from simulations.study.convergence import Convergence, studies_at
    from simulations.terminal import convergence_report, partial_report, progress_display, study_report

    # All arguments are checked before the first replicate.
    functions = {"kernel": kernel_option(kernel, kernel_support), "density": density_option(density, support)}
    studies = studies_at(sizes, **functions, **options)
    checked_plots(plots)
    console = console_for(json_path, quiet)
    results = []
    running = simulate_studies(
        studies,
        workers=workers,
        cluster=cluster,
        resume=resume,
        display=lambda study: progress_display(study, quiet),
    )
    with json_output(json_path) as stream:
        try:
            for result in running:
                console.print(study_report(result))
                results.append(result)
        except SimulationInterrupted as interruption:
            if interruption.partial is not None:
                console.print(partial_report(interruption.partial, interruption.study))
            raise with_the_way_on(interruption, context) from None
        except SimulationStopped as stopped:
            if stopped.partial is not None:
                console.print(partial_report(stopped.partial, stopped.study))
            raise InputError(f"{stopped} {way_on(context, stopped.saved)}") from None
        # One m has the document of its study; several also have their convergence.
        document = results[0].document()
        if len(results) > 1:
            convergence = Convergence.of(results)
            console.print(convergence_report(convergence))
            document = {"studies": [result.document() for result in results], "convergence": convergence.document()}
        if plots:
            from simulations.figures import study_figure

            save_plots(study_figure(results), plots)
        write_json(stream, document)
    return EXIT_CHECK_FAILED if any(result.summary.contradicts_exact_mean for result in results) else 0
