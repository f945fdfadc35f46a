"""Images are compared with the published data sets by their content, in any order and any container."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evae import data
from evae.data import catalogue, published
from evae.data.published import CIFAR10, FASHION_MNIST, MNIST, Published, content_sha256, image_digests
from foundation.errors import InputError
from foundation.files import read_json
from tests.evae.conftest import invoke, publish, write_idx
from tests.support.hostile.mutations import examples

#: Numbers of images of the small data sets that stand for the published ones here.
TRAIN, HOLDOUT = 30, 20


def pixels(seed: int, count: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)


def labels(count: int) -> NDArray[np.int64]:
    return np.arange(count) % 10


def small(original: Published, seed: int) -> Published:
    """A data set with the title of ``original`` and few images, which are known by their content alike."""
    images = {"train": pixels(seed, TRAIN, 28, 28), "holdout": pixels(seed + 1, HOLDOUT, 28, 28)}
    return dataclasses.replace(
        original,
        train=TRAIN,
        holdout=HOLDOUT,
        pixels={split: content_sha256(own) for split, own in images.items()},
        labelled={split: content_sha256(own, labels(len(own))) for split, own in images.items()},
        beginnings=frozenset(digest.hex()[:16] for own in images.values() for digest in image_digests(own[:8])),
    )


SEEDS = {"MNIST": 10, "FashionMNIST": 20}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of both data sets, small, which are the published ones."""
    known = (small(MNIST, SEEDS["MNIST"]), small(FASHION_MNIST, SEEDS["FashionMNIST"]))
    monkeypatch.setattr(published, "KNOWN", known)
    monkeypatch.setattr(catalogue, "MNIST", known[0])
    monkeypatch.setattr(catalogue, "FASHION_MNIST", known[1])
    for folder, seed in SEEDS.items():
        write(tmp_path / "data" / folder / "raw", pixels(seed, TRAIN, 28, 28), pixels(seed + 1, HOLDOUT, 28, 28))
    return tmp_path / "data"


def write(raw: Path, train: NDArray[np.uint8], holdout: NDArray[np.uint8]) -> None:
    write_idx(raw / "train-images-idx3-ubyte", train)
    write_idx(raw / "t10k-images-idx3-ubyte", holdout)
    for name, images in (("train", train), ("t10k", holdout)):
        content = np.array([2049, len(images)], ">u4").tobytes() + labels(len(images)).astype(np.uint8).tobytes()
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(content)


def refusal(data_dir: Path, name: str = "mnist") -> str:
    with pytest.raises(InputError) as refused:
        data.load(name, data_dir)
    return str(refused.value)


@given(st.integers(1, 12), st.sampled_from([(4, 4), (4, 4, 3)]), st.booleans(), st.randoms(use_true_random=False))
@examples(50)
def test_the_checksum_depends_on_every_pixel_and_label_but_not_on_the_order(
    count: int, shape: tuple[int, ...], labelled: bool, random: Any
) -> None:
    images, classes = pixels(count, count, *shape), labels(count)
    # As the data set's page words it: SHA-256 of the sorted SHA-256 digests of label and pixels, row by row.
    records = [(bytes([classes[n]]) if labelled else b"") + images[n].tobytes() for n in range(count)]
    expected = hashlib.sha256(b"".join(sorted(hashlib.sha256(one).digest() for one in records))).hexdigest()
    order = random.sample(range(count), count)

    def checksum(images: NDArray[np.uint8], classes: NDArray[np.int64]) -> str:
        return content_sha256(images, classes if labelled else None)

    assert checksum(images[order], classes[order]) == expected
    assert checksum(np.asfortranarray(images), classes) == expected
    changed = images.copy()
    changed[random.randrange(count), 0, 0] ^= 1
    assert checksum(changed, classes) != expected
    assert checksum(images, classes + 1) != expected or not labelled


