"""A run with --keep holds the weights of its best epoch, however often it was stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evae import VAE, Callback, Run, data, evaluate, resume, train
from evae.configuration.hold_out import METRICS
from evae.data import ImageData
from evae.runs.epoch_record import EpochRecord, LatentSummary
from evae.runs.weights import BestWeights
from evae.training.group import TrainingInterrupted
from foundation.errors import InputError
from tests.evae.conftest import refusal, small
from tests.evae.training.test_resume import OFTEN, Stopping, result
from tests.support.examples import examples


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of a run whose best epoch is neither its first nor its last."""
    path = tmp_path_factory.mktemp("digits") / "few.npz"
    images = data.load("digits")
    np.savez(path, train_images=images.train[:28, 0].numpy(), test_images=images.holdout[:20, 0].numpy())
    place = {"dataset": f"npz:{path}", "data_dir": str(path.parent), "limit_train": None, "checkpoint_minutes": OFTEN}
    return {**place, "batch_size": 12, "epochs": 5, "lr": 0.03, "keep": "best:active_dimensions", "name": "run"}


class Watching(Callback):
    """Notes the weights after each epoch."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Tensor]] = []

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        (self.model,), self.data, self.run = models, data, runs[0]

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        assert set(records) == {0}
        self.weights.append({name: tensor.clone() for name, tensor in self.model.state_dict().items()})


@pytest.fixture(scope="module")
def kept(keeping: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[dict[str, Tensor]]]:
    watching = Watching()
    return train(small(tmp_path_factory.mktemp("kept"), **keeping), watching), watching.weights


def best(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.path / "best").iterdir()}


def test_the_best_weights_are_those_after_the_first_of_the_best_epochs(
    kept: tuple[Run, list[dict[str, Tensor]]],
) -> None:
    run, weights = kept
    found = [record.latent.active_dimensions or 0 for record in run.records]
    epoch = found.index(max(found)) + 1
    assert 1 < epoch < 5
    assert run.weights_file().epoch == run.weights_file("best").epoch == epoch
    assert run.weights_file("last").epoch == run.weights_epoch == 5
    for which, number in ((None, epoch), ("best", epoch), ("last", 5)):
        state = VAE.load(run, weights=which).state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in weights[number - 1].items())


@pytest.mark.parametrize(("epoch", "batch"), [(1, 2), (3, 3), (5, 1)])
def test_a_stopped_run_keeps_the_same(
    kept: tuple[Run, object], keeping: dict[str, Any], tmp_path: Path, epoch: int, batch: int
) -> None:
    with pytest.raises(TrainingInterrupted) as caught:
        train(small(tmp_path, **keeping), Stopping(epoch, batch))
    run = resume(caught.value.run)
    assert result(run) == result(kept[0])
    assert best(run) == best(kept[0])


def test_a_run_that_lost_its_last_epochs_has_the_best_of_those_before(kept: tuple[Run, object], tmp_path: Path) -> None:
    """As a damaged checkpoint makes it do: the one before the newest is resumed from."""
    run = Run(tmp_path / "run")
    shutil.copytree(kept[0].path, run.path)
    first, last = sorted((run.path / "checkpoints").iterdir())
    shutil.rmtree(last)
    for path in (run.path / "best").iterdir():
        # What a later epoch left must not be taken.
        shutil.copyfile(path, path.with_name("epoch-00009.safetensors"))
    again = resume(run)
    assert first.name < last.name
    assert best(again) == best(kept[0])


@given(values=st.lists(st.integers(0, 4), min_size=1, max_size=10), data=st.data())
@settings(max_examples=examples(40))
def test_what_a_checkpoint_may_need_is_never_discarded(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], data: st.DataObject
) -> None:
    """Epochs with a checkpoint now and then, of which the last two are kept, as the run's folder has them."""
    folder = tmp_path_factory.mktemp("run")
    weights = BestWeights(folder / "best", METRICS["active_dimensions"])
    records, checkpoints = [], [0]
    for epoch, value in enumerate(values, 1):
        records.append(EpochRecord(epoch, {}, {}, 1.0, LatentSummary(active_dimensions=value)))
        weights.update({"epoch": torch.tensor(epoch)}, records)
        weights.discard_others(records, checkpoints)
        if data.draw(st.booleans()):
            checkpoints = [*checkpoints, epoch][-2:]
    for epochs in {*checkpoints, len(values)} - {0}:
        expected = 1 + int(np.argmax(values[:epochs]))
        tensors, found = weights.file(expected).read()
        assert found == int(tensors["epoch"]) == expected
    assert len(list((folder / "best").iterdir())) <= 3


def test_an_evaluation_says_whose_weights_it_took(kept: tuple[Run, object]) -> None:
    run = kept[0]
    for which, epoch in ((None, run.weights_file().epoch), ("last", 5)):
        assert evaluate(run, features="none", device="cpu", weights=which)["weights_of_epoch"] == epoch
        assert json.loads((run.path / "evaluation.json").read_text())["weights_of_epoch"] == epoch


def test_a_run_that_keeps_none_has_no_best(trained: dict[str, Run], tmp_path: Path) -> None:
    run = trained["vae"]
    assert run.weights_file().path == run.weights_file("last").path == run.weights_path
    sentence = refusal("sample", run.path, "--weights", "best", "--output", tmp_path / "x.png")
    assert sentence.endswith(
        "was trained without --keep, and holds the weights of its last epoch alone. Use --weights last."
    )
    with pytest.raises(InputError, match=r"--weights 'least' is not known\. Did you mean last\?"):
        VAE.load(run, weights="least")
    assert "--keep 'best:los' is not known. Did you mean best:loss?" in refusal("train", "--keep", "best:los")


def test_a_damaged_or_missing_file_is_named(kept: tuple[Run, object], tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    shutil.copytree(kept[0].path, run.path)
    path = run.weights_file("best").path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{path} was altered after .* Use --weights last"):
        VAE.load(run)
    path.unlink()
    with pytest.raises(InputError, match=rf"{path} is missing, the weights of the best epoch\. Use --weights last"):
        VAE.load(run)
    assert VAE.load(run, weights="last")
