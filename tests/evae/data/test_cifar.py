"""CIFAR-10 is read in both versions; the pickles of one are listed, never carried out."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from evae import data
from evae.data.sources import cifar
from foundation.errors import InputError
from tests.evae.conftest import publish

RECORDS = 3


LABELS = [0, 1, 2]


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (RECORDS, 3, 32, 32)).astype(np.uint8)


def pickled(rows: np.ndarray) -> bytes:
    """Opcode for opcode what Python 2's pickle writes of {labels, data}, as the published batches are."""
    fortran = not rows.flags.c_contiguous
    content = rows.tobytes("F" if fortran else "C")
    return b"".join(
        [
            b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06K\x09K\x01eU\x04dataq\x04",
            b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07",
            b"(K\x01J"
            + len(rows).to_bytes(4, "little")
            + b"M\x00\x0c\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\x09",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            (b"\x88" if fortran else b"\x89") + b"T" + len(content).to_bytes(4, "little") + content + b"tbu.",
        ]
    )


def publish_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    train = np.concatenate([noise(seed) for seed in range(5)])
    publish(monkeypatch, train, noise(5), [5 * LABELS, LABELS])


@pytest.fixture
def binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the binary version with 3 images a file."""
    monkeypatch.setattr(cifar, "RECORDS", RECORDS)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for seed, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        records = [bytes([label]) + image.tobytes() for label, image in enumerate(noise(seed))]
        (folder / f"{name}.bin").write_bytes(b"".join(records))
    publish_noise(monkeypatch)
    return tmp_path


@pytest.fixture
def python_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the Python version with 3 images a file."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for seed, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        (folder / name).write_bytes(pickled(noise(seed).reshape(RECORDS, -1)))
    publish_noise(monkeypatch)
    return tmp_path


@pytest.mark.parametrize("version", ["binary", "python_version"])
def test_the_official_split_comes_in_order(version: str, request: pytest.FixtureRequest) -> None:
    images = data.load("cifar10", request.getfixturevalue(version))
    assert torch.equal(images.train, torch.from_numpy(np.concatenate([noise(seed) for seed in range(5)])))
    assert torch.equal(images.holdout, torch.from_numpy(noise(5)))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_listed_pickle_gives_what_unpickling_gives(order: str) -> None:
    content = pickled(np.asarray(noise(1).reshape(RECORDS, -1), order="F" if order == "F" else "C"))
    unpickled = pickle.loads(content, encoding="bytes")[b"data"]
    assert unpickled.flags.f_contiguous == (order == "F")
    assert np.array_equal(cifar.parse_pickled_images(content), unpickled.reshape(-1, 3, 32, 32))


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(self.path),)  # type: ignore[return-value]


def test_a_pickle_with_a_program_does_not_run_it(python_version: Path) -> None:
    touched = python_version / "touched"
    program = pickle.dumps(Trap(touched), protocol=2)
    with pytest.raises(ValueError, match="holds no array of 3,072 bytes per image"):
        cifar.parse_pickled_images(program)
    (python_version / "cifar-10-batches-py" / "test_batch").write_bytes(program)
    with pytest.raises(InputError, match=r"test_batch is cut short or damaged \(it holds no array of 3,072 bytes"):
        data.load("cifar10", python_version)
    assert not touched.exists()
    pickle.loads(program)
    assert touched.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x02", b"\x80\x02}q\x01.", b"S'\\8\\q'\n.", pickled(noise(0).reshape(RECORDS, -1))[:-4000]],
)
def test_what_is_not_a_batch_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        cifar.parse_pickled_images(content)


def test_a_binary_file_that_is_cut_short_or_no_record_is_named(binary: Path) -> None:
    path = binary / "cifar-10-batches-bin" / "data_batch_3.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(
        InputError, match=r"data_batch_3\.bin is cut short or damaged \(9,218 of 9,219 bytes\)\. Delete "
    ):
        data.load("cifar10", binary)
    path.write_bytes(b"\x0a" + content[1:])
    with pytest.raises(InputError, match="a label is above 9"):
        data.load("cifar10", binary)


def test_a_missing_file_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"data_batch_1 is missing\. Run `python cli.py datasets get cifar10 --data-dir"
    ):
        data.load("cifar10", tmp_path)
