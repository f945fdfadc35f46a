"""Parts of docs/statistic.md, and the figure: the study that `python -m benchmarks.asymptotics` simulated."""

from __future__ import annotations

from pathlib import Path

from foundation.figures import save_figure
from simulations.asymptotics.figure import asymptotics_figure
from simulations.asymptotics.findings import listings, sentences_in_markdown
from simulations.asymptotics.record import Record

#: The file of the record, and those of the figure: to be read on a screen, and to be printed.
RECORD, FIGURES = "asymptotics.json", ("asymptotics.svg", "asymptotics.pdf")


def parts(path: Path) -> dict[str, str]:
    """Return the parts of the page by name."""
    record = Record.load(path)
    tables = {f"asymptotics-{name}": listing.markdown() for name, listing in listings(record).items()}
    return {**tables, "asymptotics": sentences_in_markdown(record)}


def draw(folder: Path) -> None:
    """Write the figure of the record in a folder there."""
    figure = asymptotics_figure(Record.load(folder / RECORD))
    for name in FIGURES:
        save_figure(figure, folder / name)
