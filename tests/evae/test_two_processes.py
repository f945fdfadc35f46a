"""Two processes at one run, one grid or one cache entry: one waits or is refused in a sentence, and all ends right."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evae import Run
from evae.data import ImageData, load
from evae.data.decoding import Decoder, Framing
from evae.data.sources.image_files import Folder
from foundation.errors import InputError
from tests.evae.training.trainer import Trainer
from tests.support.processes.faults import Faults, complaints


def test_a_run_that_is_trained_cannot_be_resumed_or_evaluated_and_ends_as_it_would_have(
    faults: Faults, mnist_data: Path, trained_whole: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    trainer = Trainer(faults, mnist_data, tmp_path)
    # In the second epoch, when there are weights to evaluate.
    stopped = trainer.train(at_kinds={"synced run/metrics.jsonl": signal.SIGSTOP})
    assert trainer.run.status["state"] == "running"
    for command in (["train", "--resume"], ["evaluate", "--device", "cpu", "--features", "none"]):
        ended = faults.run(*command, trainer.folder)
        assert ended.code == 2
        assert ended.sentence == f"{trainer.folder} is being written by another process. Wait until it ends."
    assert faults.resume(stopped).code == 0
    assert trainer.result == trained_whole[0].result


def test_a_picture_is_sampled_while_the_run_is_evaluated(
    faults: Faults, trained_whole: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    """The one that holds the run removes what killed processes left behind, and not what another is writing."""
    run = shutil.copytree(trained_whole[0].folder, tmp_path / "run")
    part = "half written .samples-prior-seedN.png.N.part"
    stopped = faults.run("sample", run, "--device", "cpu", "--quiet", watched=run, at_kinds={part: signal.SIGSTOP})
    ended = faults.run("evaluate", run, "--device", "cpu", "--features", "none", "--quiet")
    assert ended.code == 0, ended.errors
    ended = faults.resume(stopped)
    assert ended.code == 0, ended.errors
    with Image.open(run / "samples-prior-seed0.png") as picture:
        picture.load()
    assert list(run.glob(".*.part")) == []


def test_two_reproduces_on_one_grid_end_with_every_run_right(faults: Faults, tmp_path: Path) -> None:
    grid = ["reproduce", "--table", "1", "--datasets", "digits", "--latent-dims", "2", "--seeds", "0", "--epochs", "1"]
    grid += ["--limit-train", "40", "--features", "none", "--device", "cpu", "--quiet", "--runs-dir"]
    both, alone = tmp_path / "both", tmp_path / "alone"
    stopped = faults.run(*grid, both, watched=both, at_kinds={"step": signal.SIGSTOP})
    second = faults.run(*grid, both)
    # It does what the first is not at, and says which run it left out.
    assert second.code == 1
    (line,) = complaints(second.errors)
    assert line.startswith("Failed: digits-first40-vae-d2-")
    assert line.endswith("is being written by another process. Wait until it ends.")
    assert faults.resume(stopped).code == 0
    assert faults.run(*grid, alone).code == 0
    for path in alone.glob("*/model.safetensors"):
        assert Run.open(both / path.parent.name).status["state"] == "finished"
        assert (both / path.parent.name / path.name).read_bytes() == path.read_bytes()
        judgement = path.with_name("evaluation.json")
        assert (both / path.parent.name / judgement.name).read_bytes() == judgement.read_bytes()


def pictures(folder: Path, number: int) -> str:
    """Write pictures as folder:DIR wants them."""
    random = np.random.default_rng(0)
    for index in range(number):
        path = folder / ("train" if index else "test") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    return f"folder:{folder}"


def test_two_processes_that_want_one_cache_entry_decode_it_once(faults: Faults, tmp_path: Path) -> None:
    dataset = pictures(tmp_path / "pictures", 5)
    right = load(dataset, tmp_path / "elsewhere")
    data = tmp_path / "data"
    data.mkdir()
    check = ["datasets", "check", dataset, "--data-dir", data]
    stopped = faults.run(*check, watched=data, at_kinds={"half written decoded/.folder-N.npy.N.part": signal.SIGSTOP})
    assert stopped.stopped
    found: list[ImageData] = []
    decodings: list[str] = []
    waiting = threading.Thread(
        target=lambda: found.append(load(dataset, data, progress=lambda what, *_: decodings.append(what)))
    )
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    assert faults.resume(stopped).code == 0
    waiting.join(30)
    assert torch.equal(found[0].train, right.train)
    assert decodings == []


def test_a_clock_that_steps_back_changes_nothing_of_a_run(
    faults: Faults, mnist_data: Path, trained_whole: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    """It steps back by two hours in the first epoch, and again in the process that resumes."""
    trainer = Trainer(faults, mnist_data, tmp_path)
    assert trainer.train(clock=(80, -7200.0), at={160: signal.SIGKILL}).code == -signal.SIGKILL
    assert trainer.train(clock=(10, -7200.0)).code == 0
    assert trainer.result == trained_whole[0].result
    assert all(0 < record.seconds < 3600 for record in trainer.run.records)


def test_a_clock_that_steps_back_leaves_the_cache_right(faults: Faults, tmp_path: Path) -> None:
    dataset = pictures(tmp_path / "pictures", 5)
    right = load(dataset, tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    ended = faults.run(
        "datasets", "check", dataset, "--data-dir", tmp_path / "data", watched=tmp_path / "data", clock=(1, -7200.0)
    )
    assert ended.code == 0
    # Files from before the step, or from after it: an entry does not compare times, it remembers them.
    for picture in (tmp_path / "pictures").rglob("*.png"):
        os.utime(picture, (0, 0))
    assert torch.equal(load(dataset, tmp_path / "data").train, right.train)


@pytest.mark.parametrize("second", ["next", "in the checkpoint", "in its removal", "at its end"])
def test_ctrl_c_twice_ends_a_run_at_once_and_it_resumes_bit_identical(
    faults: Faults, mnist_data: Path, trained_whole: tuple[Trainer, list[str]], tmp_path: Path, second: str
) -> None:
    first = [number for number, moment in enumerate(trained_whole[1], 1) if moment == "step"][3]
    later = first + {"next": 1, "in the checkpoint": 7, "in its removal": 23, "at its end": 26}[second]
    trainer = Trainer(faults, mnist_data, tmp_path)
    ended = trainer.train(at={first: signal.SIGINT, later: signal.SIGINT})
    assert ended.code == 130
    assert ended.sentence.startswith("interrupted by SIGINT; ")
    assert f"--resume {trainer.folder}" in ended.sentence
    assert len(ended.moments) < later + 30
    trainer.require_true_status()
    assert trainer.train().code == 0
    assert trainer.result == trained_whole[0].result


def test_ctrl_c_twice_ends_a_grid_at_once_and_it_resumes(faults: Faults, tmp_path: Path) -> None:
    grid = ["reproduce", "--table", "1", "--datasets", "digits", "--latent-dims", "2", "--seeds", "0", "--epochs", "1"]
    grid += ["--limit-train", "40", "--features", "none", "--device", "cpu", "--quiet", "--runs-dir", str(tmp_path)]
    ended = faults.run(
        *grid, watched=tmp_path, at_kinds={"step": signal.SIGINT, "renamed .": 0}, at={70: signal.SIGINT}
    )
    assert ended.code == 130
    assert ended.sentence.startswith("interrupted by SIGINT; ")
    assert ended.sentence.endswith("of the 2 runs are finished. Repeat the command to resume.")
    assert faults.run(*grid).code == 0


@pytest.mark.parametrize("seconds", [0, 0.5], ids=["at work", "in the middle of its answer"])
def test_a_killed_process_of_the_decoding_is_one_sentence(seconds: float, tmp_path: Path) -> None:
    """Some batches have come, others are under way. An answer does not fit into a pipe, and waits to be read."""
    pictures(tmp_path, 600)
    files = Folder(tmp_path)
    names = files.scan(frozenset((".png",))).names
    batches = Decoder(files, names, Framing(32, 3), lambda *_: None, workers=2).batches()
    assert len(next(batches)) == 128
    child = multiprocessing.active_children()[0]
    assert child.pid is not None
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(InputError, match="a process that decodes images died: it was killed"):
        list(batches)
    assert multiprocessing.active_children() == []
