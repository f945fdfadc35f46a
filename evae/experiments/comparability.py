"""The settings, images and features that runs must share for their figures to compare, and words for a difference."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from evae.configuration.configuration import Configuration
from evae.configuration.options import INDIFFERENT, flag
from evae.configuration.recipe import RECIPE_FIELDS
from evae.experiments.results import RunRecord


class TableEntry(NamedTuple):
    """Where a run stands in a table, in which no two runs have the same place."""

    dataset: str
    model: str
    latent_dim: int
    seed: int


def place_of(config: Configuration) -> TableEntry:
    """Return the place of a run; its model is named by the label."""
    return TableEntry(config.dataset, config.label, config.latent_dim, config.seed)


def settings(config: Configuration) -> dict[str, Any]:
    """Return by name all that decides a run apart from its place, the options of its model completed."""
    apart = INDIFFERENT | RECIPE_FIELDS | set(TableEntry._fields)
    shared = {name: value for name, value in dataclasses.asdict(config).items() if name not in apart}
    return {**shared, **model_settings(config)}


def model_settings(config: Configuration) -> dict[str, Any]:
    """Return the part of `settings` that makes the model what it is."""
    return dataclasses.asdict(config.recipe)


def same_figures(one: RunRecord, other: RunRecord) -> bool:
    """Tell if two runs came to the same in every number of their curves and judgements."""
    return one.curve == other.curve and one.evaluation == other.evaluation


def features_of(record: RunRecord) -> tuple[str, str]:
    """Return the name and the identity of the features in which a run was judged; ``none`` has no identity."""
    described = record.evaluation["features"]
    return ("none", "") if described is None else (str(described.get("name")), str(described.get("identity")))


def as_option(name: str, value: Any) -> str:
    """Write a setting as the option that asks for it.

    Examples
    --------
    >>> as_option("limit_train", 100), as_option("limit_train", None), as_option("deterministic", True)
    ('--limit-train 100', 'no --limit-train', '--deterministic')
    """
    if value is None or value is False:
        return f"no {flag(name)}"
    return flag(name) if value is True else f"{flag(name)} {value}"


def images_of(split: str) -> str:
    """Return what the images of a split are called."""
    return {"train": "training images", "holdout": "hold-out images"}.get(split, f"{split} images")


def abbreviated(digest: str) -> str:
    """Write the beginning of a digest, which tells two apart."""
    return f"{digest[:12]}…" if len(digest) > 12 else digest or "none"
