"""What the results of a table say: tables of figures, and sentences that are computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from evae.configuration import Configuration
from evae.experiments import comparison, variance
from evae.experiments.comparison import Criterion, Measurement, summarise
from evae.experiments.grid import CURVES, FACTOR_KERNELS, FACTOR_OBJECTIVES, curve_of, factors_of
from evae.experiments.results import Results, RunRecord
from evae.experiments.tables import Table
from theory.errors import InputError
from theory.published import Experiment, Metric, published_experiment

#: Metrics of Tables 1 and 2 by which EVAE is compared with VAE; the reconstruction error is ours.
ERROR = Criterion("reconstruction_error", lower_is_better=True, title="reconstruction error")
DISTANCE = Criterion("frechet_distance", lower_is_better=True, title="Fréchet distance")
SHARPNESS = Criterion("sharpness", lower_is_better=False, title="sharpness")
GENERATION = Criterion("generation_distance", lower_is_better=True, title="Fréchet distance of new images")
CRITERIA = (DISTANCE, SHARPNESS, ERROR, GENERATION)

#: The metrics of `measured`, in the order in which they are shown, with the decimals they are shown with. Ratios of
#: noise to signal span many powers of ten: of them two digits are shown.
_DECIMALS = {
    "reconstruction_error": 2,
    "frechet_distance": 2,
    "sharpness": 4,
    "generation_distance": 2,
    "active_dimensions": 1,
    "noise_to_signal": None,
    "rate": 1,
}

ABSENT = "-"


@dataclass(frozen=True)
class Report:
    """Tables and paragraphs, in the order in which they are read; ``document`` is the same for a JSON file."""

    title: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    paragraphs: tuple[str, ...]
    document: dict[str, Any]

    def markdown(self) -> str:
        """Return all of it in Markdown."""
        notes = "\n".join(f"- {note}" for note in self.notes)
        tables = "\n".join(table.markdown() for table in self.tables)
        return "\n".join([f"# {self.title}", "", notes, "", tables, *(f"{text}\n" for text in self.paragraphs)])

    def for_terminal(self) -> RenderableType:
        """Return all of it for a terminal."""
        notes = [Text(note, style="dim") for note in self.notes]
        paragraphs = [Text(f"\n{text}") for text in self.paragraphs]
        return Group(*(table.for_terminal() for table in self.tables), *notes, *paragraphs)

    def latex(self) -> str:
        """Return the tables in LaTeX, for a document that loads booktabs."""
        return "\n".join(table.latex() for table in self.tables)


def report(results: Results) -> Report:
    """Return what the results say.

    Raises
    ------
    InputError
        If no run was finished.
    """
    if not results.records:
        raise InputError("no run was finished, so that there is nothing to compare.")
    return _ablation(results) if results.table == "ablation" else _paper_table(results)


def measured(record: RunRecord) -> dict[str, float | None]:
    """Return what is compared of a run: of reconstructions from one posterior draw, and of samples from the mixture."""
    evaluation = record.evaluation
    distances = evaluation["frechet_distance"] or {}
    return {
        "reconstruction_error": evaluation["reconstruction_error"]["one_posterior_draw"],
        "frechet_distance": distances.get("one_posterior_draw"),
        "sharpness": evaluation["sharpness"]["one_posterior_draw"],
        "generation_distance": distances.get("mixture"),
        "active_dimensions": evaluation["latent"]["active_dimensions"],
        "noise_to_signal": evaluation["latent"]["noise_to_signal"]["median"],
        "rate": evaluation["latent"]["rate"],
    }


def departures(results: Results) -> tuple[str, ...]:
    """Say in what the runs differ from the paper's, and on what machine they ran."""
    plain, first = Configuration(), results.records[0].configuration
    seeds = sorted({record.configuration.seed for record in results.records})
    notes = []
    if first.epochs != plain.epochs:
        notes.append(f"{first.epochs} of the paper's {plain.epochs} epochs")
    if first.limit_train is not None:
        notes.append(f"the first {first.limit_train:,} training images")
    if first.lr != plain.lr:
        notes.append(f"learning rate {first.lr:g} in place of {plain.lr:g}")
    if first.batch_size != plain.batch_size:
        notes.append(f"batches of {first.batch_size} in place of {plain.batch_size}")
    found = [f"Scaled down: {', '.join(notes)}."] if notes else []
    found += [f"{note[0].upper()}{note[1:]}." for note in _data_notes(results)]
    found.append(
        f"{_counted(len(seeds), 'seed')} ({', '.join(map(str, seeds))}); mean ± standard deviation over seeds."
    )
    found += _feature_notes(results)
    found += [f"Failed and left out: {failure.name} ({failure.reason})" for failure in results.failures]
    return (*found, *_machines(results))


def _data_notes(results: Results) -> list[str]:
    return list(dict.fromkeys(r.evaluation["note"] for r in results.records if r.evaluation.get("note")))


