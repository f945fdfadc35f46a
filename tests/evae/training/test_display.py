"""Training prints terms that add up, and a line a minute where there is no terminal."""

from __future__ import annotations

import io
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evae.configuration.configuration import Configuration
from evae.experiments.display import GridDisplay
from evae.runs.epoch_record import EpochRecord, LatentSummary
from evae.training.display import TrainingDisplay
from evae.training.progress import Progress
from foundation.minute_line import INTERVAL, MinuteLine


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def progress(batch: int = 3) -> Progress:
    sums = torch.tensor([[[1000.0, 20.0]]] * 5, dtype=torch.float64)
    return Progress(1, 2, 5, ("reconstruction", "kl"), sums, batch=batch, images=10 * batch, seen=10 * batch)


@given(
    reconstruction=st.floats(0, 1e5),
    kl=st.floats(-1e4, 1e4),
    runs=st.integers(1, 3),
)
def test_the_printed_terms_add_up_to_the_printed_loss(reconstruction: float, kl: float, runs: int) -> None:
    terms = {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
    record = EpochRecord(1, terms, terms, 2.0, LatentSummary(active_dimensions=2), images_per_second=5.0)
    console = Console(width=300, record=True, file=io.StringIO())
    TrainingDisplay(console, bar=None).on_epoch_end(dict(enumerate([record] * runs)))
    (loss, first, second), _ = re.findall(
        r"(-?[\d.]+)(?: ± [\d.]+)? = reconstruction (-?[\d.]+) \+ kl (-?[\d.]+)", console.export_text()
    )
    assert round(100 * float(loss)) == round(100 * float(first)) + round(100 * float(second))
    assert float(loss) == pytest.approx(terms["loss"], abs=0.0101)
    assert all(len(number.partition(".")[2]) == 2 for number in (loss, first, second))


def test_a_line_comes_once_a_minute_and_is_not_made_before() -> None:
    said: list[str] = []
    made: list[float] = []
    clock = Clock()
    line = MinuteLine(said.append, clock)

    def sentence() -> str:
        made.append(clock.seconds)
        return f"at {clock.seconds:.0f}"

    for _ in range(400):
        clock.seconds += 1
        line(sentence)
    assert said == ["at 60", "at 120", "at 180", "at 240", "at 300", "at 360"]
    assert made == [60, 120, 180, 240, 300, 360]


def test_what_is_said_otherwise_postpones_the_line() -> None:
    said: list[str] = []
    clock = Clock()
    line = MinuteLine(said.append, clock)
    for _ in range(10):
        clock.seconds += 0.9 * INTERVAL
        line.restart()
        line(lambda: "never")
    assert said == []


def test_training_without_a_terminal_prints_where_it_is_once_a_minute() -> None:
    said: list[str] = []
    clock = Clock()
    display = TrainingDisplay(Console(quiet=True), bar=None, minute_line=MinuteLine(said.append, clock))
    for batch in range(1, 6):
        clock.seconds += 0.4 * INTERVAL
        display.on_batch_end(progress(batch))
    assert [re.sub(r"[\d,]+ images/s", "N images/s", line) for line in said] == [
        "epoch 1/2  102.00 = reconstruction 100.00 + kl 2.00  N images/s, batch 3 of 5"
    ]


def test_a_table_without_a_terminal_prints_which_run_is_where_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("foundation.minute_line.INTERVAL", 0.0)
    callback = GridDisplay(Console(file=None)).on_run_start(2, 16, Configuration(name="mnist-evae"))
    callback.on_batch_end(progress())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(" 2/16 mnist-evae: epoch 1/2  102.00 = reconstruction 100.00 + kl 2.00")


def test_a_cluster_without_a_terminal_counts_its_epochs_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("foundation.minute_line.INTERVAL", 0.0)
    display = GridDisplay(Console(file=None))
    display.on_runs_submitted(2, 100)
    for epoch in (1, 2):
        display.on_worker_epoch_end("mnist-vae", epoch)
    assert capsys.readouterr().err.splitlines() == [
        "1 of 100 epochs; the last is epoch 1 of mnist-vae",
        "2 of 100 epochs; the last is epoch 2 of mnist-vae",
    ]
