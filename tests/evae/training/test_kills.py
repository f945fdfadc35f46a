"""A command that is killed anywhere leaves what it wrote whole, and the same command again ends as if never stopped."""

from __future__ import annotations

import itertools
import random
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evae.data import load
from evae.evaluation.evaluate import PICTURES
from evae.features.store import CacheEntry, load_or_compute
from tests.evae.training.trainer import Trainer
from tests.support.processes.faults import Faults, killed_at_every_kind, kind


@pytest.mark.slow
def test_a_run_killed_at_every_kind_of_boundary_one_after_another_ends_bit_identical(
    faults: Faults, mnist_data: Path, trained_whole: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    """Each process continues to the first kind of boundary at which none before it was killed."""
    reference, moments = trained_whole
    # A checkpoint within an epoch is written file by file as one at its end is.
    killed = sorted({boundary for boundary in map(kind, moments) if "-batch-N.part/" in boundary})
    # Some boundaries are those of a new run alone: a second run, and a third, come to what is left of them.
    for number in itertools.count():
        trainer = Trainer(faults, mnist_data, tmp_path / str(number))
        before = len(killed)
        for boundary in killed_at_every_kind(trainer.train, killed):
            killed.append(boundary)
            trainer.require_true_status()
        assert trainer.result == reference.result
        if len(killed) == before:
            break
    assert {*map(kind, moments), "removed run/checkpoints/.epoch-N.part"} <= set(killed)
    assert {"half written run/metrics.jsonl", "renamed run/status.json", "synced run/checkpoints", "step"} <= set(
        killed
    )


def test_a_run_killed_once_anywhere_ends_bit_identical(
    faults: Faults, mnist_data: Path, trained_whole: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    reference, moments = trained_whole
    for moment in random.Random(0).sample(range(1, len(moments)), 6):
        trainer = Trainer(faults, mnist_data, tmp_path / str(moment))
        assert trainer.train(at={moment: signal.SIGKILL}).code == -signal.SIGKILL
        trainer.require_true_status()
        ended = trainer.train()
        assert ended.code == 0, (moments[moment - 1], ended.errors)
        assert trainer.result == reference.result, moments[moment - 1]


def test_evaluate_killed_at_every_kind_of_boundary_leaves_every_file_whole(
    faults: Faults, trained_whole: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    trained = trained_whole[0].folder
    folders = [shutil.copytree(trained, tmp_path / name / "run") for name in ("whole", "killed")]
    command = ["--device", "cpu", "--features", "none", "--quiet"]
    ended = faults.run("evaluate", folders[0], *command, watched=folders[0])
    assert ended.code == 0, ended.errors
    # The three pictures are written alike.
    spared = [boundary for boundary in map(kind, ended.moments) if re.search("samples|walks", boundary)]
    for _ in killed_at_every_kind(partial(faults.run, "evaluate", folders[1], *command, watched=folders[1]), spared):
        for name in ("evaluation.json", *PICTURES):
            here, whole, before = (folder / name for folder in (folders[1], folders[0], trained))
            assert not here.exists() or here.read_bytes() in {
                whole.read_bytes(),
                before.exists() and before.read_bytes(),
            }
    assert contents(folders[1]) == contents(folders[0])


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder by name, hidden and nested ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_reproduce_killed_at_random_moments_resumes_to_the_results_of_a_grid_never_killed(
    faults: Faults, tmp_path: Path
) -> None:
    grid = ["--table", "1", "--datasets", "digits", "--latent-dims", "2", "--seeds", "0", "--epochs", "2", "--quiet"]
    grid += ["--limit-train", "40", "--batch-size", "20", "--features", "none", "--device", "cpu"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ended = faults.run("reproduce", *grid, "--runs-dir", whole, watched=tmp_path)
    assert ended.code == 0, ended.errors
    choose = random.Random(1)
    for _ in range(5):
        moment = choose.randrange(1, len(ended.moments) // 2)
        stopped = faults.run("reproduce", *grid, "--runs-dir", killed, watched=tmp_path, at={moment: signal.SIGKILL})
        assert stopped.code in (0, -signal.SIGKILL), stopped.errors
    # Also among the files of the results, of which each is whole or not there.
    results = killed / "table-1"
    stopped = faults.run("reproduce", *grid, "--runs-dir", killed, watched=results, at={9: signal.SIGKILL})
    assert stopped.code == -signal.SIGKILL, stopped.errors
    for path in results.glob("[!.]*"):
        there = whole / "table-1" / path.name
        assert timeless(path.name, path.read_bytes()) == timeless(path.name, there.read_bytes())
    assert faults.run("reproduce", *grid, "--runs-dir", killed).code == 0
    # When a checkpoint is worth its time depends on the clock, and every process has separate curves.
    found, expected = (
        {
            name: timeless(name, content)
            for name, content in contents(folder).items()
            if not re.search("checkpoints/|tensorboard/", name)
        }
        for folder in (killed, whole)
    )
    assert found == expected


def timeless(name: str, content: bytes) -> object:
    """What a file of a grid holds, but for how long it took and where it was."""
    if name.endswith((".png", ".safetensors")):
        return content
    text = re.sub(r'("?(seconds|images_per_second|runs_dir)"?): ?[^,}\n]+', "", content.decode())
    return re.sub(r",[\d.e+-]+\n", "\n", text) if name.endswith("csv") else text


def test_the_data_cache_killed_anywhere_gives_right_pixels_the_next_time(faults: Faults, tmp_path: Path) -> None:
    random_numbers = np.random.default_rng(0)
    for number in range(6):
        picture = tmp_path / "pictures" / ("train", "test")[number % 2] / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random_numbers.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(picture)
    dataset, cache = f"folder:{tmp_path / 'pictures'}", tmp_path / "data" / "decoded"
    (tmp_path / "data").mkdir()
    right = load(dataset, tmp_path / "elsewhere")
    check = partial(
        faults.run, "datasets", "check", dataset, "--data-dir", tmp_path / "data", watched=tmp_path / "data"
    )
    killed = []
    for boundary in killed_at_every_kind(check):
        killed.append(boundary)
        for _ in range(2):
            found = load(dataset, tmp_path / "data")
            assert torch.equal(found.train, right.train)
            assert torch.equal(found.holdout, right.holdout)
        assert {path.suffix for path in cache.iterdir()} == {".npy", ".json", ".lock"}
    assert {"renamed", "half", "written", "synced", "removed", "made"} <= {boundary.split()[0] for boundary in killed}


def keep_an_entry(folder: str) -> None:
    """Look an entry of the features' store up, or make it; run in a process that is killed."""
    entry = load_or_compute(Path(folder), "key", lambda: CacheEntry({"tensor": torch.arange(1000.0)}, {"images": 7}))
    assert torch.equal(entry.tensors["tensor"], torch.arange(1000.0))
    assert entry.facts == {"images": 7}


def test_the_features_store_killed_anywhere_is_whole_or_made_again(faults: Faults, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    boundaries = list(killed_at_every_kind(partial(faults.call, keep_an_entry, folder, watched=folder)))
    assert {"half written .key.safetensors.N.part", "renamed key.safetensors"} <= set(boundaries)
    keep_an_entry(str(folder))
    assert {path.name for path in folder.iterdir()} == {"key.safetensors", "key.lock"}
