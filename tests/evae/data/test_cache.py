"""Decoded images are read again as they were; a change of their files or of the cache is noticed at the next start."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evae import data
from evae.data import images as images_module
from evae.data.decoding import inspect_image
from evae.data.images import fingerprint, pixels_sha256
from evae.data.stamps import FileStamp, SourceStamp
from foundation.errors import InputError
from tests.support.hostile.mutations import examples
from tests.support.hostile.trees import KINDS, make, snapshot
from tests.support.places import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere files have no time of change")


def bitmap(shade: int, extra: int = 0) -> bytes:
    """An uncompressed grey image of one shade: all shades have the same size; ``extra`` bytes follow it."""
    stream = io.BytesIO()
    Image.new("L", (32, 32), shade).save(stream, "BMP")
    return stream.getvalue() + bytes(extra)


def put(path: Path, shade: int, extra: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bitmap(shade, extra))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Training images 1.bmp and 2.bmp with shades 201 and 202, and a test image with shade 200."""
    for number in (1, 2):
        put(tmp_path / "mine" / "train" / f"{number}.bmp", 200 + number)
    put(tmp_path / "mine" / "test" / "1.bmp", 200)
    return tmp_path / "mine"


def load(folder: Path) -> data.ImageData:
    return data.load(f"folder:{folder}", folder.parent)


def shades(folder: Path) -> list[int]:
    """The shades of the training images."""
    images = load(folder).train
    assert torch.equal(images.amin((1, 2, 3)), images.amax((1, 2, 3)))
    return images[:, 0, 0, 0].tolist()


def restore_time(path: Path, status: os.stat_result) -> None:
    """Give a file back its time of modification, as `touch -r` and unpacking programs do."""
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rewrite(train: Path) -> list[int]:
    put(train / "1.bmp", 207)
    return [207, 202]


def rewrite_and_restore_the_time(train: Path) -> list[int]:
    before = (train / "1.bmp").stat()
    restore_time(put(train / "1.bmp", 207), before)
    assert (train / "1.bmp").stat().st_mtime_ns == before.st_mtime_ns
    return [207, 202]


def enlarge_and_restore_the_time(train: Path) -> list[int]:
    before = (train / "1.bmp").stat()
    restore_time(put(train / "1.bmp", 207, extra=10), before)
    return [207, 202]


def replace_by_one_of_the_same_time(train: Path) -> list[int]:
    new = put(train / "new", 207)
    restore_time(new, (train / "1.bmp").stat())
    new.replace(train / "1.bmp")
    return [207, 202]


def exchange(train: Path) -> list[int]:
    restore_time(train / "1.bmp", (train / "2.bmp").stat())
    for old, new in (("1", "3"), ("2", "1"), ("3", "2")):
        (train / f"{old}.bmp").rename(train / f"{new}.bmp")
    return [202, 201]


def point_to_another(train: Path) -> list[int]:
    """Both targets are older than the first stamp."""
    (train / "2.bmp").unlink()
    (train / "2.bmp").symlink_to("1.bmp")
    return [201, 201]


def add(train: Path) -> list[int]:
    put(train / "0.bmp", 207)
    return [207, 201, 202]


def remove(train: Path) -> list[int]:
    (train / "1.bmp").unlink()
    return [202]


def rename(train: Path) -> list[int]:
    (train / "1.bmp").rename(train / "3.bmp")
    return [202, 201]


@pytest.mark.parametrize(
    "change",
    [
        rewrite,
        rewrite_and_restore_the_time,
        enlarge_and_restore_the_time,
        replace_by_one_of_the_same_time,
        exchange,
        point_to_another,
        add,
        remove,
        rename,
    ],
)
def test_a_change_of_the_files_is_noticed(change: Callable[[Path], list[int]], folder: Path) -> None:
    assert shades(folder) == [201, 202]
    expected = change(folder / "train")
    assert shades(folder) == expected


CHANGES = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 3), st.integers(130, 255)),
    st.tuples(st.just("move"), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("remove"), st.integers(0, 3), st.just(0)),
)


@given(st.lists(st.lists(CHANGES, max_size=3), min_size=2, max_size=5), st.booleans())
@examples(12)
def test_any_changes_one_right_after_another_are_noticed(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[str, int, int]]], restoring: bool
) -> None:
    """The times of the system advance in steps, within which a file can be read, and written again."""
    folder = tmp_path_factory.mktemp("changes") / "mine"
    expected = {"always.bmp": 199}
    for split in ("train", "test"):
        put(folder / split / "always.bmp", 199)
    for changes in rounds:
        for change, number, value in changes:
            name, train = f"{number}.bmp", folder / "train"
            before = (train / name).stat() if name in expected else None
            if change == "write":
                expected[name] = value
                put(train / name, value)
                if restoring and before is not None:
                    restore_time(train / name, before)
            elif name in expected and change == "move":
                expected[f"{value}.bmp"] = expected.pop(name)
                (train / name).rename(train / f"{value}.bmp")
            elif name in expected:
                del expected[name]
                (train / name).unlink()
        assert shades(folder) == [expected[name] for name in sorted(expected)]


