"""Section on the experiments: the paper's tables next to ours, and the ablation, with error bars and conclusions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from evae.experiments.reports.figures import figures
from evae.experiments.reports.files import report
from evae.experiments.results import Results
from report.elements import Drawing, PageTable, drawing, page_table
from report.formulas import plain, typeset

#: The folder of the project's measured results in a checkout.
OURS = Path(__file__).resolve().parents[2] / "results"

#: The files in OURS, and the folders that ``reproduce`` creates in a runs folder. The ablation tells most.
TABLES = ("ablation", "table-1", "table-2")

_CAPTIONS = {
    "curves": "Hold-out reconstruction error by epoch, as in the paper's Figures S6 and S7. Bands span the seeds.",
    "ablation": "The reconstruction error by kernel and objective, and how the gain over VAE splits between them, with "
    "95 % intervals.",
    "rate": "Reconstruction error against rate: what the codes carry. Lines join the means over seeds of one model as "
    "the weight of the regularisation varies; points are runs.",
}


@dataclass(frozen=True)
class Experiment:
    """The results of one table as the page shows them.

    Attributes
    ----------
    name : str
        Such as ``table-1``; also its anchor.
    title : str
    tables : tuple of PageTable
    paragraphs, notes, failures : tuple of Markup
    drawings : tuple of Drawing
    source : str
        The file of the results.
    verdict : Markup or None
        Whether the method works, and why, in a few words; only the ablation has one.
    evidence : Markup
        The figures that the verdict rests on.
    """

    name: str
    title: str
    tables: tuple[PageTable, ...]
    paragraphs: tuple[Markup, ...]
    notes: tuple[Markup, ...]
    failures: tuple[Markup, ...]
    drawings: tuple[Drawing, ...]
    source: str
    verdict: Markup | None
    evidence: Markup


def results_files(runs_dir: Path) -> list[Path]:
    """Return the files of results in a runs folder; for any that it lacks, the project's."""
    places = ((runs_dir / name / "results.json", OURS / f"{name}.json") for name in TABLES)
    return [found for pair in places if (found := next(filter(Path.is_file, pair), None))]


def experiment_of(path: Path) -> Experiment:
    """Format the results in a file that ``reproduce`` wrote.

    Raises
    ------
    InputError
        If the file is missing, holds no results, or none of its runs has finished.
    """
    results = Results.load(path)
    found = report(results)
    name = results.table if results.table == "ablation" else f"table-{results.table}"
    return Experiment(
        name=name,
        title=found.title,
        tables=tuple(page_table(t.title, t.columns, t.rows, t.words) for t in found.tables),
        paragraphs=tuple(map(typeset, found.paragraphs)),
        notes=tuple(map(typeset, found.notes)),
        failures=tuple(plain(f"{failure.name}: {failure.reason}") for failure in results.failures),
        drawings=tuple(_drawings(name, results)),
        source=shown_path(path),
        verdict=None if found.headline is None else typeset(found.headline.verdict),
        evidence=typeset("" if found.headline is None else found.headline.evidence),
    )


def shown_path(path: Path) -> str:
    """Return a path for readers of the page: relative to the project for its files."""
    return f"results/{path.name}" if path.parent == OURS else str(path)


def _drawings(name: str, results: Results) -> list[Drawing]:
    return [
        drawing(
            f"{name}-{kind}",
            figure,
            caption=_CAPTIONS[kind],
            description=f"{_CAPTIONS[kind]} The tables hold the figures.",
            source=f"python cli.py reproduce --table {results.table}",
        )
        for kind, figure in figures(results).items()
    ]
