"""A disk that is full, cannot be written or loses a folder is one sentence, and costs nothing that was saved before."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from evae import Run
from evae.data import load
from tests.evae.training.trainer import Trainer
from tests.support.processes.faults import Faults, complaints

GRID = ["--table", "1", "--datasets", "digits", "--latent-dims", "2", "--seeds", "0", "--epochs", "1", "--quiet"]

GRID += ["--limit-train", "40", "--features", "none", "--device", "cpu", "--runs-dir"]

#: Room for everything.
PLENTY = 2**26


@pytest.fixture
def disk(mounting_faults: Faults, tmp_path: Path) -> Iterator[Path]:
    """A folder with a separate file system, of a page; `Faults.mount` changes the size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting_faults.mount(folder, 4096)
    yield folder
    mounting_faults.unmount(folder)


@pytest.mark.parametrize("kilobytes", [4, 20, 52, 164, 260, 332, 372])
def test_a_full_disk_stops_a_run_which_resumes_bit_identical_when_there_is_room(
    mounting_faults: Faults,
    mnist_data: Path,
    trained_whole: tuple[Trainer, list[str]],
    disk: Path,
    kilobytes: int,
) -> None:
    """The whole run takes about 380 kB: each size is too small for another of its files."""
    mounting_faults.mount(disk, 1024 * kilobytes, again=True)
    trainer = Trainer(mounting_faults, mnist_data, disk)
    ended = trainer.train()
    assert ended.code == 2
    assert "No space left on device" in ended.sentence
    if trainer.begun:
        status = trainer.run.status
        assert status["state"] in ("failed", "interrupted")
        assert status["epochs_finished"] in (len(trainer.run.metrics), len(trainer.run.metrics) - 1)
    mounting_faults.mount(disk, PLENTY, again=True)
    ended = trainer.train()
    assert ended.code == 0, ended.errors
    assert trainer.result == trained_whole[0].result


def test_a_grid_on_a_full_disk_names_what_failed_and_does_the_rest_when_there_is_room(
    mounting_faults: Faults, disk: Path
) -> None:
    for kilobytes in (40, 400):
        mounting_faults.mount(disk, 1024 * kilobytes, again=True)
        ended = mounting_faults.run("reproduce", *GRID, disk)
        assert ended.code in (1, 2), ended.errors
        assert "No space left on device" in ended.errors
        assert "Traceback" not in ended.errors
    mounting_faults.mount(disk, PLENTY, again=True)
    ended = mounting_faults.run("reproduce", *GRID, disk)
    assert ended.code == 0, ended.errors
    runs = [Run.open(path.parent) for path in mounting_faults.seen(disk).glob("*/config.json")]
    assert [run.status["state"] for run in runs] == ["finished"] * 2
    assert len(list(mounting_faults.seen(disk).glob("table-1/[!.]*"))) >= 4


