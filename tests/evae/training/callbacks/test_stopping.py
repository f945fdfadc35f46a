"""A callback that ends training leaves finished runs, each at the epoch at which it would stop alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evae
from evae import Callback, Callbacks, EarlyStopping, Run, StopTraining, data, resume, train, train_seeds
from evae.configuration.hold_out import METRICS
from evae.exceptions import ResumeWarning
from evae.runs.epoch_record import EpochRecord, LatentSummary
from evae.training.callbacks.combination import StopRecorder
from evae.training.group import TrainingInterrupted
from evae.training.progress import Progress
from foundation.errors import InputError
from tests.evae.conftest import small
from tests.evae.training.test_resume import Stopping, result

#: Three batches an epoch, the last of them short.
SETTINGS = {"batch_size": 12, "epochs": 4, "latent_dim": 4, "limit_train": None}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings with 28 digits to train on and 20 held out."""
    path = tmp_path_factory.mktemp("digits") / "few.npz"
    images = data.load("digits")
    np.savez(path, train_images=images.train[:28, 0].numpy(), test_images=images.holdout[:20, 0].numpy())
    return {**SETTINGS, "dataset": f"npz:{path}", "data_dir": str(path.parent)}


class Script(Callback):
    """Notes the hooks, and stops in one of them, when it is called for the ``when``-th time."""

    def __init__(self, hook: str = "", when: int = 1, runs: Sequence[int] | None = None) -> None:
        self.hook, self.when, self.runs = hook, when, runs
        self.called: list[str] = []
        self.ended: list[dict[str, Any]] = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._stopping(name, found) if name.startswith("on_") else found

    def _stopping(self, name: str, found: Any) -> Any:
        def call(*arguments: Any) -> None:
            self.called.append(name)
            found(*arguments)
            if name == self.hook and self.called.count(name) == self.when:
                raise StopTraining("enough", self.runs)

        return call

    def on_end(self, runs: Sequence[Run]) -> None:
        self.ended = [run.status for run in runs]


@pytest.mark.parametrize(
    ("hook", "when", "epochs"),
    [("on_epoch_end", 2, 2), ("on_batch_end", 4, 2), ("on_batch_end", 1, 1), ("on_start", 1, 1)],
)
def test_a_stop_in_any_hook_finishes_the_run_after_the_epoch_in_progress(
    digits: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str, when: int, epochs: int
) -> None:
    # Epochs are as short as those after which no checkpoint is written.
    monkeypatch.setattr("evae.training.checkpointing.CHECKPOINT_SHARE", 0.0)
    whole = train(small(tmp_path / "whole", name="run", **{**digits, "epochs": epochs}))
    script = Script(hook, when)
    run = train(small(tmp_path, name="run", **digits), script)
    assert run.status == {"state": "finished", "epochs_finished": epochs, "reason": "enough"}
    assert script.ended == [run.status]
    assert script.called.count("on_epoch_end") == epochs
    # The same weights, records and picture as of a run with so many epochs.
    assert result(run)[:3] == result(whole)[:3]
    assert run.checkpoints.epochs() == [0, epochs]


def test_a_run_that_was_stopped_resumes_as_one_that_never_was(digits: dict[str, Any], tmp_path: Path) -> None:
    whole = train(small(tmp_path / "whole", name="run", **digits))
    run = resume(train(small(tmp_path, name="run", **digits), Script("on_epoch_end", 1)))
    assert result(run) == result(whole)


@pytest.mark.parametrize("error", [ValueError("of mine"), KeyboardInterrupt()])
def test_on_end_comes_also_after_a_failure_and_with_the_status(
    digits: dict[str, Any], tmp_path: Path, error: BaseException
) -> None:
    class Failing(Callback):
        def on_batch_end(self, progress: Progress) -> None:
            assert progress.batch == 1
            raise error

    script = Script()
    with pytest.raises((ValueError, TrainingInterrupted)):
        train(small(tmp_path, **digits), [script, Failing()])
    assert [status["state"] for status in script.ended] == [
        "failed" if isinstance(error, ValueError) else "interrupted"
    ]


def test_on_end_does_not_come_before_a_start(tmp_path: Path) -> None:
    script = Script()
    with pytest.raises(InputError):
        train(small(tmp_path, dataset="mnist", data_dir=str(tmp_path)), script)
    assert script.called == []


def test_one_of_several_seeds_stops_by_itself(digits: dict[str, Any], tmp_path: Path) -> None:
    together = train_seeds(small(tmp_path / "all", name="run", **digits), (0, 5))
    script = Script("on_epoch_end", 2, runs=[1])
    runs = train_seeds(small(tmp_path, name="run", **digits), (0, 5), script)
    assert [run.status["epochs_finished"] for run in runs] == [4, 2]
    assert [run.status.get("reason") for run in runs] == [None, "enough"]
    assert result(runs[0]) == result(together[0])
    assert [record.holdout for record in runs[1].records] == [record.holdout for record in together[1].records[:2]]
    with pytest.warns(ResumeWarning, match="a number of seeds at once of 2"):
        assert resume(runs[1]).status == {"state": "finished", "epochs_finished": 4}


