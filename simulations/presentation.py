"""How a study looks on a terminal, and in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simulations.convergence import Convergence
from simulations.study import Result, Study
from simulations.summary import Summary, in_words

if TYPE_CHECKING:
    from simulations.goodness_of_fit import GoodnessOfFit

SECONDS_BETWEEN_LINES = 10.0


def study_report(result: Result) -> RenderableType:
    """Return everything a reader wants to see of one study, in at most 80 columns."""
    words = Table.grid(padding=(0, 1))
    for sentence in in_words(result.summary):
        words.add_row("-", Text(sentence))
    return Group(_heading(result), "", _means(result.summary), "", _standardised(result.summary), "", words, "")


def partial_report(partial: Result, study: Study) -> RenderableType:
    """Return what the replicates of an interrupted study say, marked as unfinished."""
    mark = f"INTERRUPTED: only the first {partial.study.replicates:,} of {study.replicates:,} replicates"
    return Group(Text(mark, style="bold"), study_report(partial))


def convergence_report(convergence: Convergence) -> RenderableType:
    """Return how mean, variance and skewness approach their limits as m grows, beside the leading terms."""
    notes = Table.grid(padding=(0, 1))
    for sentence in _convergence_notes(convergence):
        notes.add_row("-", Text(sentence))
    tables = (_mean_table(convergence), _difference_table(convergence), _shape_table(convergence))
    parts = [part for table in (*tables, _rate_table(convergence)) for part in (table, "")]
    return Group(*parts, notes, "")


def _mean_table(convergence: Convergence) -> Table:
    table = _table("E T_m as m grows", "m", "b", "simulated", "± s.e.", "exact", "limit", "z (exact)")
    for result in convergence.results:
        summary = result.summary
        numbers = summary.mean, summary.standard_error, summary.exact.total, summary.limit_mean
        table.add_row(
            f"{summary.m:,}", f"{summary.bandwidth:.4g}", *(_number(value) for value in numbers), _z(summary.z_exact)
        )
    return table


def _difference_table(convergence: Convergence) -> Table:
    table = _table(
        "E T_m - I(K) ∫ f a, beside its leading terms", "m", "simulated", "exact", "-b∫f²a", "+ bias²", "= sum"
    )
    for point in convergence.points:
        numbers = point.product, point.squared_bias, point.leading_difference
        simulated = f"{point.mean_difference:.5f} ± {_rounded(point.mean_error)}"
        table.add_row(f"{point.m:,}", simulated, f"{point.exact_difference:.5f}", *map(_rounded, numbers))
    return table


def _shape_table(convergence: Convergence) -> Table:
    title = "Variance and skewness of the standardised statistic, beside their leading terms"
    table = _table(title, "m", "variance", "leading", "skewness", "leading")
    for p in convergence.points:
        variance = f"{_rounded(p.variance)} ± {_rounded(p.variance_error)}"
        skewness = f"{_rounded(p.skewness)} ± {_rounded(p.skewness_error)}"
        table.add_row(f"{p.m:,}", variance, _rounded(p.leading_variance), skewness, _rounded(p.leading_skewness))
    limit = _rounded(convergence.terms.limit_variance)
    table.add_row("limit", limit, limit, _rounded(0.0), _rounded(0.0), style="dim")
    return table


def _rate_table(convergence: Convergence) -> Table:
    table = _table("Powers of b with which these vanish", "", "fitted", "± s.e.", "as b → 0")
    for rate in convergence.rates:
        fitted = "-" if rate.fitted is None else f"{rate.fitted:.3f}"
        error = "" if rate.standard_error is None else f"{rate.standard_error:.3f}"
        table.add_row(rate.quantity, fitted, error, f"{rate.predicted:g}")
    return table


def _convergence_notes(convergence: Convergence) -> Iterator[str]:
    if convergence.terms.squared_bias is None:
        yield (
            "f is not twice differentiable everywhere on the weight's support, so that the leading terms with f'' do "
            "not exist."
        )
    else:
        yield (
            "Leading terms of the mean: -b ∫ f²a and, from the squared bias, m b⁵ (μ₂²/4) ∫ f''² a. Where the second "
            "is not small beside the first, the fitted powers are not yet those of b → 0."
        )
    yield "Studies at different m draw from different streams of the seed, so that the rows are independent."


@contextmanager
def progress_display(study: Study, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show on standard error how far a study is; yield the function that takes the replicates done.

    On a terminal a bar with rate and time left; elsewhere a line every ten seconds.
    """
    console = Console(stderr=True, quiet=quiet)
    if not console.is_terminal:
        yield _plain_progress(study, console)
        return
    columns = (
        TextColumn(f"m = {study.m:,}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=study.replicates)
        begun = False

        def advance(done: int) -> None:
            nonlocal begun
            if begun:
                progress.update(task, completed=done)
            else:
                # What an earlier run did says nothing about the rate of this one.
                progress.reset(task, completed=done)
                begun = True

        yield advance


class _Rate(ProgressColumn):
    """Replicates a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def _plain_progress(study: Study, console: Console) -> Callable[[int], None]:
    started = said = time.monotonic()
    earlier: int | None = None

    def advance(done: int) -> None:
        nonlocal started, said, earlier
        now = time.monotonic()
        if earlier is None:
            # What an earlier run did says nothing about the rate of this one, nor does the first block, which compiles.
            started, said, earlier = now, now, done
        elif done < study.replicates and now - said >= SECONDS_BETWEEN_LINES:
            said, rate = now, (done - earlier) / (now - started)
            left = (study.replicates - done) / rate
            console.print(
                f"m = {study.m:,}: {done:,} of {study.replicates:,} replicates, {rate:,.0f}/s, {left:,.0f} s left",
                highlight=False,
                soft_wrap=True,
            )

    return advance


def _heading(result: Result) -> Text:
    study, setting = result.study, result.study.setting
    b = setting.bandwidth.at(study.m)
    rule = f"{setting.bandwidth.name} = {b:.6g}" if setting.bandwidth.states_a_rate else f"{b:.6g}"
    return Text(
        f"T_m at m = {study.m:,}, replicates: {study.replicates:,}\n"
        f"kernel {setting.kernel.name}, density {setting.density.name}, weight {setting.weight.name}, b = {rule}\n"
        f"seed {study.seed}, engine {_engine(result)}, {result.seconds:.1f} s "
        f"({study.replicates / result.seconds:,.0f} replicates a second)"
    )


def _engine(result: Result) -> str:
    if result.discretisation is None:
        return result.engine
    return f"{result.engine} ({result.discretisation['cells_per_bandwidth']} cells a bandwidth)"


def _means(summary: Summary) -> Table:
    table = _table("Mean of T_m", "", "value", "± s.e.", "z of simulated")
    exact = summary.exact
    table.add_row("simulated", _number(summary.mean), _number(summary.standard_error), "")
    table.add_row("exact at this m, A - B + C", _number(exact.total), "", _z(summary.z_exact))
    table.add_row("  A  variance term", _number(exact.variance_term), "", "")
    table.add_row("  B  product term", _number(exact.product_term), "", "")
    table.add_row("  C  squared-bias term", _number(exact.squared_bias_term), "", "")
    table.add_row("limit, I(K) ∫ f a", _number(summary.limit_mean), "", _z(summary.z_limit))
    return table


def _standardised(summary: Summary) -> Table:
    title = "Standardised statistic, b^(-1/2) (T_m - I(K) ∫ f a)"
    table = _table(title, "", "simulated", "± s.e.", "normal limit")
    moments = summary.moments
    rows: list[tuple[str, float | None, float | None, float]] = [
        ("mean", summary.standardised_mean, summary.standardised_mean_error, 0.0),
        (
            "variance, limit 2J(K) ∫ a²f²",
            summary.standardised_variance,
            summary.standardised_variance_error,
            summary.limit_variance,
        ),
        ("skewness", summary.skewness, moments.skewness_error, 0.0),
        ("kurtosis", moments.kurtosis, moments.kurtosis_error, 3.0),
    ]
    for name, *numbers in rows:
        table.add_row(name, *map(_number, numbers))
    for level, value in summary.quantiles.items():
        table.add_row(f"{level:.0%} point", _number(value), "", _number(summary.limit_quantiles[level]))
    table.add_row("normality, D'Agostino-Pearson K²", *_judged(summary), "")
    return table


def _judged(summary: Summary) -> tuple[str, str]:
    test = summary.normality
    if test.p_value is None:
        return "too few replicates", ""
    return f"{test.statistic:.4g}", f"p = {test.p_value:.2g}" if test.p_value else "p < 1e-300"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name else "left")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if 0 < abs(value) < 1e-3 else f"{value:,.6f}"


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:.5f}"


def _z(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def goodness_of_fit_report(test: GoodnessOfFit, sample: npt.NDArray[np.float64]) -> RenderableType:
    """Return what a reader wants to see of a test of ``sample``, in at most 80 columns."""
    study, setting = test.study, test.study.setting
    b = setting.bandwidth.at(study.m)
    hypothesis = setting.density.name
    if test.location is not None:
        hypothesis += f" in shape; estimated location {test.location:.6g}, scale {test.scale:.6g}"
    heading = Text(
        f"Bickel-Rosenblatt test, {study.m:,} observations\n"
        f"hypothesis {hypothesis}\n"
        f"kernel {setting.kernel.name}, weight {setting.weight.name}, b = {b:.6g}"
    )
    table = _table("", "", "value")
    table.add_row("T_m", _number(test.statistic))
    table.add_row(f"p-value, from {study.replicates:,} samples of the hypothesis", f"{test.p_value:.4g}")
    table.add_row("  standard error of it", f"{test.p_value_error:.2g}")
    table.add_row("p-value by the limit law of Theorem 3.1", f"{test.asymptotic_p_value:.4g}")
    for level, value in test.critical_values.items():
        table.add_row(f"T_m that is exceeded with probability {level:.0%}", _number(value))
    words = Table.grid(padding=(0, 1))
    for sentence in test.in_words(sample):
        words.add_row("-", Text(sentence))
    return Group(heading, "", table, "", words)
