"""A checkpoint is whole or absent, and one that is not as it was written is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evae.runs import checkpoints
from evae.runs.checkpoints import Checkpoint, Checkpoints, DamagedCheckpoint, Position, read
from foundation.errors import InputError
from tests.support.examples import examples


def checkpoint(epochs_finished: int, batches: int = 0) -> Checkpoint:
    random = torch.Generator().manual_seed(epochs_finished)
    return Checkpoint(
        Position(epochs_finished, batches, 10 * epochs_finished + batches, 1.5, "cpu"),
        weights={"layer.weight": torch.randn(3, 4, generator=random), "layer.count": torch.tensor(7)},
        optimizer={"exp_avg.layer.weight": torch.randn(3, 4, generator=random)},
        epoch=within_an_epoch(batches, random) if batches else {},
    )


def within_an_epoch(batches: int, random: torch.Generator) -> dict[str, torch.Tensor]:
    sums = torch.ones(batches, 2, dtype=torch.float64)
    return {"noise": random.get_state(), "sums": sums, "images": torch.tensor(100 * batches)}


def same(first: Checkpoint, second: Checkpoint) -> bool:
    groups = [(getattr(first, group), getattr(second, group)) for group in checkpoints.GROUPS]
    return first.position == second.position and all(
        old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old) for old, new in groups
    )


@pytest.fixture
def folder(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def names(folder: Checkpoints) -> set[str]:
    return {path.name for path in folder.folder.iterdir()}


def test_a_checkpoint_comes_back_to_the_bit(folder: Checkpoints) -> None:
    written = checkpoint(2, batches=3)
    folder.write(written)
    found, damage = folder.newest()
    assert found is not None
    assert same(found, written)
    assert damage == []


def test_the_last_two_are_kept_in_the_order_of_training(folder: Checkpoints) -> None:
    for position in [(0, 0), (0, 5), (0, 12), (1, 0), (1, 3)]:
        folder.write(checkpoint(*position))
    assert names(folder) == {"epoch-00001", "epoch-00002-batch-000003"}
    found, _ = folder.newest()
    assert str(found.position if found else None) == "epoch 2, batch 3"


def test_what_is_newer_than_a_new_checkpoint_was_not_resumed_from(folder: Checkpoints) -> None:
    folder.write(checkpoint(4))
    folder.write(checkpoint(5))
    (folder.folder / "epoch-00005" / "manifest.json").unlink()
    folder.write(checkpoint(4, batches=1))
    assert names(folder) == {"epoch-00004", "epoch-00005-batch-000001"}


def test_a_damaged_checkpoint_of_the_same_position_is_replaced(folder: Checkpoints) -> None:
    folder.write(checkpoint(1))
    (folder.folder / "epoch-00001" / "manifest.json").unlink()
    folder.write(checkpoint(1))
    assert same(read(folder.folder / "epoch-00001"), checkpoint(1))


def test_without_a_folder_there_is_no_checkpoint(folder: Checkpoints) -> None:
    assert folder.newest() == (None, [])


@pytest.mark.parametrize(
    ("file", "damage", "sentence"),
    [
        ("weights.safetensors", lambda content: content[:-1], r"is cut short \(\d+ of \d+ bytes\)\."),
        ("weights.safetensors", lambda content: content + b"x", r"is too long"),
        ("optimizer.safetensors", lambda content: content[:-1] + bytes([content[-1] ^ 1]), "was altered: its SHA-256"),
        ("manifest.json", lambda content: content[:20], "is cut short or damaged: it is not a manifest"),
        ("manifest.json", lambda _: b"[]", "is cut short or damaged: it is not a manifest"),
        (
            "manifest.json",
            lambda content: content.replace(b'"step": 30', b'"step": 31'),
            "was altered: its SHA-256 does not match its content",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_the_checkpoint_before_it_taken(
    folder: Checkpoints, file: str, damage: Callable[[bytes], bytes], sentence: str
) -> None:
    folder.write(checkpoint(2))
    folder.write(checkpoint(3))
    path = folder.folder / "epoch-00003" / file
    path.write_bytes(damage(path.read_bytes()))
    found, (error,) = folder.newest()
    assert found is not None
    assert found.position.epochs_finished == 2
    with pytest.raises(DamagedCheckpoint, match=f"{path} {sentence}"):
        raise error


@given(file=st.sampled_from([*checkpoints.GROUPS, "manifest"]), place=st.floats(0, 1), bit=st.integers(0, 7))
@settings(max_examples=examples(40))
def test_any_flipped_bit_is_noticed(
    file: str, place: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Checkpoints(tmp_path_factory.mktemp("flipped") / "checkpoints")
    folder.write(checkpoint(1, batches=1))
    (path,) = folder.folder.glob(f"*/{file}.*")
    content = bytearray(path.read_bytes())
    content[min(int(place * len(content)), len(content) - 1)] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = read(path.parent)
    except DamagedCheckpoint:
        return
    # White space of the manifest means nothing.
    assert file == "manifest"
    assert same(found, checkpoint(1, batches=1))


def test_a_missing_file_is_noticed_and_without_a_whole_checkpoint_every_damage_is_named(folder: Checkpoints) -> None:
    for epoch in (1, 2):
        folder.write(checkpoint(epoch))
        (folder.folder / f"epoch-0000{epoch}" / "epoch.safetensors").unlink()
    with pytest.raises(InputError) as caught:
        folder.newest()
    for epoch in (1, 2):
        assert f"epoch-0000{epoch}/epoch.safetensors is missing." in str(caught.value)


def test_a_write_that_fails_leaves_what_was_there(folder: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(checkpoint(1))

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "sync_file", full)
        with pytest.raises(OSError, match="No space"):
            folder.write(checkpoint(2))
    assert names(folder) == {"epoch-00001"}
    assert same(read(folder.folder / "epoch-00001"), checkpoint(1))


def test_leftovers_of_a_killed_process_are_not_checkpoints_and_go(folder: Checkpoints) -> None:
    folder.write(checkpoint(1))
    shutil.copytree(folder.folder / "epoch-00001", folder.folder / ".epoch-00002.part")
    shutil.copytree(folder.folder / "epoch-00001", folder.folder / ".epoch-00000.gone")
    found, _ = folder.newest()
    assert found is not None
    assert found.position.epochs_finished == 1
    folder.write(checkpoint(2))
    assert names(folder) == {"epoch-00001", "epoch-00002"}