def test_files_are_read_only_after_the_time_has_advanced(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    now = 1_700_000_000 * 10**9 + 123
    monkeypatch.setattr(time, "time_ns", lambda: now)
    for changed in (now - 10**10, now - 10**7, now + 10**12, now - 123, now - 123 - 10**9):
        SourceStamp({"path": "x"}, changed).wait_until_settled()
    # Long ago; 10 ms ago; in the future, by another clock; by a clock of whole seconds, now and a second ago.
    assert slept == pytest.approx([0, 0.04, 0.05, 2, 1], abs=1e-6)


def test_a_folder_that_has_just_changed_is_read_after_the_wait(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = max(path.stat().st_ctime_ns for path in folder.rglob("*.bmp"))
    done: list[str] = []

    def inspect(path: Path) -> tuple[bool, int]:
        done.append("read")
        return inspect_image(path)

    monkeypatch.setattr(time, "time_ns", lambda: last)
    monkeypatch.setattr(time, "sleep", lambda seconds: done.append(f"waited {seconds}"))
    monkeypatch.setattr("evae.data.sources.folders.inspect_image", inspect)
    load(folder)
    load(folder)
    assert done == ["waited 0.05", *["read"] * 3]


@pytest.mark.parametrize("field", ["st_size", "st_mtime_ns", "st_ctime_ns", "st_ino"])
def test_the_stamp_of_a_file_holds_what_changes_with_it(field: str, tmp_path: Path) -> None:
    status = put(tmp_path / "1.bmp", 1).stat()
    names = ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
    values = {name: getattr(status, name) for name in names}
    same, other = (type("Status", (), {**values, field: values[field] + more}) for more in (0, 1))
    assert FileStamp.of(same) == FileStamp.of(status)  # type: ignore[arg-type]
    assert FileStamp.of(other).text != FileStamp.of(status).text  # type: ignore[arg-type]


def test_one_reading_of_the_cache_verifies_it_and_gives_the_digests_of_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(folder)
    images = load(folder)
    unknown = dataclasses.replace(images, known_sha256={})
    assert fingerprint(images) == fingerprint(unknown)
    limited = data.load(f"folder:{folder}", folder.parent, limit_train=1)
    assert fingerprint(limited)["train"] == pixels_sha256((1, 1, 32, 32), [bytes([201]) * 1024])
    monkeypatch.setattr(images_module, "pixels_sha256", lambda *_: pytest.fail("read twice"))
    assert fingerprint(images)["holdout"] == limited.known_sha256["holdout"]


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_changed_pixel_of_either_split_is_noticed(place: str, folder: Path) -> None:
    load(folder)
    (array,) = (folder.parent / "decoded").glob("*.npy")
    content = bytearray(array.read_bytes())
    content[-3 * 1024 if place == "first" else -1] ^= 1
    array.write_bytes(content)
    images = load(folder)
    assert (images.train[0].unique().tolist(), images.holdout.unique().tolist()) == ([201], [200])


@pytest.mark.parametrize("suffix", [".npy", ".json", ".lock"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "file"])
def test_what_lies_in_the_place_of_a_file_of_the_cache_is_named_and_stays(
    kind: str, suffix: str, folder: Path, tmp_path: Path
) -> None:
    load(folder)
    (place,) = (tmp_path / "decoded").glob(f"*{suffix}")
    place.unlink()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_bytes(b"kept")
    make(place, kind, outside)
    before = place.lstat().st_ino, snapshot(outside)
    with pytest.raises(InputError, match=rf"{place.name} must be a regular file, got a .* Move it away"):
        load(folder)
    assert (place.lstat().st_ino, snapshot(outside)) == before


def test_the_cache_of_an_earlier_version_is_made_again(folder: Path) -> None:
    load(folder)
    (record,) = (folder.parent / "decoded").glob("*.json")
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "sha256": document["sha256"]["train"]}))
    assert shades(folder) == [201, 202]
    assert json.loads(record.read_text()) == document


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so_instead_of_waiting_for_itself(folder: Path) -> None:
    """Each process that decodes runs the script again, which asks for the cache entry that the first one holds."""
    script = folder.parent / "script.py"
    script.write_text(
        "from evae.data import decoding, load\n"
        "decoding.WORTH_PROCESSES = 2\n"
        f"load({f'folder:{folder}'!r}, {str(folder.parent)!r})\n"
    )
    ended = subprocess.run(
        [sys.executable, script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60
    )
    assert ended.returncode == 1
    assert b"a script calls this outside of `if __name__ == '__main__':`" in ended.stderr


@pytest.mark.slow
def test_fifty_thousand_images_are_read_again_in_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    for split, count in (("train", 45_000), ("test", 5000)):
        first = put(folder / split / "class" / "first.bmp", 190)
        for number in range(count - 1):
            os.link(first, first.with_name(f"{number}.bmp"))

    def processor_time() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    load(folder)
    started = processor_time()
    images = load(folder)
    fingerprint(images)
    assert processor_time() - started < 3
    assert (len(images.train), len(images.holdout)) == (45_000, 5000)
    shutil.rmtree(folder)
