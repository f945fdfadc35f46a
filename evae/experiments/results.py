"""What came of the runs of a table: one record a run, in a JSON file from which every figure is computed anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evae.configuration.configuration import Configuration
from evae.configuration.options import WITHOUT_EFFECT
from evae.configuration.recipe import Recipe
from evae.experiments.plan import TABLES
from evae.runs.run import Run
from evae.runs.versions import versions_of
from foundation import validation as forms
from foundation.errors import InputError
from foundation.files import read_json, write_json

#: Changes whenever the file's form does. A file of version 1 says neither on which images its runs were trained nor
#: which runs were planned.
VERSION = 2
READABLE = (1, VERSION)

_NUMBER = forms.either(forms.number, forms.nothing)
_TEXT = forms.either(forms.text, forms.nothing)

#: What is compared of a run, as `evae.evaluation.evaluate` writes it.
EVALUATION = forms.record(
    {
        "note": _TEXT,
        "reconstruction_error": forms.record({"one_posterior_draw": forms.number}, {"untrained": forms.number}),
        "sharpness": forms.record({"one_posterior_draw": forms.number}, {"training_images": forms.number}),
        "frechet_distance": forms.either(forms.nothing, forms.mapping(_NUMBER)),
        "features": forms.either(
            forms.nothing,
            forms.record(
                {"warning": _TEXT}, {"choice": _TEXT, "holdout_accuracy": forms.number, "resolution": forms.whole}
            ),
        ),
        "latent": forms.record(
            {"active_dimensions": forms.number, "noise_to_signal": forms.record({"median": _NUMBER}), "rate": _NUMBER}
        ),
    }
)

#: What `evae.experiments.reports.departures` says of the machine, and the versions that trained the run.
_MACHINE = forms.record(
    {"device_name": forms.text, "threads": forms.whole, "packages": forms.record({"torch": forms.text})},
    {
        "packages": forms.mapping(forms.text),
        "earlier": forms.listed(forms.record({}, {"packages": forms.mapping(forms.text)})),
    },
)

#: What the evaluations hold by the features of the table.
_JUDGED = {
    "none": forms.record({"features": forms.nothing, "frechet_distance": forms.nothing}),
    "inception": forms.record({"features": forms.record({}), "frechet_distance": forms.record({})}),
    "imagenet": forms.record(
        {"features": forms.record({"resolution": forms.whole}), "frechet_distance": forms.record({})}
    ),
    "classifier": forms.record(
        {"features": forms.record({"holdout_accuracy": forms.number}), "frechet_distance": forms.record({})}
    ),
}

_RUN = forms.record(
    {
        "name": forms.text,
        "configuration": forms.record({}),
        "seconds": forms.number,
        "curve": forms.listed(forms.number),
        "evaluation": EVALUATION,
        "environment": _MACHINE,
    },
    {"data_sha256": forms.mapping(forms.text)},
)
_FAILURE = forms.record({"name": forms.text, "reason": forms.text})
_RESULTS = forms.record(
    {
        "table": forms.one_of(*TABLES),
        "features": forms.one_of(*_JUDGED),
        "runs": forms.listed(_RUN),
        "failures": forms.listed(_FAILURE),
    },
    {"unfinished": forms.listed(forms.text)},
)


@dataclass(frozen=True)
class RunRecord:
    """A run that was trained and judged.

    Attributes
    ----------
    name : str
        The run folder's.
    configuration : Configuration
    seconds : float
        What the training took, without the judging.
    curve : tuple of float
        The hold-out reconstruction error after each epoch, from one posterior draw, in nats per image.
    evaluation : dict
        What `evae.evaluation.evaluate` found.
    environment : dict
        Versions, device and threads it was trained with.
    data_sha256 : mapping of str to str
        SHA-256 of the images it was trained and judged on, by split (`evae.data.images.fingerprint`); empty where that
        is not known, as in a file of version 1.
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
        """Gather what a finished run says of itself."""
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
        """What the model is called."""
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
        """Read what `document` wrote."""
        plain = dataclasses.asdict(Configuration())
        configuration = Configuration.from_dict({**plain, **document["configuration"]}, source)
        fields = {field.name: document[field.name] for field in dataclasses.fields(cls) if field.name in document}
        return cls(**{**fields, "configuration": configuration, "curve": tuple(document["curve"])})


@dataclass(frozen=True)
class Failure:
    """A run that could not be trained or judged, and why, in a sentence."""

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
        Names of the runs that were planned and neither finished nor failed, because the grid was stopped.
    """

    table: str
    features: str
    records: tuple[RunRecord, ...]
    failures: tuple[Failure, ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def planned(self) -> int:
        """The number of runs that were asked for."""
        return len(self.records) + len(self.failures) + len(self.unfinished)

    def document(self) -> dict[str, Any]:
        """Return the file's content: the records, and nothing that follows from them."""
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
        """Write the JSON file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, self.document())

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read what `save` wrote, by this version or an earlier one.

        Raises
        ------
        InputError
            If the file is missing, damaged or another's.
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


def _is_whole(document: dict[str, Any]) -> bool:
    """Tell if a document has all that its version should have, and its numbers agree."""
    if not _RESULTS(document):
        return False
    judged = _JUDGED[document["features"]]
    if not all(judged(record["evaluation"]) for record in document["runs"]):
        return False
    if document["version"] == 1:
        return True
    if "unfinished" not in document or not all("data_sha256" in record for record in document["runs"]):
        return False
    finished = len(document["runs"])
    planned = finished + len(document["failures"]) + len(document["unfinished"])
    return (document.get("finished"), document.get("planned")) == (finished, planned)
