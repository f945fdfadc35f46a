"""The files that ``reproduce`` writes: all figures, a table of the runs, the report, the plots."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path

from evae.experiments.reports.ablation import ablation_report
from evae.experiments.reports.figures import figures
from evae.experiments.reports.paper import paper_report
from evae.experiments.reports.tables import Report
from evae.experiments.results import Results
from evae.experiments.statistics.measurements import measured
from foundation.errors import InputError
from foundation.figures import save_figure
from foundation.files import open_output
from foundation.typography import format_csv


def report(results: Results) -> Report:
    """Return the report of the results.

    Raises
    ------
    InputError
        If no run was finished.
    """
    if not results.records:
        raise InputError("no run was finished, so that there is nothing to compare.")
    return ablation_report(results) if results.table == "ablation" else paper_report(results)


def write_results(results: Results, report: Report, folder: Path) -> list[Path]:
    """Write ``results.json``, ``runs.csv``, ``table.md``, ``table.tex`` and plots into a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    results.save(folder / "results.json")
    texts = {"runs.csv": runs_csv(results), "table.md": report.markdown(), "table.tex": report.latex()}
    for name, text in texts.items():
        with open_output(folder / name) as stream:
            stream.write(text.encode())
    plots = []
    for name, figure in figures(results).items():
        plots.append(folder / f"{name}.png")
        save_figure(figure, plots[-1], dots_per_inch=150)
    return [folder / name for name in ("results.json", *texts)] + plots


def runs_csv(results: Results) -> str:
    """Return one line per run with its settings and measurements in full precision; missing values are empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    settings = [field.name for field in dataclasses.fields(results.records[0].recipe)]
    fields = ["dataset", "latent_dim", "seed", "epochs"]
    writer.writerow(["run", "model", *fields, *settings, *measured(results.records[0]), "seconds"])
    for record in results.records:
        config = [getattr(record.configuration, field) for field in fields]
        recipe = dataclasses.astuple(record.recipe)
        line = [record.name, record.label, *config, *recipe, *measured(record).values(), record.seconds]
        writer.writerow([format_csv(value) if isinstance(value, str) else value for value in line])
    return stream.getvalue()
