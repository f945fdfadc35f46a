"""The results of a table: one record per run, in a JSON file from which every figure is recomputed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evae.configuration.configuration import Configuration
from evae.configuration.options import PIXELS, WITHOUT_EFFECT
from evae.configuration.recipe import Recipe
from evae.experiments.plan import TABLES
from evae.runs.run import Run
from evae.runs.versions import versions_of
from foundation.errors import InputError
from foundation.files import read_json, write_json
from foundation.validation import (
    is_any_of,
    is_count,
    is_finite_number,
    is_list_of,
    is_mapping_of,
    is_not_negative,
    is_null,
    is_one_of,
    is_positive,
    is_record,
    is_text,
)

#: Changes with the format of the file. A file of version 1 records neither the images its runs were trained on nor
#: which runs were planned.
VERSION = 2
READABLE = (1, VERSION)

_NUMBER = is_any_of(is_finite_number, is_null)
_RATIO = is_any_of(is_not_negative, is_null)
_TEXT = is_any_of(is_text, is_null)

#: The form of the evaluation of a run, as `evae.evaluation.evaluate` writes it; for its errors see `is_evaluation`.
EVALUATION = is_record(
    {
        "note": _TEXT,
        "reconstruction_error": is_record({"one_posterior_draw": is_finite_number}, {"untrained": is_finite_number}),
        "sharpness": is_record({"one_posterior_draw": is_not_negative}, {"training_images": is_not_negative}),
        "frechet_distance": is_any_of(is_null, is_mapping_of(_RATIO)),
        "features": is_any_of(
            is_null,
            is_record(
                {"warning": _TEXT}, {"choice": _TEXT, "holdout_accuracy": is_not_negative, "resolution": is_count}
            ),
        ),
        "latent": is_record(
            {"active_dimensions": is_not_negative, "noise_to_signal": is_record({"median": _RATIO}), "rate": _NUMBER}
        ),
    }
)

#: The machine, as `evae.experiments.reports.departures` describes it, and the versions that trained the run.
_MACHINE = is_record(
    {"device_name": is_text, "threads": is_count, "packages": is_record({"torch": is_text})},
    {
        "packages": is_mapping_of(is_text),
        "earlier": is_list_of(is_record({}, {"packages": is_mapping_of(is_text)})),
    },
)

#: The part of an evaluation that depends on the features of the table.
_JUDGED = {
    "none": is_record({"features": is_null, "frechet_distance": is_null}),
    "inception": is_record({"features": is_record({}), "frechet_distance": is_record({})}),
    "imagenet": is_record({"features": is_record({"resolution": is_count}), "frechet_distance": is_record({})}),
    "classifier": is_record(
        {"features": is_record({"holdout_accuracy": is_not_negative}), "frechet_distance": is_record({})}
    ),
}

_RUN = is_record(
    {
        "name": is_text,
        "configuration": is_record({}),
        "seconds": is_not_negative,
        "curve": is_list_of(is_finite_number),
        "evaluation": EVALUATION,
        "environment": _MACHINE,
    },
    {"data_sha256": is_mapping_of(is_text)},
)
_FAILURE = is_record({"name": is_text, "reason": is_text})
_RESULTS = is_record(
    {
        "table": is_one_of(*TABLES),
        "features": is_one_of(*_JUDGED),
        "runs": is_list_of(_RUN),
        "failures": is_list_of(_FAILURE),
    },
    {"unfinished": is_list_of(is_text)},
)


@dataclass(frozen=True)
class RunRecord:
    """A run that was trained and evaluated.

    Attributes
    ----------
    name : str
        The run folder's.
    configuration : Configuration
    seconds : float
        Duration of training, without the evaluation.
    curve : tuple of float
        The hold-out reconstruction error after each epoch, from one posterior draw, in nats per image.
    evaluation : dict
        The result of `evae.evaluation.evaluate`.
    environment : dict
        Versions, device and threads it was trained with.
    data_sha256 : mapping of str to str
        SHA-256 of the images it was trained and evaluated on, by split (`evae.data.images.fingerprint`); empty if
        unknown, as in a file of version 1.
    """

    name: str
    configuration: Configuration
    seconds: float
    curve: tuple[float, ...]
    evaluation: dict[str, Any]
    environment: dict[str, Any]
    data_sha256: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, evaluation: dict[str, Any]) -> RunRecord:
        """Make the record of a finished run."""
        records = run.records
        if not _MACHINE(run.environment):
            raise InputError(
                f"{run.path / 'environment.json'} is missing or does not say on what machine the run was made."
            )
        return cls(
            run.name,
            run.configuration,
            seconds=sum(record.seconds for record in records),
            curve=tuple(record.reconstruction for record in records),
            evaluation=evaluation,
            environment=run.environment,
            data_sha256=run.data_sha256,
        )

    @property
    def recipe(self) -> Recipe:
        """The posterior with its objective."""
        return self.configuration.recipe

    @property
    def label(self) -> str:
        """The name of the model."""
        return self.configuration.label

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of this package that trained it (`evae.runs.versions.versions_of`)."""
        return versions_of(self.environment)

    def document(self) -> dict[str, Any]:
        """Return the record for a JSON file, without the options that affect nothing."""
        options = dataclasses.asdict(self.configuration)
        configuration = {name: value for name, value in options.items() if name not in WITHOUT_EFFECT}
        return {**dataclasses.asdict(self), "configuration": configuration, "curve": list(self.curve)}

    @classmethod
    def from_document(cls, document: dict[str, Any], source: Path) -> RunRecord:
        """Read the output of `document`."""
        plain = dataclasses.asdict(Configuration())
        configuration = Configuration.from_dict({**plain, **document["configuration"]}, source)
        fields = {field.name: document[field.name] for field in dataclasses.fields(cls) if field.name in document}
        return cls(**{**fields, "configuration": configuration, "curve": tuple(document["curve"])})


