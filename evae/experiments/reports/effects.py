"""The table of effects: what EVAE gains over VAE, which change accounts for it, and what it gains over an autoencoder.

Every row is a mean of differences that are paired by seed, with its 95 % interval and its p-value, neither adjusted for
the number of rows. The text of the ablation has the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evae.experiments.reports.attribution import Amounts, Attribution
from evae.experiments.reports.tables import Table
from evae.experiments.results import RunRecord
from evae.experiments.statistics.decomposition import Decomposition
from evae.experiments.statistics.digits import common_digits
from evae.experiments.statistics.estimates import Estimate
from evae.experiments.statistics.measurements import (
    ABSENT,
    DISTANCE,
    ERROR,
    GENERATION,
    SHARPNESS,
    Criterion,
    measurement,
)
from evae.experiments.statistics.paired_differences import paired_differences
from evae.experiments.statistics.wording import format_p, show_interval

#: The parts of a decomposition, as the rows name them.
_PARTS = {
    "gain": "EVAE instead of VAE",
    "kernel": "of this, the kernel",
    "objective": "of this, the objective",
    "interaction": "interaction of both",
}

#: In the order of the rows.
_CRITERIA = (ERROR, DISTANCE, SHARPNESS, GENERATION)

Row = tuple[str, str, str, str, str]


def effects_table(
    records: Sequence[RunRecord], attributions: Mapping[str, Attribution], at_equal_rate: Estimate | None, place: str
) -> Table:
    """Lay out the effects in one data set and dimension; a gain is positive where EVAE is better.

    Parameters
    ----------
    records : sequence of RunRecord
        Of one data set and dimension.
    attributions : mapping of str to Attribution
        By the name of the metric.
    at_equal_rate : Estimate, optional
        The gain in reconstruction error at equal rate.
    place : str
        The data set and the dimension, for the title.
    """
    rows: list[Row] = []
    for criterion in _CRITERIA:
        attribution = attributions.get(criterion.metric)
        if attribution is not None and attribution.split is not None:
            rows += _part_rows(criterion, attribution.split)
        else:
            rows += _paired_rows(records, criterion, "vae", _PARTS["gain"])
        if criterion is ERROR and at_equal_rate is not None:
            rows.append(_row(criterion, "EVAE instead of VAE, at equal rate", at_equal_rate))
        rows += _paired_rows(records, criterion, "ae", "EVAE instead of a plain autoencoder")
    columns = ("metric", "effect", "gain", "95 % interval", "p")
    return Table(f"Effects, as gains: positive where EVAE is better ({place})", columns, tuple(rows), words=2)


def _part_rows(criterion: Criterion, split: Decomposition) -> Iterator[Row]:
    amounts = Amounts.of(split)
    for part, words in _PARTS.items():
        amount, found = getattr(amounts, part), getattr(split, part)
        yield _title(criterion), words, amount.mean, amount.interval or ABSENT, _probability(found)


def _paired_rows(records: Sequence[RunRecord], criterion: Criterion, baseline: str, effect: str) -> Iterator[Row]:
    for found in paired_differences(map(measurement, records), criterion, "evae", baseline):
        yield _row(criterion, effect, found.estimate)


def _row(criterion: Criterion, effect: str, found: Estimate) -> Row:
    digits = common_digits([found.mean, *(found.interval or ())])
    interval = show_interval(found, digits) or ABSENT
    return _title(criterion), effect, digits.show(found.mean), interval, _probability(found)


def _title(criterion: Criterion) -> str:
    return f"{criterion} (nats)" if criterion is ERROR else str(criterion)


def _probability(found: Estimate) -> str:
    return ABSENT if found.p_value is None else format_p(found.p_value)