def test_the_published_digests_are_different_ones_and_those_of_cifar_10_are_as_its_description_says() -> None:
    digests = [one for known in published.KNOWN for by in (known.pixels, known.labelled) for one in by.values()]
    assert len(set(digests)) == len(digests) == 12
    assert all(len(known.beginnings) == 16 for known in published.KNOWN)
    assert CIFAR10.labelled["train"].startswith("d59acf989e068e70")
    assert CIFAR10.labelled["holdout"].startswith("899683d46c3a8c66")


def test_the_right_images_are_named_with_their_checksums_and_the_run_records_them(
    data_dir: Path, tmp_path: Path
) -> None:
    content = data.load("mnist", data_dir).content
    assert content is not None
    assert (content.title, content.complete) == ("MNIST", True)
    assert content.checksums == small(MNIST, SEEDS["MNIST"]).pixels
    arguments = ["--latent-dim", 2, "--epochs", 1, "--device", "cpu", "--data-dir", data_dir, "--runs-dir", tmp_path]
    assert invoke("train", "--dataset", "mnist", *arguments).exit_code == 0
    recorded = read_json(tmp_path / "mnist-vae-d2-seed0" / "config.json")["data"]
    assert recorded["content"] == content.document()
    assert recorded["note"] is None


def test_the_order_and_the_container_do_not_matter(data_dir: Path) -> None:
    """Compressed idx files in another order, and the layout of Keras's mnist.npz."""
    seed, order = SEEDS["MNIST"], np.random.default_rng(0).permutation(TRAIN)
    train, holdout = pixels(seed, TRAIN, 28, 28)[order], pixels(seed + 1, HOLDOUT, 28, 28)
    expected = data.load("mnist", data_dir)
    raw = data_dir / "MNIST" / "raw"
    for path in list(raw.iterdir()):
        path.unlink()
    write(raw, train, holdout)
    for path in list(raw.glob("*images*")):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert torch.equal(data.load("mnist", data_dir).train, expected.train[torch.from_numpy(order)])
    for path in list(raw.iterdir()):
        path.unlink()
    raw.rmdir()
    assert "train-images-idx3-ubyte is missing" in refusal(data_dir)
    classes = {"y_train": labels(TRAIN)[order], "y_test": labels(HOLDOUT)}
    np.savez(data_dir / "any name.npz", x_train=train, x_test=holdout, **classes)  # type: ignore[arg-type]
    np.savez(data_dir / "another.npz", x_train=train[:3], x_test=holdout)
    found = data.load("mnist", data_dir)
    assert torch.equal(found.train, expected.train[torch.from_numpy(order)])
    assert found.content == expected.content
    assert data.load_labels("mnist", data_dir).train.tolist() == classes["y_train"].tolist()
    listed = json.loads(invoke("datasets", "list", "--data-dir", data_dir, "--json", "-").stdout)["datasets"]
    assert [(one["name"], one["state"]) for one in listed[1:3]] == [
        ("mnist", "complete"),
        ("fashion-mnist", "complete"),
    ]


def test_fashion_mnists_files_in_mnists_folder_are_refused_by_train_list_and_check(data_dir: Path) -> None:
    """pytorch/vision#599 and #640: both data sets have files of the same names and sizes."""
    (data_dir / "MNIST").rename(data_dir / "put aside")
    (data_dir / "FashionMNIST").rename(data_dir / "MNIST")
    sentence = "MNIST/raw must hold MNIST, got Fashion-MNIST, as the content of its training images shows. Point"
    assert sentence in refusal(data_dir)
    result = invoke("train", "--dataset", "mnist", "--data-dir", data_dir)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    listed = invoke("datasets", "list", "--data-dir", data_dir)
    assert sentence in " ".join(listed.stdout.split())
    checked = invoke("datasets", "check", "mnist", "--data-dir", data_dir)
    assert checked.exit_code == 1
    assert "WRONG" in checked.stdout