def _feature_notes(results: Results) -> list[str]:
    """Say what the distance is, for every data set."""
    if results.features == "none":
        return ["Without a Fréchet distance (--features none)."]
    by_dataset = {r.configuration.dataset: r.evaluation["features"] for r in results.records}
    notes = []
    if results.features == "classifier":
        accuracies = ", ".join(f"{name} {found['holdout_accuracy']:.2%}" for name, found in by_dataset.items())
        notes.append(
            "The Fréchet distance is one of the features of a small classifier, trained on the data set's own labels "
            f"(accuracy on hold-out images: {accuracies}): no FID, and not comparable with the paper's."
        )
    else:
        notes.append("The Fréchet distance is the FID, with pytorch-fid's network.")
    return notes + list(dict.fromkeys(found["warning"] for found in by_dataset.values() if found["warning"]))


def _machines(results: Results) -> list[str]:
    machines = {
        f"{e['device_name']}, {_counted(e['threads'], 'thread')}, torch {e['packages']['torch']}"
        for e in (record.environment for record in results.records)
    }
    seconds = sum(record.seconds for record in results.records)
    return [f"Trained on {machine}." for machine in sorted(machines)] + [
        f"{_counted(len(results.records), 'run')}, {seconds / 60:.0f} minutes of training."
    ]


# --- Tables 1 and 2 --------------------------------------------------------------------------------------------------


def _paper_table(results: Results) -> Report:
    measurements = [_measurement(record) for record in results.records]
    found = comparison.compare(measurements, _available(measurements))
    lines = [(*cell, model) for cell in _in_order(results) for model in ("vae", "evae")]
    distance = "FID" if results.features == "inception" else "distance"
    tables = (
        Table(
            f"Table {results.table}: the paper's figures beside ours",
            ("data set", "d_z", "model", "FID, paper", f"{distance}, ours", "sharpness, paper", "sharpness, ours"),
            tuple(_beside_published(found.summaries, *line) for line in lines),
            words=3,
        ),
        Table(
            "What the paper does not report",
            ("data set", "d_z", "model", "error (nats)", f"{distance} of new images", "active", "noise / signal"),
            tuple(_unpublished(found.summaries, *line) for line in lines),
            words=3,
        ),
    )
    document = {"comparison": found.document()}
    return Report(f"Table {results.table}", departures(results), tables, found.paragraphs, document)


Summaries = Mapping[comparison.Group, comparison.Summary]


def _beside_published(summaries: Summaries, dataset: str, latent_dim: int, model: str) -> tuple[str, ...]:
    """Return a line with the paper's figures, each before ours."""
    paper = _published(dataset, latent_dim)
    line = [dataset, str(latent_dim), model.upper()]
    for metric in Metric:
        score = None if paper is None else getattr(paper, model).value(metric)
        ours = "frechet_distance" if metric is Metric.FID else "sharpness"
        line += [ABSENT if score is None else str(score), _figure(summaries, dataset, latent_dim, model, ours)]
    return tuple(line)


def _unpublished(summaries: Summaries, dataset: str, latent_dim: int, model: str) -> tuple[str, ...]:
    metrics = ("reconstruction_error", "generation_distance", "active_dimensions", "noise_to_signal")
    figures = (_figure(summaries, dataset, latent_dim, model, metric) for metric in metrics)
    return (dataset, str(latent_dim), model.upper(), *figures)


def _figure(summaries: Summaries, dataset: str, latent_dim: int, model: str, metric: str) -> str:
    return _shown(summaries.get(comparison.Group(dataset, latent_dim, model, metric)), metric)


def _available(measurements: Sequence[Measurement]) -> list[Criterion]:
    """Return the criteria that some run was measured by."""
    return [c for c in CRITERIA if any(m.values.get(c.metric) is not None for m in measurements)]


def _measurement(record: RunRecord) -> Measurement:
    config = record.configuration
    return Measurement(config.dataset, config.latent_dim, record.label, config.seed, measured(record))


def _in_order(results: Results) -> list[tuple[str, int]]:
    """Return data sets with latent dimensions in the order of the plan."""
    return list(dict.fromkeys((r.configuration.dataset, r.configuration.latent_dim) for r in results.records))


def _published(dataset: str, latent_dim: int) -> Experiment | None:
    try:
        return published_experiment(dataset, latent_dim)
    except InputError:
        return None


# --- The ablation ----------------------------------------------------------------------------------------------------


