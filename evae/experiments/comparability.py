"""The settings, images and features that runs must share to be comparable, and descriptions of differences."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from evae.configuration.configuration import Configuration
from evae.configuration.options import INDIFFERENT, flag
from evae.configuration.recipe import RECIPE_FIELDS
from evae.experiments.results import RunRecord


class TableEntry(NamedTuple):
    """The place of a run in a table, in which no two runs have the same place."""

    dataset: str
    model: str
    latent_dim: int
    seed: int


def place_of(config: Configuration) -> TableEntry:
    """Return the place of a run, with the label of its model."""
    return TableEntry(config.dataset, config.label, config.latent_dim, config.seed)


def settings(config: Configuration) -> dict[str, Any]:
    """Return, by name, all settings that affect a run apart from its place, with the model's options completed."""
    apart = INDIFFERENT | RECIPE_FIELDS | set(TableEntry._fields)
    shared = {name: value for name, value in dataclasses.asdict(config).items() if name not in apart}
    return {**shared, **model_settings(config)}


def model_settings(config: Configuration) -> dict[str, Any]:
    """Return the part of `settings` that defines the model."""
    return dataclasses.asdict(config.recipe)


def same_figures(one: RunRecord, other: RunRecord) -> bool:
    """Return whether all numbers in the curves and evaluations of two runs are equal."""
    return one.curve == other.curve and one.evaluation == other.evaluation


def features_of(record: RunRecord) -> tuple[str, str]:
    """Return the name and the identity of the features that a run was evaluated with; ``none`` has no identity."""
    described = record.evaluation["features"]
    return ("none", "") if described is None else (str(described.get("name")), str(described.get("identity")))


def as_option(name: str, value: Any) -> str:
    """Format a setting as a command-line option.

    Examples
    --------
    >>> as_option("limit_train", 100), as_option("limit_train", None), as_option("deterministic", True)
    ('--limit-train 100', 'no --limit-train', '--deterministic')
    """
    if value is None or value is False:
        return f"no {flag(name)}"
    return flag(name) if value is True else f"{flag(name)} {value}"


def images_of(split: str) -> str:
    """Return the name of the images of a split."""
    return {"train": "training images", "holdout": "hold-out images"}.get(split, f"{split} images")


def abbreviated(digest: str) -> str:
    """Return the beginning of a digest, enough to tell two apart."""
    return f"{digest[:12]}…" if len(digest) > 12 else digest or "none"
