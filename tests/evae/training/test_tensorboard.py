"""TensorBoard reads what a run wrote, also after the run was stopped and resumed."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG, parse_session_start_info_plugin_data

from evae import Run, train
from evae.runs.epoch_record import EpochRecord
from evae.training.group import TrainingInterrupted
from evae.training.tensorboard import Curves, make_mosaic
from evae.training.train import resume
from tests.evae.conftest import small
from tests.evae.training.test_resume import Stopping


def events(run: Run) -> Any:
    accumulator = EventAccumulator(str(run.path / "tensorboard"), size_guidance={"images": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def test_every_number_of_the_log_is_a_curve(trained: dict[str, Run]) -> None:
    found = events(trained["evae"])
    (record,) = trained["evae"].records
    expected = dict(record.scalars())
    assert (
        {
            *("train/loss", "train/reconstruction", "train/kernel_penalty", "holdout/loss", "holdout/reconstruction"),
            *("holdout/kernel_penalty", "holdout/reconstruction_at_mean", "latent/mean_r", "latent/mean_B"),
            *("latent/noise_to_signal_min", "latent/noise_to_signal_median", "latent/noise_to_signal_max"),
            *("latent/active_dimensions", "latent/rate", "speed/images_per_second"),
        }
        == set(expected)
        == set(found.Tags()["scalars"])
    )
    for tag, value in expected.items():
        (event,) = found.Scalars(tag)
        assert event.step == 1
        assert event.value == pytest.approx(value, rel=1e-6)


def test_the_options_of_a_run_are_its_hyperparameters(trained: dict[str, Run]) -> None:
    """As TensorBoard's tab reads them: the model's own options completed, folders and the device left out."""
    for model, run in trained.items():
        written = events(run).SummaryMetadata(SESSION_START_INFO_TAG)
        content = parse_session_start_info_plugin_data(written.plugin_data.content)
        options = {name: getattr(value, value.WhichOneof("kind")) for name, value in content.hparams.items()}
        assert options["model"] == model
        assert (options["lr"], options["latent_dim"], options["deterministic"]) == (1e-3, 4, False)
        assert options["objective"] == {"vae": "elbo", "evae": "kde-bound"}[model]
        assert not {"data_dir", "device", "name", "keep"} & set(options)
        assert content.group_name == run.name


def test_the_picture_shows_hold_out_images_over_their_reconstructions(trained: dict[str, Run]) -> None:
    (event,) = events(trained["evae"]).Images("reconstructions")
    picture = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    assert picture.shape == (3 * 32, 12 * 32) == (event.height, event.width)
    assert picture[:32].max() == 255


def test_a_mosaic_has_each_image_in_its_place() -> None:
    rows = [torch.full((2, 3, 4, 4), value, dtype=torch.uint8) for value in (10, 20)]
    rows[1][1] = 30
    picture = make_mosaic(rows)
    assert picture.shape == (3, 8, 8)
    assert [int(picture[0, y, x]) for y, x in ((0, 0), (0, 7), (7, 0), (7, 7))] == [10, 10, 20, 30]


def test_a_colour_picture_is_one(tmp_path: Path) -> None:
    record = EpochRecord(1, {}, {}, 1.0)
    red = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    red[:, 0] = 255
    with Curves(tmp_path, 0) as curves:
        curves.write(record, [red])
    (event,) = events(Run(tmp_path)).Images("reconstructions")
    assert np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))[2, 2].tolist() == [255, 0, 0]


def test_after_a_resume_no_step_is_there_twice(tmp_path: Path) -> None:
    with pytest.raises(TrainingInterrupted) as caught:
        train(small(tmp_path, name="run", limit_train=60, epochs=2, batch_size=30), Stopping(2, 1))
    run = caught.value.run
    # As if the epoch had been logged and the process killed before its checkpoint.
    with Curves(run.path, 1) as curves:
        lost = dataclasses.replace(run.records[0], epoch=2, images_per_second=-1.0)
        curves.write(lost, [torch.zeros(1, 1, 4, 4).byte()])
    with (run.path / "tensorboard" / "events.out.tfevents.000002").open("ab") as stream:
        stream.write(b"torn")
    resume(run)
    found = events(run)
    assert [event.step for event in found.Images("reconstructions")] == [1, 2]
    for tag in found.Tags()["scalars"]:
        assert [event.step for event in found.Scalars(tag)] == [1, 2]
    assert [event.value for event in found.Scalars("holdout/loss")] == pytest.approx(
        [record.holdout["loss"] for record in run.records], rel=1e-6
    )
    assert all(event.value > 0 for event in found.Scalars("speed/images_per_second"))