def archive(folder: Path, images: int) -> tuple[str, torch.Tensor]:
    """Write some images as folder:DIR wants them."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
    for number, one in enumerate(pixels):
        path = folder / ("train" if number else "test") / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(path)
    return f"folder:{folder}", torch.from_numpy(pixels[1:]).movedim(3, 1)


def test_a_full_disk_leaves_no_half_decoded_images(mounting_faults: Faults, disk: Path, tmp_path: Path) -> None:
    dataset, pixels = archive(tmp_path / "pictures", 9)
    check = ["datasets", "check", dataset, "--data-dir", disk, "--quiet"]
    mounting_faults.mount(disk, 2**20, again=True)
    ended = mounting_faults.run(*check)
    assert ended.code == 1
    (folder,) = mounting_faults.seen(disk).iterdir()
    assert {path.suffix for path in folder.iterdir()} == {".lock"}
    mounting_faults.mount(disk, PLENTY, again=True)
    assert mounting_faults.run(*check).code == 0
    assert torch.equal(load(dataset, mounting_faults.seen(disk)).train, pixels)


@pytest.mark.parametrize("size", [300, 20_000])
def test_a_quota_that_nobody_told_of_leaves_no_half_decoded_images(faults: Faults, tmp_path: Path, size: int) -> None:
    """The free space is large, yet no file may grow beyond the size."""
    dataset, pixels = archive(tmp_path / "pictures", 9)
    arguments = ["--quiet", "--device", "cpu", "--runs-dir", tmp_path / "runs", "--data-dir", tmp_path]
    ended = faults.run("train", "--dataset", dataset, *arguments, file_size=size)
    assert ended.code == 2
    assert ended.sentence == f"the decoded images cannot be written to {tmp_path / 'decoded'}: File too large."
    assert {path.suffix for path in (tmp_path / "decoded").iterdir()} == {".lock"}
    assert not (tmp_path / "runs").exists()
    assert torch.equal(load(dataset, tmp_path).train, pixels)


def test_where_nothing_can_be_written_each_command_says_so_and_changes_nothing(
    mounting_faults: Faults, trained_whole: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    run = shutil.copytree(trained_whole[0].folder, folder / "run")
    dataset, _ = archive(folder / "pictures", 3)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    mounting_faults.make_read_only(folder)
    judging = ["--features", "none", "--device", "cpu"]
    arguments = ["--device", "cpu", "--epochs", "1", "--quiet"]
    try:
        for command, name in {
            ("train", *arguments, "--runs-dir", folder): folder,
            ("train", *arguments, "--runs-dir", folder / "new"): folder / "new",
            ("train", "--resume", run, "--epochs", "3"): run,
            ("evaluate", run, *judging): run,
            ("sample", run, "--device", "cpu"): run / "samples-prior-seed0.png",
            ("datasets", "list", "--json", folder / "list.json"): folder / "list.json",
            ("reproduce", *GRID, folder): folder,
        }.items():
            ended = mounting_faults.run(*command)
            assert ended.code == 2, command
            assert str(name) in ended.sentence
            assert "Read-only file system" in ended.sentence
        # What can be done all the same is done: decoded images go to the user's own cache, a picture elsewhere.
        assert mounting_faults.run("datasets", "check", dataset, "--data-dir", folder).code == 0
        assert mounting_faults.run("sample", run, "--device", "cpu", "--output", tmp_path / "new.png").code == 0
    finally:
        mounting_faults.unmount(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_run_whose_folder_is_removed_says_so_and_is_not_made_again_in_part(
    faults: Faults, mnist_data: Path, tmp_path: Path
) -> None:
    trainer = Trainer(faults, mnist_data, tmp_path)
    stopped = trainer.train(at_kinds={"step": signal.SIGSTOP})
    shutil.rmtree(trainer.folder)
    ended = faults.resume(stopped)
    assert ended.code == 2
    assert ended.sentence == f"the folder {trainer.folder} was removed while its run was trained. Begin a new run."
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_grid_whose_folder_is_removed_lists_the_run_that_was_lost_and_makes_the_others_whole(
    faults: Faults, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    stopped = faults.run("reproduce", *GRID, runs, watched=runs, at_kinds={"step": signal.SIGSTOP})
    shutil.rmtree(runs)
    ended = faults.resume(stopped)
    assert ended.code == 1
    (line,) = complaints(ended.errors)
    assert line.endswith("was removed while its run was trained. Begin a new run.")
    (run,) = (Run.open(path.parent) for path in runs.glob("*/config.json"))
    assert run.status["state"] == "finished"
    assert faults.run("reproduce", *GRID, runs).code == 0


def test_an_evaluated_run_whose_folder_is_removed_is_not_made_again(
    faults: Faults, trained_whole: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    run = shutil.copytree(trained_whole[0].folder, tmp_path / "run")
    command = ["evaluate", run, "--features", "none", "--device", "cpu", "--quiet"]
    stopped = faults.run(*command, watched=run, at={1: signal.SIGSTOP})
    shutil.rmtree(run)
    ended = faults.resume(stopped)
    assert ended.code == 2
    assert str(run) in ended.sentence
    assert not run.exists()