def test_a_run_that_is_not_there_cannot_be_stopped(digits: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="StopTraining must name runs from 0 to 0, their indices, got 3"):
        train(small(tmp_path, **digits), Script("on_epoch_end", runs=[3]))


def record(loss: float, active: int = 0) -> EpochRecord:
    terms = {"loss": loss, "reconstruction": loss}
    return EpochRecord(1, terms, terms, 1.0, LatentSummary(active_dimensions=active))


@given(
    values=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    patience=st.integers(1, 4),
    delta=st.sampled_from([0.0, 1.0, 2.5]),
    up=st.booleans(),
)
def test_early_stopping_waits_as_a_loop_with_a_counter_does(
    values: list[int], patience: int, delta: float, up: bool
) -> None:
    early = EarlyStopping("active_dimensions" if up else "loss", patience, delta)
    early._values = [[]]
    best, waited, expected, found = (-np.inf if up else np.inf), 0, None, None
    for epoch, value in enumerate(values, 1):
        gained = value > best + delta if up else value < best - delta
        best, waited = (value, 0) if gained else (best, waited + 1)
        if waited >= patience and expected is None:
            expected = epoch
        try:
            early.on_epoch_end({0: record(value, value)})
        except StopTraining as stop:
            found = found or epoch
            assert stop.runs == (0,)
    assert found == expected


def test_early_stopping_stops_every_run_where_it_would_stop_alone_and_where_it_was_interrupted(
    digits: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**digits, "epochs": 30, "lr": 0.03}
    early: dict[str, Any] = {"metric": "active_dimensions", "patience": 2}
    runs = train_seeds(small(tmp_path / "all", name="run", **settings), (0, 1, 2), EarlyStopping(**early))
    ends = [run.status["epochs_finished"] for run in runs]
    assert len(set(ends)) > 1
    assert max(ends) < 30
    alone = train(small(tmp_path, name="run", **settings), EarlyStopping(**early))
    assert alone.status == runs[0].status
    with pytest.raises(TrainingInterrupted) as caught:
        train(small(tmp_path / "cut", name="run", **settings), [Stopping(3, 2), EarlyStopping(**early)])
    run = resume(caught.value.run, EarlyStopping(**early))
    assert result(run) == result(alone)
    # It has met the condition.
    assert result(resume(run, EarlyStopping(**early))) == result(alone)


def test_all_callbacks_see_the_epoch_at_which_one_of_them_stops() -> None:
    first, second = Script("on_epoch_end", runs=[1]), Script("on_epoch_end", runs=[0])
    last = Script()
    with pytest.raises(StopTraining, match=r"^enough$") as caught:
        Callbacks([Callbacks([first, second]), last]).on_epoch_end({})
    assert caught.value.runs == (0, 1)
    assert last.called == ["on_epoch_end"]
    recorder = StopRecorder([first])
    first.called.clear()
    recorder.on_epoch_end({})
    assert (recorder.reason_to_stop(0), recorder.reason_to_stop(1)) == (None, "enough")


def test_every_hook_is_passed_on() -> None:
    hooks = [name for name in dir(Callback) if name.startswith("on_")]
    counts = {name: getattr(Callback, name).__code__.co_argcount - 1 for name in hooks}
    script = Script()
    for name in hooks:
        arguments: list[Any] = [[]] * counts[name]
        getattr(Callbacks([script]), name)(*arguments)
    assert script.called == hooks


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metric": "los"}, "metric 'los' is not known. Did you mean loss?"),
        ({"patience": 0}, "patience must be a whole number of epochs from 1, got 0."),
        ({"min_delta": float("nan")}, "min_delta must be a number from 0, got nan."),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        EarlyStopping(**options)
    assert str(caught.value) == sentence


def test_the_metrics_are_those_of_a_record(trained: Mapping[str, Run]) -> None:
    for found in trained["evae"].records:
        values = {name: found.metric(name) for name in METRICS}
        assert values["loss"] == found.holdout["loss"]
        assert values["reconstruction_at_mean"] == found.reconstruction_at_mean
        assert values["active_dimensions"] == found.latent.active_dimensions
    with pytest.raises(InputError, match="lacks reconstruction_at_mean"):
        record(1.0).metric("reconstruction_at_mean")


def test_the_package_offers_them() -> None:
    assert {"Callback", "Callbacks", "EarlyStopping", "ProgressBar", "StopTraining"} <= set(dir(evae))
