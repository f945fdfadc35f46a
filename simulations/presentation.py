"""How a study looks on a terminal, and in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simulations.engine import engine_named
from simulations.study import Result, Study
from simulations.summary import Summary, in_words

SECONDS_BETWEEN_LINES = 10.0


def study_report(result: Result) -> RenderableType:
    """Return everything a reader wants to see of one study, in at most 80 columns."""
    words = Table.grid(padding=(0, 1))
    for sentence in in_words(result.summary):
        words.add_row("-", Text(sentence))
    return Group(_heading(result), "", _means(result.summary), "", _standardised(result.summary), "", words, "")


def convergence_table(results: Sequence[Result]) -> Table:
    """Return one line a study: how the simulated and exact means approach the limit as m grows."""
    table = _table("E T_m as m grows", "m", "b", "simulated", "± s.e.", "exact", "limit", "z (exact)")
    for result in results:
        summary = result.summary
        numbers = summary.mean, summary.standard_error, summary.exact.total, summary.limit_mean
        table.add_row(
            f"{summary.m:,}", f"{summary.bandwidth:.4g}", *(_number(value) for value in numbers), _z(summary.z_exact)
        )
    return table


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
        yield lambda done: progress.update(task, completed=done)


class _Rate(ProgressColumn):
    """Replicates a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def _plain_progress(study: Study, console: Console) -> Callable[[int], None]:
    started = said = time.monotonic()

    def advance(done: int) -> None:
        nonlocal said
        now = time.monotonic()
        if done < study.replicates and now - said >= SECONDS_BETWEEN_LINES:
            said, rate = now, done / (now - started)
            left = (study.replicates - done) / rate if rate else float("inf")
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
        f"seed {study.seed}, engine {engine_named(study.engine)}, {result.seconds:.1f} s "
        f"({study.replicates / result.seconds:,.0f} replicates a second)"
    )


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
    table = _table("Standardised statistic, b^(-1/2) (T_m - I(K) ∫ f a)", "", "simulated", "normal limit")
    table.add_row("mean", _number(summary.standardised_mean), _number(0.0))
    table.add_row(
        "variance, limit 2J(K) ∫ a²f²", *map(_number, (summary.standardised_variance, summary.limit_variance))
    )
    table.add_row("skewness", _number(summary.skewness), _number(0.0))
    for level, value in summary.quantiles.items():
        table.add_row(f"{level:.0%} point", _number(value), _number(summary.limit_quantiles[level]))
    test = summary.normality
    p_value = f"p = {test.p_value:.2g}" if test.p_value else "p < 1e-300"
    judged = "too few replicates" if test.p_value is None else f"{test.statistic:.4g}, {p_value}"
    table.add_row("normality, D'Agostino-Pearson K²", judged, "")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name else "left")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if 0 < abs(value) < 1e-3 else f"{value:,.6f}"


def _z(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
