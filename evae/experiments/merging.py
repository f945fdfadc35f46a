"""The merging of result files of one table from several machines, with a report of every conflict."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from evae.configuration.options import flag
from evae.experiments.comparability import (
    TableEntry,
    features_of,
    images_of,
    model_settings,
    place_of,
    same_figures,
    settings,
)
from evae.experiments.plan import DATASETS, known_models
from evae.experiments.results import Results, RunRecord
from evae.experiments.statistics.wording import listed
from evae.runs.versions import format_versions
from foundation.errors import InputError
from foundation.typography import format_count


@dataclass(frozen=True)
class Merged:
    """The merged results of several files.

    Attributes
    ----------
    results : Results
        Every run once, in an order that does not depend on that of the files.
    repeated : int
        Number of runs that are in more than one file, with the same figures.
    files : int
    """

    results: Results
    repeated: int
    files: int

    @property
    def sentence(self) -> str:
        """The numbers of runs and files, in words."""
        words = f"{format_count(len(self.results.records), 'run')} from {format_count(self.files, 'file')}"
        repeated = f"; {self.repeated} of them were in more than one, with the same figures" if self.repeated else ""
        return f"{words}{repeated}."


def merged_files(paths: Sequence[Path]) -> Merged:
    """Read result files and merge them as `merged` does; a file that is named twice counts once."""
    return merged({str(path): Results.load(path) for path in paths})


def merged(files: Mapping[str, Results]) -> Merged:
    """Merge the results of one table.

    The operation is commutative and associative. A run that failed or is unfinished in one file and finished in another
    is finished.

    Parameters
    ----------
    files : mapping of str to Results
        At least one, by the names used in messages.

    Raises
    ------
    InputError
        If they differ in table, version, features, images or settings, or do not record one of these, or have
        different figures for one run. The message names every conflict.
    """
    conflicts = [*_conflicts(files)]
    if conflicts:
        number = "a conflict" if len(conflicts) == 1 else f"{len(conflicts)} conflicts"
        raise InputError(
            f"the results cannot be merged, because of {number}: {'; '.join(conflicts)}. Leave out the files that do "
            "not belong together, or make their runs again."
        )
    found: defaultdict[TableEntry, list[RunRecord]] = defaultdict(list)
    for results in files.values():
        for record in results.records:
            found[place_of(record.configuration)].append(record)
    # Records with the same figures may differ in time: the choice is deterministic.
    records = [min(several, key=_written) if several[1:] else several[0] for several in found.values()]
    return Merged(_joined(files, records), sum(len(several) > 1 for several in found.values()), len(files))


def _joined(files: Mapping[str, Results], records: list[RunRecord]) -> Results:
    first, models = next(iter(files.values())), [*known_models()]
    finished = {record.name for record in records}
    every = sorted({failure for results in files.values() for failure in results.failures}, key=astuple, reverse=True)
    # The choice among several reasons is deterministic.
    failures = {failure.name: failure for failure in every if failure.name not in finished}
    unfinished = {name for results in files.values() for name in results.unfinished} - finished - set(failures)
    return Results(
        first.table,
        first.features,
        tuple(sorted(records, key=lambda record: _order(record, DATASETS[first.table], models))),
        tuple(sorted(failures.values(), key=astuple)),
        tuple(sorted(unfinished)),
    )


def _order(record: RunRecord, datasets: Sequence[str], models: Sequence[str]) -> tuple[Any, ...]:
    """Return the sort key of the plan's order: data set, those of the table first, then seed, dimension, model."""
    place = place_of(record.configuration)
    dataset = datasets.index(place.dataset) if place.dataset in datasets else len(datasets)
    model = models.index(place.model) if place.model in models else len(models)
    return dataset, place.dataset, place.seed, place.latent_dim, model, place.model


def _written(record: RunRecord) -> str:
    return json.dumps(record.document(), sort_keys=True)


# --- Conflicts -------------------------------------------------------------------------------------------------------


def _conflicts(files: Mapping[str, Results]) -> Iterator[str]:
    facts: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, results in files.items():
        for what, value in _facts(results):
            facts[what].append((value, name))
    for what, values in facts.items():
        yield from _differing(what, values)
    yield from _undecided(files)
    yield from _differing_figures(files)


def _facts(results: Results) -> Iterator[tuple[str, str]]:
    """Yield the facts in which all files must agree, as pairs of a name and a value."""
    yield "the table", results.table
    yield "--features", results.features
    for record in results.records:
        config, place = record.configuration, place_of(record.configuration)
        of_model = model_settings(config)
        yield "the version of this program", format_versions(record.versions)
        for option, value in settings(config).items():
            whose = f" of {place.model}" if option in of_model else ""
            # User-supplied images have a side that is chosen for each data set.
            whose = f" on {place.dataset}" if option == "image_size" else whose
            yield f"{flag(option)}{whose}", "none" if value is None else str(value)
        for split, digest in record.data_sha256.items():
            yield f"the SHA-256 of the {images_of(split)} of {place.dataset}", digest
        network, identity = features_of(record)
        yield f"the network of features on {place.dataset}", f"{network} {identity}".strip()


def _differing(what: str, values: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a sentence on which files have which value, if a value that should be common differs."""
    files: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for value, name in values:
        files[value][name] = None
    if len(files) > 1:
        yield f"{what} differs: {', '.join(f'{value} in {listed([*names])}' for value, names in files.items())}"


def _undecided(files: Mapping[str, Results]) -> Iterator[str]:
    """Yield the files and runs that record too little to be compared, or were made by several versions."""
    for name, results in files.items():
        silent = [record.name for record in results.records if not record.data_sha256]
        if silent:
            runs = format_count(len(silent), "run")
            yield (
                f"{name} does not say on which images it made {runs}, of which the first is {silent[0]}: an earlier "
                "version wrote it"
            )
        mixed = [record for record in results.records if len(record.versions) > 1]
        yield from (f"{record.name} in {name} was made by {format_versions(record.versions)}" for record in mixed)


def _differing_figures(files: Mapping[str, Results]) -> Iterator[str]:
    """Yield the runs that have different figures in two files, or in two places of one file."""
    first: dict[TableEntry, tuple[str, RunRecord]] = {}
    runs: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for name, results in files.items():
        for record in results.records:
            other, its_record = first.setdefault(place_of(record.configuration), (name, record))
            if not same_figures(its_record, record):
                runs[other, name][record.name] = None
    for (one, other), names in runs.items():
        where = f"{one} and {other} have" if one != other else f"{one} has"
        yield f"{where} other figures for {listed([*names])}"