@pytest.mark.parametrize("split", ["train", "holdout"])
def test_one_wrong_pixel_or_split_is_refused(data_dir: Path, split: str) -> None:
    seed, raw = SEEDS["MNIST"], data_dir / "MNIST" / "raw"
    images = {"train": pixels(seed, TRAIN, 28, 28), "holdout": pixels(seed + 1, HOLDOUT, 28, 28)}
    images[split][3, 5, 5] ^= 1
    write(raw, **images)
    assert f"must hold MNIST, got other {published.WORDS[split]}: the SHA-256" in refusal(data_dir)


def test_the_beginning_of_another_data_set_is_recognised_and_that_of_the_right_one_is_a_subset(data_dir: Path) -> None:
    raw, seed = data_dir / "MNIST" / "raw", SEEDS["FashionMNIST"]
    write(raw, pixels(seed, TRAIN, 28, 28)[:12], pixels(seed + 1, HOLDOUT, 28, 28)[:9])
    assert "must hold MNIST, got Fashion-MNIST" in refusal(data_dir)
    seed = SEEDS["MNIST"]
    write(raw, pixels(seed, TRAIN, 28, 28)[:12], pixels(seed + 1, HOLDOUT, 28, 28)[:9])
    found = data.load("mnist", data_dir)
    assert found.note == "a subset of MNIST: 12 of 30 training and 9 of 20 hold-out images"
    assert found.content is not None
    assert not found.content.complete


def test_more_images_than_published_are_not_a_subset(data_dir: Path) -> None:
    """Training and hold-out files that were exchanged."""
    seed = SEEDS["MNIST"]
    write(data_dir / "MNIST" / "raw", pixels(seed + 1, HOLDOUT, 28, 28), pixels(seed, TRAIN, 28, 28))
    assert "MNIST/raw: MNIST has 20 hold-out images, got 30: these are not MNIST. Point" in refusal(data_dir)
    states = {one.name: (one.state, one.remark) for one in catalogue.survey(data_dir)}
    assert states["mnist"][0] == "damaged"
    assert "these are not MNIST" in states["mnist"][1]


def test_labels_of_another_data_set_are_refused(data_dir: Path) -> None:
    path = data_dir / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    content = path.read_bytes()
    assert data.load_labels("mnist", data_dir).classes == 10
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="the labels of the training images are not those of MNIST: the SHA-256"):
        data.load_labels("mnist", data_dir)


def test_cifar_10_is_recognised_in_an_npz_file_of_either_layout_and_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, holdout = pixels(1, 15, 3, 32, 32), pixels(2, 6, 3, 32, 32)
    publish(monkeypatch, train, holdout, [labels(15), labels(6)])
    order = np.random.default_rng(0).permutation(15)
    arrays = {
        "train_images": train[order].transpose(0, 2, 3, 1),
        "train_labels": labels(15)[order][:, None],
        "test_images": holdout.transpose(0, 2, 3, 1),
        "test_labels": labels(6)[:, None],
    }
    np.savez(tmp_path / "other.npz", train_images=train[::-1] ^ 1, test_images=holdout)
    with pytest.raises(InputError, match=r"other\.npz must hold CIFAR-10, got other training images"):
        data.load("cifar10", tmp_path)
    np.savez(tmp_path / "whole.npz", **arrays)  # type: ignore[arg-type]
    found = data.load("cifar10", tmp_path)
    assert np.array_equal(found.train.numpy(), train[order])
    assert found.content is not None
    assert found.content.complete
    assert data.load_labels("cifar10", tmp_path).train.tolist() == labels(15)[order].tolist()
    arrays["train_labels"] = labels(15)[:, None]
    np.savez(tmp_path / "whole.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the labels of the training images are not those of CIFAR-10"):
        data.load_labels("cifar10", tmp_path)


def test_a_part_of_cifar_10_is_not_cifar_10(tmp_path: Path) -> None:
    np.savez(tmp_path / "part.npz", train_images=pixels(1, 20, 32, 32, 3), test_images=pixels(2, 5, 32, 32, 3))
    with pytest.raises(InputError, match="data_batch_1 is missing"):
        data.load("cifar10", tmp_path)
    assert data.load(f"npz:{tmp_path / 'part.npz'}").content is None