def _ablation(results: Results) -> Report:
    tables: list[Table] = []
    paragraphs: list[str] = []
    documents = []
    for dataset, latent_dim in _in_order(results):
        records = results.where(dataset=dataset, latent_dim=latent_dim)
        place = f"{dataset}, d_z = {latent_dim}"
        tables += [
            *_model_tables(records, place),
            _factors_table(records, f"Reconstruction error in nats by kernel and objective ({place})"),
            _curve_table(records, f"Reconstruction against rate as the weight of the regularisation varies ({place})"),
        ]
        found = _attribution(records)
        paragraphs += [f"{place}: {text}" for text in found["paragraphs"]]
        documents.append({"dataset": dataset, "latent_dim": latent_dim, **found})
    return Report("Ablation", departures(results), tuple(tables), tuple(paragraphs), {"ablations": documents})


def _model_tables(records: Sequence[RunRecord], place: str) -> list[Table]:
    """Lay out every model but those that are only points of a curve: their images, and their codes."""
    shown = [
        r for r in records if factors_of(r.recipe) or curve_of(r.recipe) is None or r.label == r.configuration.model
    ]
    images = ("reconstruction_error", "frechet_distance", "sharpness", "generation_distance")
    codes = ("active_dimensions", "noise_to_signal", "rate")
    return [
        Table(
            title,
            ("model", *heads),
            tuple((label, *(_shown(s[m], m) for m in metrics)) for label, s in _by_label(shown)),
        )
        for title, heads, metrics in (
            (f"The models ({place})", ("error (nats)", "distance", "sharpness", "distance of new images"), images),
            (f"Their codes ({place})", ("active dimensions", "noise / signal", "rate (nats)"), codes),
        )
    ]


def _by_label(records: Iterable[RunRecord]) -> Iterable[tuple[str, dict[str, comparison.Summary | None]]]:
    """Return the summary of every metric over seeds, by model in the order of the plan."""
    records = list(records)
    summaries = summarise([_measurement(record) for record in records])
    for label in dict.fromkeys(record.label for record in records):
        cell = next((r.configuration.dataset, r.configuration.latent_dim) for r in records if r.label == label)
        yield label, {metric: summaries.get(comparison.Group(*cell, label, metric)) for metric in _DECIMALS}


def _factors_table(records: Sequence[RunRecord], title: str) -> Table:
    labels = {factors_of(record.recipe): record.label for record in records}
    summaries = dict(_by_label(records))
    rows = []
    for kernel in FACTOR_KERNELS:
        cells = [summaries.get(labels.get((kernel, objective), ""), {}) for objective in FACTOR_OBJECTIVES]
        rows.append((kernel, *(_shown(cell.get("reconstruction_error"), "reconstruction_error") for cell in cells)))
    return Table(title, ("kernel", *FACTOR_OBJECTIVES), tuple(rows))


def _curve_table(records: Sequence[RunRecord], title: str) -> Table:
    """Lay out the points of the curves, from little to much regularisation."""
    summaries = dict(_by_label(records))
    places = {record.label: found for record in records if (found := curve_of(record.recipe)) is not None}
    ordered = sorted(places, key=lambda label: (CURVES.index(places[label][0]), places[label][1]))
    rows = []
    for label in ordered:
        model, beta = places[label]
        metrics = ("rate", "noise_to_signal", "reconstruction_error")
        rows.append((model, f"{beta:g}", *(_shown(summaries[label][metric], metric) for metric in metrics)))
    return Table(title, ("model", "weight", "rate (nats)", "noise / signal", "error (nats)"), tuple(rows))


#: Of what the ablation says whose merit it is, with its unit.
_ATTRIBUTED = ((ERROR, "nats"), (DISTANCE, ""), (SHARPNESS, ""))


def _attribution(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return how much of EVAE's gain is the kernel's and how much the objective's, in words and figures."""
    paragraphs, found = [], {}
    for criterion, unit in _ATTRIBUTED:
        trials = [
            variance.Trial(*cell, record.configuration.seed, value)
            for record in records
            if (cell := factors_of(record.recipe)) is not None
            and (value := measured(record)[criterion.metric]) is not None
        ]
        try:
            split = variance.decompose_gain(trials, lower_is_better=criterion.lower_is_better)
            analysis = variance.two_way(trials)
        except InputError as error:
            paragraphs.append(f"How much of the {criterion} is whose cannot be said: {error}")
            continue
        paragraphs.append(variance.paragraph(str(criterion), unit, split, analysis))
        found[criterion.metric] = {"decomposition": split.document(), "analysis_of_variance": analysis.document()}
    return {"paragraphs": paragraphs, "metrics": found}


# --- Figures ---------------------------------------------------------------------------------------------------------


def _shown(summary: comparison.Summary | None, metric: str) -> str:
    """Write mean ± standard deviation, the mean alone for one seed, or a dash."""
    if summary is None:
        return ABSENT
    decimals = _DECIMALS[metric]
    if decimals is None:
        return f"{summary.mean:.2g}"
    mean = f"{summary.mean:.{decimals}f}"
    return mean if summary.standard_deviation is None else f"{mean} ± {summary.standard_deviation:.{decimals}f}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
