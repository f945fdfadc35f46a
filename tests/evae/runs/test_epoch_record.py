"""The record of an epoch: a line of the log read back is the line that was written, and a damaged one is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from evae import Run
from evae.runs.epoch_record import EpochRecord, LatentSummary, NoiseToSignal
from foundation.errors import InputError

LINE: dict[str, Any] = {
    "epoch": 3,
    "train": {"loss": 12.5, "reconstruction": 10.0, "kl": 2.5},
    "holdout": {"loss": 13.5, "reconstruction": 11.0, "kl": 2.5, "reconstruction_at_mean": 10.5},
    "latent": {
        "mean_sigma": 0.5,
        "noise_to_signal": {"min": 0.25, "median": 4.0, "max": None},
        "active_dimensions": 2,
        "rate": 1.5,
    },
    "seconds": 2.0,
    "images_per_second": 50.0,
}


@pytest.mark.parametrize("model", ["vae", "evae"])
def test_a_record_writes_the_line_that_it_was_read_from_to_the_byte(trained: dict[str, Run], model: str) -> None:
    run = trained[model]
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.dumps(record.document()) for record in run.records] == lines
    assert run.metrics == [json.loads(line) for line in lines]


def test_a_record_has_what_the_line_says() -> None:
    record = EpochRecord.read(LINE)
    assert record == EpochRecord(
        epoch=3,
        train={"loss": 12.5, "reconstruction": 10.0, "kl": 2.5},
        holdout={"loss": 13.5, "reconstruction": 11.0, "kl": 2.5, "reconstruction_at_mean": 10.5},
        seconds=2.0,
        latent=LatentSummary({"sigma": 0.5}, NoiseToSignal(0.25, 4.0, None), active_dimensions=2, rate=1.5),
        images_per_second=50.0,
    )
    assert (record.reconstruction, record.reconstruction_at_mean, record.penalties) == (11.0, 10.5, ("kl",))
    assert list(record.document()) == list(LINE)
    assert record.document() == LINE


def test_the_curves_are_all_numbers_of_the_record_but_an_infinite_ratio() -> None:
    assert list(EpochRecord.read(LINE).scalars()) == [
        ("train/loss", 12.5),
        ("train/reconstruction", 10.0),
        ("train/kl", 2.5),
        ("holdout/loss", 13.5),
        ("holdout/reconstruction", 11.0),
        ("holdout/kl", 2.5),
        ("holdout/reconstruction_at_mean", 10.5),
        ("latent/mean_sigma", 0.5),
        ("latent/noise_to_signal_min", 0.25),
        ("latent/noise_to_signal_median", 4.0),
        ("latent/active_dimensions", 2.0),
        ("latent/rate", 1.5),
        ("speed/images_per_second", 50.0),
    ]


@pytest.mark.parametrize("absent", [{"latent"}, {"images_per_second"}, {"latent", "images_per_second"}])
def test_a_line_of_an_early_version_is_read_and_written_as_it_was(absent: set[str]) -> None:
    line = {name: value for name, value in LINE.items() if name not in absent}
    record = EpochRecord.read(line)
    assert record.document() == line
    assert all(value is not None for _, value in record.scalars())


@pytest.mark.parametrize(
    "damage",
    [
        {"epoch": 1.5},
        {"epoch": -1},
        {"train": None},
        {"train": {"loss": "12.5"}},
        {"holdout": {}},
        {"holdout": {"reconstruction": None}},
        {"holdout": {"reconstruction": 11.0, "kl": {"mean": 2.5}}},
        {"seconds": "2"},
        {"latent": []},
        {"latent": {"mean_r": "0.5"}},
        {"latent": {"noise_to_signal": {"min": 0.0}}},
        {"latent": {"active_dimensions": -1}},
        {"images_per_second": None},
    ],
    ids=str,
)
def test_a_damaged_line_is_refused_by_its_number(damage: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(f"{json.dumps(LINE)}\n{json.dumps({**LINE, **damage})}\n")
    with pytest.raises(InputError, match=r"metrics\.jsonl is damaged: line 2 is not the record of an epoch\."):
        _ = Run(tmp_path).records


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("latent", "mean_sigma"),
        (None, "seconds"),
        (None, "images_per_second"),
    ],
)
def test_a_number_that_cannot_be_negative_is_refused_if_it_is(part: str | None, name: str) -> None:
    line = copy.deepcopy(LINE)
    (line if part is None else line[part])[name] = -1
    with pytest.raises(ValueError, match="record of an epoch"):
        EpochRecord.read(line)


@pytest.mark.parametrize("quantile", ["min", "median", "max"])
def test_a_negative_ratio_of_variances_is_refused(quantile: str) -> None:
    line = copy.deepcopy(LINE)
    line["latent"]["noise_to_signal"][quantile] = -1
    with pytest.raises(ValueError, match="record of an epoch"):
        EpochRecord.read(line)