@dataclass(frozen=True)
class Failure:
    """A run that could not be trained or evaluated, with the reason in a sentence."""

    name: str
    reason: str


@dataclass(frozen=True)
class Results:
    """All runs of a table.

    Attributes
    ----------
    table : str
        One of `evae.experiments.plan.TABLES`.
    features : str
        One of `evae.features.FEATURES`, or ``none``.
    records : tuple of RunRecord
        In the order of the plan.
    failures : tuple of Failure
    unfinished : tuple of str
        Names of the planned runs that neither finished nor failed, because the grid was stopped.
    """

    table: str
    features: str
    records: tuple[RunRecord, ...]
    failures: tuple[Failure, ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def planned(self) -> int:
        """The number of planned runs."""
        return len(self.records) + len(self.failures) + len(self.unfinished)

    def document(self) -> dict[str, Any]:
        """Return the content of the file: the records, without anything derived from them."""
        return {
            "version": VERSION,
            "table": self.table,
            "features": self.features,
            "finished": len(self.records),
            "planned": self.planned,
            "runs": [record.document() for record in self.records],
            "failures": [dataclasses.asdict(failure) for failure in self.failures],
            "unfinished": list(self.unfinished),
        }

    def save(self, path: Path) -> None:
        """Write the JSON file atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, self.document())

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read a file that `save` wrote, in this version or an earlier one.

        Raises
        ------
        InputError
            If the file is missing, damaged or of another format.
        """
        path = Path(path)
        document = read_json(path)
        if not isinstance(document, dict) or "version" not in document:
            raise InputError(f"{path} holds no results of `reproduce`: 'version' is missing or wrong.")
        if document["version"] not in READABLE:
            raise InputError(
                f"{path} has the form {document['version']}; this program reads {' and '.join(map(str, READABLE))}."
            )
        if not _is_whole(document):
            raise InputError(f"{path} holds no results of `reproduce`: something is missing or wrong.")
        records = tuple(RunRecord.from_document(record, path) for record in document["runs"])
        failures = tuple(Failure(failure["name"], failure["reason"]) for failure in document["failures"])
        return cls(document["table"], document["features"], records, failures, tuple(document.get("unfinished", ())))

    def where(self, **fields: Any) -> Sequence[RunRecord]:
        """Return the records whose configuration has these values."""
        return [
            record
            for record in self.records
            if all(getattr(record.configuration, name) == value for name, value in fields.items())
        ]


def is_evaluation(document: Any, pixels: str) -> bool:
    """Return whether a document is an evaluation of a run with this law of the pixels (`Configuration.pixels`)."""
    if not EVALUATION(document):
        return False
    errors = document["reconstruction_error"]
    return _are_possible([errors[name] for name in ("one_posterior_draw", "untrained") if name in errors], pixels)


def _are_possible(errors: Sequence[float], pixels: str) -> bool:
    """Return whether errors are above 0, as cross-entropies are; those of a density of pixels may be any numbers."""
    return pixels != PIXELS[0] or all(map(is_positive, errors))


def _is_run(record: dict[str, Any]) -> bool:
    """Return whether a record of the form of a run has errors that its law of the pixels can have."""
    pixels = record["configuration"].get("pixels", PIXELS[0])
    return is_evaluation(record["evaluation"], pixels) and _are_possible(record["curve"], pixels)


def _is_whole(document: dict[str, Any]) -> bool:
    """Return whether a document has everything that its version requires, with consistent numbers."""
    if not _RESULTS(document):
        return False
    judged = _JUDGED[document["features"]]
    if not all(judged(record["evaluation"]) and _is_run(record) for record in document["runs"]):
        return False
    if document["version"] == 1:
        return True
    if "unfinished" not in document or not all("data_sha256" in record for record in document["runs"]):
        return False
    finished = len(document["runs"])
    planned = finished + len(document["failures"]) + len(document["unfinished"])
    return (document.get("finished"), document.get("planned")) == (finished, planned)
