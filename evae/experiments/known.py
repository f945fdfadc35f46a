"""Runs from earlier result files that replace planned runs, which are then neither trained nor evaluated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evae.configuration.configuration import Configuration
from evae.experiments.comparability import (
    TableEntry,
    abbreviated,
    as_option,
    features_of,
    images_of,
    place_of,
    same_figures,
    settings,
)
from evae.experiments.judging import Judge
from evae.experiments.plan import Plan
from evae.experiments.results import Results, RunRecord
from evae.runs.versions import format_versions, package_version
from foundation.errors import InputError
from foundation.typography import format_count


@dataclass(frozen=True)
class Held:
    """A run in a file of results."""

    record: RunRecord
    source: Path


@dataclass(frozen=True)
class Difference:
    """A difference between a known run and the planned one, and a remedy other than leaving its file out."""

    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Known:
    """The known runs of a plan.

    Attributes
    ----------
    runs : mapping of str to Held
        By the name of the planned run that it replaces.
    counts : mapping of Path to pair of int
        For each file, the number of runs used and the number of all its runs.
    """

    runs: Mapping[str, Held]
    counts: Mapping[Path, tuple[int, int]]

    @classmethod
    def of(cls, files: Sequence[str | Path], plan: Plan) -> Known:
        """Read result files and find the runs of a plan in them; other runs are ignored.

        Raises
        ------
        InputError
            If a file cannot be read; if a run in the place of a planned one has other settings, another version or no
            record of its images; or if two files have different figures for one run.
        """
        contents = {path: Results.load(path).records for path in dict.fromkeys(map(Path, files))}
        held: defaultdict[TableEntry, list[Held]] = defaultdict(list)
        for path, records in contents.items():
            for record in records:
                held[place_of(record.configuration)].append(Held(record, path))
        candidates = {config: found for config in plan.configurations if (found := held.get(place_of(config)))}
        _refuse(
            [(one, list(_differences(one.record, config))) for config, found in candidates.items() for one in found]
        )
        for found in candidates.values():
            _require_same_figures(found)
        used = [one.source for found in candidates.values() for one in found]
        counts = {path: (used.count(path), len(records)) for path, records in contents.items()}
        return cls({config.name or "": found[0] for config, found in candidates.items()}, counts)

    def require_comparable(self, judges: Mapping[str, Judge]) -> None:
        """Raise `InputError` for a run that was trained on other images or evaluated with other features.

        ``judges`` is indexed by data set.
        """
        by_dataset = ((held, judges[held.record.configuration.dataset]) for held in self.runs.values())
        _refuse(
            [
                (held, [*_other_images(held.record, judge), *_other_features(held.record, judge)])
                for held, judge in by_dataset
            ]
        )


def _differences(record: RunRecord, config: Configuration) -> Iterator[Difference]:
    there, wanted = settings(record.configuration), settings(config)
    for name, value in wanted.items():
        if there[name] != value:
            has, wants = as_option(name, there[name]), as_option(name, value)
            yield Difference(f"it was made with {has}, and {wants} is wanted", "Give the options it was made with")
    if record.versions != (package_version(),):
        yield Difference(
            f"it was made by {format_versions(record.versions)} of this program, and this is {package_version()}"
        )
    if not record.data_sha256:
        yield Difference("it does not say on which images it was trained, since an earlier version wrote it down")


def _other_images(record: RunRecord, judge: Judge) -> Iterator[Difference]:
    dataset = record.configuration.dataset
    for split, here in judge.data_sha256.items():
        there = record.data_sha256.get(split, "")
        if there != here:
            yield Difference(
                f"its {images_of(split)} of {dataset} are not those at hand (SHA-256 {abbreviated(there)} there, "
                f"{abbreviated(here)} here)",
                "Point --data-dir at the images it was trained on",
            )


def _other_features(record: RunRecord, judge: Judge) -> Iterator[Difference]:
    name, identity = features_of(record)
    wanted, its_identity = ("none", "") if judge.network is None else (judge.network.name, judge.network.identity)
    if name != wanted:
        yield Difference(
            f"it was evaluated with the features {name}, and {wanted} is wanted", f"Give --features {name}"
        )
    elif identity != its_identity:
        yield Difference(
            f"it was evaluated by another network of the features {name} (identity {abbreviated(identity)} there, "
            f"{abbreviated(its_identity)} here)",
            "Let the machines share the cache folder (XDG_CACHE_HOME), so that they use one network",
        )


def _refuse(found: Sequence[tuple[Held, Sequence[Difference]]]) -> None:
    """Raise `InputError` for the first run that differs from the planned one, with the number of others."""
    refused = [(held, differences) for held, differences in found if differences]
    if not refused:
        return
    held, differences = refused[0]
    others = f" The same is true of {format_count(len(refused) - 1, 'other run')}." if len(refused) > 1 else ""
    leave_out = f"leave --known {held.source} out, and its runs are trained here"
    remedies = [*dict.fromkeys(one.remedy for one in differences if one.remedy), leave_out]
    remedy = ", or ".join(remedies)
    raise InputError(
        f"{held.source}: the run {held.record.name} is not the one that is wanted: "
        f"{'; '.join(one.what for one in differences)}.{others} {remedy[0].upper()}{remedy[1:]}."
    )


def _require_same_figures(found: Sequence[Held]) -> None:
    first, *others = found
    for other in others:
        if not same_figures(first.record, other.record):
            raise InputError(
                f"{first.source} and {other.source} have other figures for the run {first.record.name}. Leave one of "
                "the two out."
            )
