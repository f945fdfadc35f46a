"""``simulate-tm``: simulate the Bickel-Rosenblatt statistic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.shared import completions
from commands.shared.completions import files, one_of
from commands.shared.invocation import way_on, with_the_way_on
from commands.shared.options import common_options, plot_option
from commands.shared.output import checked_plots, console_for, json_output, save_plots, write_json

if TYPE_CHECKING:
    pass


@click.command("simulate-tm", short_help="Simulate the Bickel-Rosenblatt statistic.")
@click.option(
    "--m",
    "sizes",
    type=int,
    multiple=True,
    required=True,
    metavar="M",
    help="Observations in a sample. Repeatable: several make a study of convergence. The paper's example is 100.",
)
@click.option(
    "--replicates",
    type=int,
    default=10_000,
    show_default=True,
    metavar="N",
    help="Independent samples; the error of the simulated mean falls with the root of their number.",
)
@click.option(
    "--kernel",
    default="epanechnikov",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completions.kernels),
    help="K: epanechnikov (the paper's), uniform, triangular, biweight, triweight or cosine, each on [-1, 1], or "
    "gaussian, of standard deviation 1.",
)
@click.option(
    "--density",
    default="normal",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completions.densities),
    help="f, from which the samples are drawn and with which the estimate is compared: normal (the VAE's prior), "
    "logistic, laplace, uniform:lo,hi, beta:p,q, or a mixture of normals written weight*normal(mean,deviation), as in "
    "'mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)', quoted for the shell.",
)
@click.option(
    "--weight",
    default="window:-2,2",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completions.weights),
    help="a, the weight under the integral: window:c,d (1 on [c, d] and 0 elsewhere), inverse-density:c,d (1/f there), "
    "or one (1 everywhere). Theorem 3.1 wants a bounded, integrable weight, which neither one nor the paper's own 1/f "
    "on the whole line is.",
)
@click.option(
    "--bandwidth",
    default="m^-0.235",
    show_default=True,
    metavar="NUMBER|m^-DELTA",
    help="b, the kernel's half-width. Theorem 3.1 wants a rule with 2/9 < DELTA < 1/4; the paper takes m^-2/9.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Replicate r at m is drawn from the stream (seed, m 2**32 + r) of the generator Philox4x32-10, whatever else "
    "is chosen: studies at different m are independent.",
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    metavar="auto|exact|cells|multinomial",
    shell_complete=one_of(completions.engines),
    help="How T_m is computed. exact: to nearly machine precision. cells: from power sums in cells, many times as "
    "fast, with a relative error, typically below 2.5e-4, that is measured and reported. multinomial: the same, but "
    "drawing the counts of the cells first, faster still for a large M. auto: by M, and it is said which.",
)
@click.option(
    "--workers", type=int, metavar="N", help="Threads; the result does not depend on it.  [default: one for each core]"
)
@click.option(
    "--cluster",
    metavar="ADDRESS|local:N",
    help="Compute on the workers of this dask scheduler, such as tcp://host:8786, or of one started here with N "
    "workers; the result does not depend on it. Needs the extra epanechnikov-vae[cluster].",
)
@click.option(
    "--resume",
    metavar="FILE",
    shell_complete=files,
    help="Keep what is done in FILE, begun if it does not exist, and go on from there: an interrupted run to the "
    "identical result, a finished one to more --replicates.",
)
@plot_option(
    "for one M the law of the standardised statistic beside its limit, for several how means, quantiles, variance and "
    "skewness approach theirs."
)
@common_options
@click.pass_context
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
    **options: Any,
) -> None:
    """Simulate the Bickel-Rosenblatt statistic T_m beside its exact mean and its limit.

    T_m = m b ∫ (f_m - f)² a compares the kernel density estimate f_m of m observations with the density f they are
    drawn from. By Theorem 3.1 the paper puts the limit I(K) ∫ f a in place of E T_m. Shown are the simulated mean
    with its standard error; the exact mean at this m in its three parts; the limit; the standardised statistic
    b^(-1/2) (T_m - I(K) ∫ f a) beside the normal law it tends to; and, in words, whether the theorem's assumptions
    hold for this choice and what the simulation says.

    \b
    Examples
      python cli.py simulate-tm --m 10000
      python cli.py simulate-tm --m 100 --m 1000 --m 10000 --plot convergence.svg
      python cli.py simulate-tm --m 100000 --replicates 100000 --resume study.json
      python cli.py simulate-tm --m 1000 --replicates 20000 --json -
    """  # noqa: D301
    from foundation.errors import InputError
    from simulations import SimulationInterrupted, SimulationStopped, simulate_studies
    from simulations.study.convergence import Convergence, studies_at
    from simulations.terminal import convergence_report, partial_report, progress_display, study_report

    studies = studies_at(sizes, **options)
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
        document = results[0].document()
        if len(results) > 1:
            convergence = Convergence.of(results)
            console.print(convergence_report(convergence))
            document = {"studies": [result.document() for result in results], "convergence": convergence.document()}
        if plots:
            from simulations.figures import study_figure

            save_plots(study_figure(results), plots)
        write_json(stream, document)
