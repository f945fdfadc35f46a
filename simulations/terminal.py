"""Reports and progress of studies on a terminal or in a log file."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from foundation.progress import make_text_column
from foundation.terminal import FittingTable, create_console, print_sentence
from foundation.typography import format_printable
from simulations.study.convergence import Convergence
from simulations.study.study import Result, Study
from simulations.study.summary import Summary, in_words

if TYPE_CHECKING:
    from simulations.goodness_of_fit.comparison import Comparison
    from simulations.goodness_of_fit.power import PowerEstimate
    from simulations.goodness_of_fit.result import GoodnessOfFit
    from simulations.goodness_of_fit.two_samples import TwoSamples
    from simulations.observations.sample import Reading

SECONDS_BETWEEN_LINES = 10.0

DIGITS = 15
"""Most significant digits that are shown: all that double precision holds."""


def study_report(result: Result) -> RenderableType:
    """Format the report of one study, at most 80 columns wide."""
    words = Table.grid(padding=(0, 1))
    for sentence in in_words(result.summary):
        words.add_row("-", Text(sentence))
    return Group(
        _heading(result), "", _means_table(result.summary), "", _statistic_table(result.summary), "", words, ""
    )


def partial_report(partial: Result, study: Study) -> RenderableType:
    """Format the report of the replicates of an interrupted study, marked as incomplete."""
    mark = f"INTERRUPTED: only the first {partial.study.replicates:,} of {study.replicates:,} replicates"
    return Group(Text(mark, style="bold"), study_report(partial))


def convergence_report(convergence: Convergence) -> RenderableType:
    """Format how mean, variance and skewness approach their limits as m grows, with the leading terms."""
    notes = Table.grid(padding=(0, 1))
    for sentence in _convergence_notes(convergence):
        notes.add_row("-", Text(sentence))
    tables = (_mean_table(convergence), _difference_table(convergence), _shape_table(convergence))
    parts = [part for table in (*tables, _rate_table(convergence)) for part in (table, "")]
    return Group(*parts, notes, "")


def _mean_table(convergence: Convergence) -> FittingTable:
    rows: list[tuple[str, ...]] = []
    for result in convergence.results:
        summary = result.summary
        error = summary.standard_error
        means = [_number(value, error) for value in (summary.mean, summary.exact.total, summary.limit_mean)]
        means.insert(1, _number(error))
        rows.append((f"{summary.m:,}", f"{summary.bandwidth:.4g}", *means, _z(summary.z_exact)))
    return _table("E T_m as m grows", ("m", "b", "simulated", "± s.e.", "exact", "limit", "z (exact)"), rows)


def _difference_table(convergence: Convergence) -> FittingTable:
    rows: list[tuple[str, ...]] = []
    for point in convergence.points:
        numbers = point.product, point.squared_bias, point.leading_difference
        simulated = f"{point.mean_difference:.5f} ± {_decimal(point.mean_error)}"
        rows.append((f"{point.m:,}", simulated, f"{point.exact_difference:.5f}", *map(_decimal, numbers)))
    title = "E T_m - I(K) ∫ f a, with its leading terms"
    return _table(title, ("m", "simulated", "exact", "-b∫f²a", "+ bias²", "= sum"), rows)


def _shape_table(convergence: Convergence) -> FittingTable:
    rows: list[tuple[str | Text, ...]] = []
    for p in convergence.points:
        variance = f"{_decimal(p.variance)} ± {_decimal(p.variance_error)}"
        skewness = f"{_decimal(p.skewness)} ± {_decimal(p.skewness_error)}"
        rows.append((f"{p.m:,}", variance, _decimal(p.leading_variance), skewness, _decimal(p.leading_skewness)))
    limit = _decimal(convergence.terms.limit_variance)
    rows.append(tuple(Text(cell, style="dim") for cell in ("limit", limit, limit, _decimal(0.0), _decimal(0.0))))
    title = "Variance and skewness of the standardised statistic, with their leading terms"
    return _table(title, ("m", "variance", "leading", "skewness", "leading"), rows)


def _rate_table(convergence: Convergence) -> FittingTable:
    rows: list[tuple[str, ...]] = []
    for rate in convergence.rates:
        fitted = "-" if rate.fitted is None else f"{rate.fitted:.3f}"
        error = "" if rate.standard_error is None else f"{rate.standard_error:.3f}"
        rows.append((rate.quantity, fitted, error, f"{rate.predicted:g}"))
    return _table("Powers of b with which these vanish", ("", "fitted", "± s.e.", "as b → 0"), rows)


def _convergence_notes(convergence: Convergence) -> Iterator[str]:
    if convergence.terms.squared_bias is None:
        yield (
            "f is not twice differentiable everywhere on the weight's support, so that the leading terms with f'' do "
            "not exist."
        )
    else:
        yield (
            "Leading terms of the mean: -b ∫ f²a and, from the squared bias, m b⁵ (μ₂²/4) ∫ f''² a. Where the second "
            "is not small compared with the first, the fitted powers are not yet those of b → 0."
        )
    yield "Studies at different m draw from different streams of the seed, so the rows are independent."


@contextmanager
def progress_display(study: Study, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show the progress of a study on standard error; yield the callback for the number of replicates done.

    On a terminal it is a bar with rate and remaining time; elsewhere, a line every ten seconds.
    """
    console = create_console(stderr=True, quiet=quiet)
    if not console.is_terminal:
        yield _plain_progress(study, console)
        return
    columns = (
        make_text_column("description"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task(f"m = {study.m:,}", total=study.replicates)
        begun = False

        def advance(done: int) -> None:
            nonlocal begun
            if begun:
                progress.update(task, completed=done)
            else:
                # Replicates of an earlier session do not count for the rate of this one.
                progress.reset(task, completed=done)
                begun = True

        yield advance


class _Rate(ProgressColumn):
    """The column with the rate in replicates per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def _plain_progress(study: Study, console: Console) -> Callable[[int], None]:
    started = said = time.monotonic()
    earlier: int | None = None

    def advance(done: int) -> None:
        nonlocal started, said, earlier
        now = time.monotonic()
        if earlier is None:
            # Neither replicates of an earlier session nor the first block, which compiles, count for the rate.
            started, said, earlier = now, now, done
        elif done < study.replicates and now - said >= SECONDS_BETWEEN_LINES:
            said, rate = now, (done - earlier) / (now - started)
            left = (study.replicates - done) / rate
            print_sentence(
                console,
                f"m = {study.m:,}: {done:,} of {study.replicates:,} replicates, {rate:,.0f}/s, {left:,.0f} s left",
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
        f"({study.replicates / result.seconds:,.0f} replicates per second)"
    )


def _engine(result: Result) -> str:
    if result.discretisation is None:
        return result.engine
    return f"{result.engine} ({result.discretisation['cells_per_bandwidth']} cells per bandwidth)"


def _means_table(summary: Summary) -> FittingTable:
    exact, error = summary.exact, summary.standard_error
    rows = [
        ("simulated", _number(summary.mean, error), _number(error), ""),
        ("exact at this m, A - B + C", _number(exact.total, error), "", _z(summary.z_exact)),
        ("  A  variance term", _number(exact.variance_term), "", ""),
        ("  B  product term", _number(exact.product_term), "", ""),
        ("  C  squared-bias term", _number(exact.squared_bias_term), "", ""),
        ("limit, I(K) ∫ f a", _number(summary.limit_mean), "", _z(summary.z_limit)),
    ]
    return _table("Mean of T_m", ("", "value", "± s.e.", "z of simulated"), rows)


def _statistic_table(summary: Summary) -> FittingTable:
    moments, spread = summary.moments, summary.standardised_mean_error
    variance = summary.standardised_variance, summary.standardised_variance_error, summary.limit_variance
    numbers: dict[str, tuple[float | None, float | None, float]] = {
        "mean": (summary.standardised_mean, summary.standardised_mean_error, 0.0),
        "variance, limit 2J(K) ∫ a²f²": variance,
        "skewness": (summary.skewness, moments.skewness_error, 0.0),
        "kurtosis": (moments.kurtosis, moments.kurtosis_error, 3.0),
    }
    rows: list[tuple[str, ...]] = [(name, *map(_number, values)) for name, values in numbers.items()]
    rows[0] = ("mean", _number(summary.standardised_mean, spread), _number(spread), _number(0.0))
    for level, value in summary.quantiles.items():
        rows.append((f"{level:.0%} point", _number(value, spread), "", _number(summary.limit_quantiles[level])))
    rows.append(("normality, D'Agostino-Pearson K²", *_format_normality(summary), ""))
    title = "Standardised statistic, b^(-1/2) (T_m - I(K) ∫ f a)"
    return _table(title, ("", "simulated", "± s.e.", "normal limit"), rows)


def _format_normality(summary: Summary) -> tuple[str, str]:
    test = summary.normality
    if test.p_value is None:
        return "too few replicates", ""
    return f"{test.statistic:.4g}", f"p = {test.p_value:.2g}" if test.p_value else "p < 1e-300"


def _table(title: str | None, columns: tuple[str, ...], rows: Sequence[Sequence[str | Text]]) -> FittingTable:
    """Build a table; columns with a heading hold numbers."""
    figures = frozenset(number for number, heading in enumerate(columns) if heading)
    return FittingTable(columns, rows, figures, title, style="bold")


def _number(value: float | None, error: float | None = None) -> str:
    """Format a number with 6 decimals, or 4 digits if it is small, and with more where its ``error`` is smaller."""
    if value is None:
        return "-"
    # The exponents of the first digit of the number and of the second digit of its error.
    first = math.floor(math.log10(abs(value))) if value else 0
    last = math.floor(math.log10(error)) - 1 if error else first
    if 0 < abs(value) < 1e-3:
        return f"{value:.{min(max(first - last + 1, 4), DIGITS)}g}"
    return f"{value:,.{max(min(-last, DIGITS - 1 - first), 6)}f}"


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.5f}"


def _z(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def goodness_of_fit_report(test: GoodnessOfFit, power: PowerEstimate | None = None) -> RenderableType:
    """Format the report of a test, and the power if it was estimated, at most 80 columns wide."""
    study, setting = test.study, test.study.setting
    hypothesis = test.hypothesis
    if test.estimates is not None:
        listed = ", ".join(f"{name} {value:.6g}" for name, value in test.estimates.items())
        hypothesis += f"; estimated {listed}"
    several = len(test.at_bandwidths) > 1
    bandwidth = f"{len(test.at_bandwidths)} bandwidths" if several else f"b = {test.deciding.value:.6g}"
    smoothed = "" if test.null == "density" else ", compared with the smoothed density"
    heading = Text(
        f"Bickel-Rosenblatt test, {study.m:,} observations\n"
        f"{_on_reading(test.sample.reading)}\n"
        f"hypothesis {hypothesis}\n"
        f"kernel {setting.kernel.name}, weight {setting.weight.name}, {bandwidth}{smoothed}"
    )
    limit = (
        []
        if test.asymptotic_p_value is None
        else [("p-value by the limit law of Theorem 3.1", test.asymptotic_p_value)]
    )
    further = [] if power is None else [power.in_words()]
    return _comparison_report(
        heading, test, "T_m", f"{study.replicates:,} samples of the hypothesis", limit, [*test.in_words(), *further]
    )


def two_sample_report(test: TwoSamples) -> RenderableType:
    """Format the report of a comparison of two samples, at most 80 columns wide."""
    several = len(test.at_bandwidths) > 1
    bandwidth = f"{len(test.at_bandwidths)} bandwidths" if several else f"b = {test.deciding.value:.6g}"
    heading = Text(
        f"Two samples, {test.first.values.size:,} and {test.second.values.size:,} observations\n"
        f"{_on_reading(test.first.reading)}\n"
        f"{_on_reading(test.second.reading)}\n"
        f"kernel {test.kernel.name}, {bandwidth}"
    )
    return _comparison_report(heading, test, "the statistic", f"{test.replicates:,} permutations", (), test.in_words())


def _comparison_report(
    heading: Text,
    test: GoodnessOfFit | TwoSamples,
    name: str,
    replicates: str,
    further: Sequence[tuple[str, float]],
    sentences: Sequence[str],
) -> RenderableType:
    """Format a statistic beside its null distribution, under a heading and before the sentences."""
    several = len(test.at_bandwidths) > 1
    lower, upper = test.p_value_interval
    rows = [
        (f"largest excess of the cube root of {name}, in s.d." if several else name, _number(test.statistic)),
        (f"p-value, from {replicates}", f"{test.p_value:.4g}"),
        ("  its 95 % confidence interval", f"{lower:.3g} to {upper:.3g}"),
        *((label, f"{value:.4g}") for label, value in further),
        *(
            (f"critical value at the level {level:.0%}", _number(value))
            for level, value in test.critical_values.items()
        ),
    ]
    tables: list[RenderableType] = [_table(None, ("", "value"), rows)]
    if several:
        tables += ["", _bandwidth_table(test, name)]
    words = Table.grid(padding=(0, 1))
    for sentence in sentences:
        words.add_row("-", Text(sentence))
    return Group(heading, "", *tables, "", words)


def _bandwidth_table(test: Comparison, name: str) -> FittingTable:
    headings = ("b", name, "its mean", "excess of the cube root in s.d.", "p-value alone")
    rows = [
        (
            f"{one.value:.4g}",
            _number(one.statistic),
            _number(one.null_mean),
            f"{one.excess:+.2f}",
            f"{one.p_value:.4g}",
        )
        for one in test.at_bandwidths
    ]
    return _table(f"{name[0].upper()}{name[1:]} at every bandwidth", headings, rows)


def _on_reading(reading: Reading) -> str:
    dialect = "" if reading.dialect is None else f" ({reading.dialect.in_words()})"
    return f"data {format_printable(reading.source)}: {reading.in_words()}{dialect}"
