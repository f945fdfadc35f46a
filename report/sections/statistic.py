"""Section on the simulation studies: T_m by Monte Carlo, its exact mean and its limit, as m grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from foundation.typography import quote_for_shell
from report.elements import Drawing, PageTable, drawing, page_table
from report.formulas import typeset
from simulations.figures import convergence_figure, law_figure
from simulations.study.convergence import Convergence
from simulations.study.study import Result
from simulations.study.summary import AGREEMENT, Summary, in_words

#: A mean within this share of its limit is called near it.
CLOSE = 0.01


@dataclass(frozen=True)
class Words:
    """Conclusions of a study at one m, in sentences."""

    title: str
    sentences: tuple[Markup, ...]


@dataclass(frozen=True)
class Studies:
    """The studies in the form that the page shows.

    Attributes
    ----------
    setting : str
        Kernel, density, weight, bandwidth, replicates and seed.
    verdict : Markup
        Whether the limit holds at the last m, in a few words.
    answer : Markup
        The figures that the verdict rests on, in sentences.
    means, shape : PageTable
    words : tuple of Words
    drawings : tuple of Drawing
    command : str
        The command that repeats them.
    """

    setting: str
    verdict: Markup
    answer: Markup
    means: PageTable
    shape: PageTable
    words: tuple[Words, ...]
    drawings: tuple[Drawing, ...]
    command: str


def studies_of(results: Sequence[Result]) -> Studies:
    """Format the results of studies that differ only in m, with at least two replicates each."""
    summaries = [result.summary for result in results]
    last = summaries[-1]
    return Studies(
        setting=_setting(results[0]),
        verdict=typeset(judge_limit(last.m, last.exact.total, last.limit_mean)),
        answer=typeset(_answer(last)),
        means=_means(summaries),
        shape=_shape(summaries),
        words=tuple(_words(summary) for summary in summaries),
        drawings=tuple(_drawings(results)),
        command=_command(results),
    )


def _setting(result: Result) -> str:
    study, setting = result.study, result.study.setting
    return (
        f"kernel {setting.kernel.name}, density {setting.density.name}, weight {setting.weight.name}, "
        f"b = {setting.bandwidth.name}; {study.replicates:,} replicates at each m, seed {study.seed}"
    )


def judge_limit(m: int, exact: float, limit: float) -> str:
    """Compare the exact mean at m, which has no Monte Carlo error, with its limit, in a few words.

    Examples
    --------
    >>> judge_limit(1_000, 0.54, 0.57)
    'Not yet: at m = 1,000 the mean is 5.3% below its limit'
    """
    place = f"at m = {m:,} the mean is"
    if not math.isfinite(limit):
        return f"No: {place} finite and its limit is not"
    gap = abs(exact - limit) / limit
    if gap < CLOSE:
        return f"Nearly: {place} within {CLOSE:.0%} of its limit"
    return f"Not yet: {place} {gap:.1%} {'below' if exact < limit else 'above'} its limit"


def _answer(summary: Summary) -> str:
    gap = summary.exact.total - summary.limit_mean
    side = "below" if gap < 0 else "above"
    agrees = abs(summary.z_exact or 0.0) <= AGREEMENT
    verdict = "contradicts" if summary.contradicts_exact_mean else "agrees with" if agrees else "may agree with"
    share = (
        ""
        if summary.standardised_variance is None or not summary.limit_variance
        else (
            f" The variance is {summary.standardised_variance / summary.limit_variance:.0%} of its limit, the skewness "
            f"{_signed(summary.skewness)} where the limit law has 0."
        )
    )
    return (
        f"At m = {summary.m:,} the simulated mean {verdict} the exact mean (z = {_signed(summary.z_exact)}), which "
        f"is still {abs(gap):.4f} {side} the theorem's limit of {summary.limit_mean:.4f}.{share}"
    )


def _means(summaries: Sequence[Summary]) -> PageTable:
    columns = ("m", "b", "simulated", "± s.e.", "exact", "limit", "z, exact", "z, limit")
    rows = tuple(
        (
            f"{s.m:,}",
            f"{s.bandwidth:.4f}",
            f"{s.mean:.6f}",
            f"{s.standard_error:.6f}",
            f"{s.exact.total:.6f}",
            f"{s.limit_mean:.6f}",
            _signed(s.z_exact),
            _signed(s.z_limit),
        )
        for s in summaries
    )
    return page_table("The mean of T_m: simulated, exact at this m, and its limit", columns, rows, words=0)


def _shape(summaries: Sequence[Summary]) -> PageTable:
    columns = ("m", "mean", "variance", "± s.e.", "variance in the limit", "skewness", "± s.e.", "normality, p")
    rows = tuple(
        (
            f"{s.m:,}",
            _figure(s.standardised_mean),
            _figure(s.standardised_variance),
            _figure(s.standardised_variance_error),
            _figure(s.limit_variance),
            _figure(s.skewness),
            _figure(s.moments.skewness_error),
            _probability(s.normality.p_value),
        )
        for s in summaries
    )
    return page_table("The standardised statistic, whose limit law is normal with mean 0", columns, rows, words=0)


def _words(summary: Summary) -> Words:
    return Words(f"m = {summary.m:,}", tuple(typeset(sentence) for sentence in in_words(summary)))


def _drawings(results: Sequence[Result]) -> list[Drawing]:
    # The law is drawn at the last m, by default the largest, where it is closest to its limit.
    last = results[-1]
    command = _command(results)
    drawn = [
        drawing(
            "law",
            law_figure(last),
            caption=f"The simulated law of the standardised statistic at m = {last.study.m:,}, next to the normal law "
            "it tends to.",
            description=f"Histogram of the standardised statistic at m = {last.study.m:,} with the normal density of "
            f"the limit law, the exact mean and the limit of the mean. {_answer(last.summary)}",
            source=_command([last]),
        )
    ]
    if len(results) > 1:
        drawn.append(
            drawing(
                "convergence",
                convergence_figure(Convergence.of(results)),
                caption="How means, quantiles, variance and skewness approach their limits as m grows; bars are two "
                "standard errors.",
                description="Four panels: the mean of T_m against m, quantiles of the standardised statistic against "
                "m, its variance and its skewness against the bandwidth, each with its limit. The table below "
                "holds the figures.",
                source=command,
            )
        )
    return drawn


def _command(results: Sequence[Result]) -> str:
    study, setting = results[0].study, results[0].study.setting
    words = ["python", "cli.py", "simulate-tm"]
    for result in results:
        words += ["--m", str(result.study.m)]
    words += ["--replicates", str(study.replicates), "--kernel", setting.kernel.name]
    words += ["--density", setting.density.name, "--weight", setting.weight.name]
    return " ".join(map(quote_for_shell, [*words, "--bandwidth", setting.bandwidth.name, "--seed", str(study.seed)]))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _probability(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}" if value else "< 1e-300"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
