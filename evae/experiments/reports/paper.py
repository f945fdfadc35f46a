"""Tables 1 and 2: the paper's figures next to ours, metrics that the paper does not report, and wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from evae.experiments.reports.departures import departures
from evae.experiments.reports.tables import Report, Table
from evae.experiments.results import Results
from evae.experiments.statistics.comparison import compare
from evae.experiments.statistics.measurements import (
    ABSENT,
    CRITERIA,
    FLOOR,
    Group,
    Summary,
    floor_row,
    measurement,
    shown,
)
from evae.experiments.statistics.wording import label
from foundation.errors import InputError
from theory.paper.tables import Metric, PublishedExperiment, find_published_experiment

Summaries = Mapping[Group, Summary]

#: The name of our metric for each of the paper's.
_OURS = {Metric.FID: "frechet_distance", Metric.SHARPNESS: "sharpness"}

#: The models that the paper compares, by their names there and here.
_PAPERS = ("vae", "evae")

_UNPUBLISHED = ("reconstruction_error", "generation_distance", "active_dimensions", "noise_to_signal")


def paper_report(results: Results) -> Report:
    """Return the report of Table 1 or 2 from results that hold at least one run."""
    measurements = [measurement(record) for record in results.records]
    # Only what was measured: without features there is no distance to compare.
    criteria = [c for c in CRITERIA if any(m.values[c.metric] is not None for m in measurements)]
    found = compare(measurements, criteria)
    cells = dict.fromkeys(m.cell for m in measurements)
    lines = [(*cell, model) for cell in cells for model in models_of(results)]
    distance = "FID" if results.features == "inception" else "distance"
    tables = (
        Table(
            f"Table {results.table}: the paper's figures next to ours",
            ("data set", "d_z", "model", "FID, paper", f"{distance}, ours", "sharpness, paper", "sharpness, ours"),
            tuple(_pair_with_published(found.summaries, *line) for line in lines)
            + _floors(results, _OURS.values(), (3, 5)),
            words=3,
        ),
        Table(
            "What the paper does not report",
            ("data set", "d_z", "model", "error (nats)", f"{distance} of new images", "active", "noise / signal"),
            tuple(_unpublished(found.summaries, *line) for line in lines) + _floors(results, _UNPUBLISHED),
            words=3,
        ),
    )
    document = {"comparison": found.document()}
    return Report(f"Table {results.table}", departures(results), tables, found.paragraphs, document)


def models_of(results: Results) -> tuple[str, ...]:
    """Return the labels of the models that were trained, those of the paper first."""
    labels = dict.fromkeys(record.label for record in results.records)
    return tuple(sorted(labels, key=lambda model: _PAPERS.index(model) if model in _PAPERS else len(_PAPERS)))


def _pair_with_published(summaries: Summaries, dataset: str, latent_dim: int, model: str) -> tuple[str, ...]:
    """Return a row with each of the paper's figures before ours; a dash if the paper has none."""
    paper = _published(dataset, latent_dim) if model in _PAPERS else None
    line = [dataset, str(latent_dim), label(model)]
    for metric, ours in _OURS.items():
        score = ABSENT if paper is None else str(getattr(paper, model).value(metric))
        line += [score, shown(summaries.get(Group(dataset, latent_dim, model, ours)), ours)]
    return tuple(line)


def _unpublished(summaries: Summaries, dataset: str, latent_dim: int, model: str) -> tuple[str, ...]:
    figures = (shown(summaries.get(Group(dataset, latent_dim, model, metric)), metric) for metric in _UNPUBLISHED)
    return (dataset, str(latent_dim), label(model), *figures)


def _floors(results: Results, metrics: Iterable[str], papers: Sequence[int] = ()) -> tuple[tuple[str, ...], ...]:
    """Return one row per data set with the values of training images; dashes in the columns of the paper."""
    lines = []
    for dataset in dict.fromkeys(record.configuration.dataset for record in results.records):
        cells = floor_row(results.where(dataset=dataset), metrics)
        if cells is not None:
            line = [dataset, ABSENT, FLOOR, *cells]
            for column in papers:
                line.insert(column, ABSENT)
            lines.append(tuple(line))
    return tuple(lines)


def _published(dataset: str, latent_dim: int) -> PublishedExperiment | None:
    try:
        return find_published_experiment(dataset, latent_dim)
    except InputError:
        return None
