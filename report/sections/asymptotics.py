"""Section on the study of T_m from m = 10^2 to 10^12, from the project's record of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from report.elements import Drawing, PageTable, drawing, page_table
from report.formulas import typeset
from report.sections.experiments import OURS, shown_path
from simulations.asymptotics.courses import SIZES
from simulations.asymptotics.figure import asymptotics_figure
from simulations.asymptotics.findings import listings, sentences
from simulations.asymptotics.record import Record

#: The record in a checkout of the project.
OWN_RECORD = OURS / "asymptotics.json"

COMMAND = "python -m benchmarks.asymptotics --json results/asymptotics.json"

_CAPTION = (
    "T_m from m = 10^2 to 10^12, for the normal density, the weight 1 on [-2, 2], the Epanechnikov kernel and b = "
    "m^-0.235. a: quantiles of the standardised statistic. b: distances of the mean of T_m, the variance and the "
    "skewness from their limits, with the leading terms as lines. c: the same, divided by the leading terms. d: "
    "Kolmogorov distances, with the leading terms as lines. e: the standardised mean inside the window of bandwidths "
    "and on its border. f: the mean with a uniform prior and with a shifted kernel. Markers are simulated, with bars "
    "of two standard errors; the lines in c, e and f are exact."
)


@dataclass(frozen=True)
class Asymptotics:
    """The study as the page shows it.

    Attributes
    ----------
    sentences : tuple of Markup
    tables : tuple of PageTable
    drawing : Drawing
    source, command : str
        The file of the record, and the command that makes it.
    """

    sentences: tuple[Markup, ...]
    tables: tuple[PageTable, ...]
    drawing: Drawing
    source: str
    command: str = COMMAND


def asymptotics_of(path: Path) -> Asymptotics:
    """Read a record; raise an InputError if it is damaged."""
    record = Record.load(path)
    found = sentences(record)
    return Asymptotics(
        tuple(map(typeset, found)),
        tuple(page_table(one.caption, one.columns, one.rows, one.words) for one in listings(record).values()),
        drawing(
            "asymptotics",
            asymptotics_figure(record),
            caption=_CAPTION,
            description=f"Six panels against m from {SIZES[0]:,} to {SIZES[-1]:,}: quantiles, distances of moments "
            "from their limits and their ratio to the leading terms, Kolmogorov distances, and means that do not "
            f"converge. {' '.join(found)}",
            source=shown_path(path),
        ),
        shown_path(path),
    )
