"""Class labels come in the images' order, whole, or are refused with the file's name."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from evae import data
from evae.data.sources import cifar
from foundation.errors import InputError
from tests.evae.conftest import publish

RECORDS = 10_000

CIFAR_NAMES = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]


def refusal(dataset: str, data_dir: Path = Path("data")) -> str:
    with pytest.raises(InputError) as refused:
        data.load_labels(dataset, data_dir)
    return str(refused.value)


def test_the_digits_labels_are_split_as_the_digits_are() -> None:
    labels, images, digits = data.load_labels("digits"), data.load("digits"), load_digits()
    assert (labels.classes, len(labels.train), len(labels.holdout)) == (10, 1498, 299)
    assert labels.train.dtype == labels.holdout.dtype == torch.int64
    # The brightness shows which of scikit-learn's digits an image is.
    for pixels, found, chosen in (
        (images.train, labels.train, np.arange(1797) % 6 != 5),
        (images.holdout, labels.holdout, np.arange(1797) % 6 == 5),
    ):
        brightness = digits.images[chosen].mean((1, 2)) / 16
        assert np.allclose(pixels.double().mean((1, 2, 3)).numpy() / 255, brightness, atol=0.02)
        assert np.array_equal(found.numpy(), digits.target[chosen])


def write_labels(path: Path, labels: np.ndarray) -> None:
    path.write_bytes(np.array([2049, len(labels)], dtype=">u4").tobytes() + labels.astype(np.uint8).tobytes())


@pytest.fixture
def labelled(mnist: Path) -> Path:
    """MNIST's layout with 30 training and 20 test labels."""
    raw = mnist / "MNIST" / "raw"
    write_labels(raw / "train-labels-idx1-ubyte", np.arange(30) % 10)
    write_labels(raw / "t10k-labels-idx1-ubyte", np.arange(20)[::-1] % 10)
    return mnist


@pytest.mark.parametrize("packed", [False, True])
def test_idx_labels_come_in_order_packed_or_not(labelled: Path, packed: bool) -> None:
    if packed:
        for path in (labelled / "MNIST" / "raw").iterdir():
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    labels = data.load_labels("mnist", labelled)
    assert labels.classes == 10
    assert labels.train.tolist() == [number % 10 for number in range(30)]
    assert labels.holdout.tolist() == [number % 10 for number in range(19, -1, -1)]


def test_images_without_labels_still_load_and_the_missing_file_is_named(mnist: Path) -> None:
    assert len(data.load("mnist", mnist).train) == 30
    message = refusal("mnist", mnist)
    assert "train-labels-idx1-ubyte is missing. Fetch train-labels-idx1-ubyte.gz on a machine with" in message
    assert message.endswith(f"into {mnist / 'MNIST' / 'raw'}.")


def test_idx_labels_that_are_not_as_many_as_the_images_are_refused(labelled: Path) -> None:
    write_labels(labelled / "MNIST" / "raw" / "t10k-labels-idx1-ubyte", np.zeros(19))
    assert (
        "t10k-labels-idx1-ubyte must hold one label for each of the 20 images in t10k-images-idx3-ubyte, got 19."
        in refusal("mnist", labelled)
    )


def test_an_idx_label_above_nine_is_refused(labelled: Path) -> None:
    write_labels(labelled / "MNIST" / "raw" / "train-labels-idx1-ubyte", np.full(30, 10))
    assert "train-labels-idx1-ubyte: labels must lie in 0 to 9, got 10." in refusal("mnist", labelled)


def test_idx_labels_that_are_cut_short_too_long_or_something_else_are_refused(labelled: Path) -> None:
    path = labelled / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "train-labels-idx1-ubyte is cut short (37 of 38 bytes). Delete it. Fetch " in refusal("mnist", labelled)
    path.write_bytes(whole + b"\0")
    assert "too long (39 of 38 bytes)" in refusal("mnist", labelled)
    for content in (whole[:7], b"<html>404</html>", (path.parent / "train-images-idx3-ubyte").read_bytes()):
        path.write_bytes(content)
        sentence = "is not an idx file of labels: it must begin with 2049 and the number of labels. Delete it."
        assert sentence in refusal("mnist", labelled)


def test_packed_idx_labels_that_are_damaged_are_refused(labelled: Path) -> None:
    path = labelled / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes())[:-5])
    path.unlink()
    assert "train-labels-idx1-ubyte.gz is cut short or damaged" in refusal("mnist", labelled)


def batch(labels: list[int], protocol: int = 2) -> bytes:
    """A pickled batch without pixels, as Python 2 wrote it: strings are bytes there, which protocol 2 has as U."""
    content = pickle.dumps({"batch_label": "one", "labels": labels, "filenames": ["labels", "b.png"]}, protocol)
    for word in (b"batch_label", b"labels", b"filenames"):
        content = content.replace(b"X" + len(word).to_bytes(4, "little") + word, b"U" + bytes([len(word)]) + word)
    return content


def random_labels(seed: int, count: int = RECORDS) -> list[int]:
    drawn: list[int] = np.random.default_rng(seed).integers(0, 10, count).tolist()
    return drawn


def test_listed_labels_are_what_unpickling_gives() -> None:
    content = batch(random_labels(1))
    assert cifar.parse_pickled_labels(content).tolist() == pickle.loads(content)["labels"]


@pytest.mark.parametrize(
    "content",
    [
        batch(random_labels(2, RECORDS - 1)),
        batch([*random_labels(2, RECORDS - 1), 10]),
        batch([*random_labels(2, RECORDS - 1), -1]),
        batch(random_labels(2)).replace(b"U\x06labels", b"U\x06labelz"),
        pickle.dumps({"labels": tuple(random_labels(2))}, 2),
        pickle.dumps(random_labels(2), 2),
    ],
)
def test_a_batch_without_ten_thousand_labels_from_0_to_9_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="it holds no list of 10,000 labels from 0 to 9"):
        cifar.parse_pickled_labels(content)


def test_a_batch_that_is_cut_short_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"\w"):
        cifar.parse_pickled_labels(batch(random_labels(1))[:9000])


def with_pixels(content: bytes, images: np.ndarray) -> bytes:
    """A batch with the opcodes of an array of pixels before its dictionary, which they leave alone."""
    pixels = images.tobytes()
    return content[:2] + b"\x89T" + len(pixels).to_bytes(4, "little") + pixels + b"00" + content[2:]


@pytest.mark.parametrize("version", ["py", "bin"])
def test_cifars_labels_come_in_the_order_of_its_files(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar, "RECORDS", 4)
    folder = tmp_path / f"cifar-10-batches-{version}"
    folder.mkdir()
    pixels = np.arange(24 * 3072).astype(np.uint8).reshape(24, 3, 32, 32)
    for seed, name in enumerate(CIFAR_NAMES):
        drawn, images = random_labels(seed, 4), pixels[4 * seed : 4 * seed + 4]
        binary = b"".join(bytes([label]) + image.tobytes() for label, image in zip(drawn, images, strict=True))
        content = binary if version == "bin" else with_pixels(batch(drawn), images)
        (folder / (f"{name}.bin" if version == "bin" else name)).write_bytes(content)
    train = [label for seed in range(5) for label in random_labels(seed, 4)]
    publish(monkeypatch, pixels[:20], pixels[20:], [train, random_labels(5, 4)])
    labels = data.load_labels("cifar10", tmp_path)
    assert labels.train.tolist() == [label for seed in range(5) for label in random_labels(seed, 4)]
    assert labels.holdout.tolist() == random_labels(5, 4)


def saved(path: Path, **arrays: np.ndarray) -> str:
    pixels = np.zeros((4, 32, 32), dtype=np.uint8)
    named = {"train_images": pixels, "test_images": pixels[:2]}
    np.savez(path, **{**named, **arrays})  # type: ignore[arg-type]
    return f"npz:{path}"


def test_an_archives_labels_are_numbered_from_zero_in_either_shape(tmp_path: Path) -> None:
    train, test = np.array([[3], [7], [3], [40]], dtype=np.uint8), np.array([40, 7])
    labels = data.load_labels(saved(tmp_path / "a.npz", train_labels=train, test_labels=test))
    assert (labels.train.tolist(), labels.holdout.tolist(), labels.classes) == ([0, 1, 0, 2], [2, 1], 3)


def test_kerass_names_of_labels_belong_to_kerass_names_of_images(tmp_path: Path) -> None:
    pixels = np.zeros((2, 28, 28), dtype=np.uint8)
    arrays = {"x_train": pixels, "x_test": pixels, "y_train": np.array([0, 1]), "y_test": np.array([1, 1])}
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    assert data.load_labels(f"npz:{tmp_path / 'a.npz'}").train.tolist() == [0, 1]
    arrays["train_labels"] = arrays.pop("y_train")
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    assert "a.npz must hold the array y_train, the class of each image of x_train" in refusal(
        f"npz:{tmp_path / 'a.npz'}"
    )


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        (np.eye(4, dtype=np.int64), "the array train_labels must have one class per image, got 4."),
        (np.array([0, 1, 0]), "must hold 4 integers, the classes of train_images, got int64 of shape (3,)."),
        (np.array([0.0, 1, 0, 1]), "must hold 4 integers, the classes of train_images, got float64 of shape (4,)."),
        (np.array([0, 1, -1, 1]), "the array train_labels must hold classes of 0 or more, got -1."),
        (np.array([1, 1, 1, 1]), "the number of classes of the training images must be two or more, got 1."),
        (np.array([1, 2, 1, 2]), "there are hold-out images of the class 0, but no training images of it."),
        (np.array([{}, 1, 1, 1], dtype=object), "the array train_labels cannot be read (it holds Python objects"),
    ],
)
def test_arrays_that_are_not_classes_are_refused(tmp_path: Path, train: np.ndarray, sentence: str) -> None:
    message = refusal(saved(tmp_path / "a.npz", train_labels=train, test_labels=np.array([0, 1])))
    assert message.startswith(f"{tmp_path / 'a.npz'}")
    assert sentence in message


def picture(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32), grey, dtype=np.uint8)).save(path)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """A folder of the classes cat and dog; the brightness tells which an image is of."""
    picture(tmp_path / "mine" / "train" / "dog" / "1.png", 200)
    picture(tmp_path / "mine" / "train" / "cat" / "outdoors" / "2.png", 100)
    picture(tmp_path / "mine" / "train" / "cat" / "1.png", 100)
    picture(tmp_path / "mine" / "test" / "dog" / "1.png", 200)
    picture(tmp_path / "mine" / "test" / "cat" / "1.png", 100)
    return tmp_path


def test_a_folders_classes_are_the_first_folders_below_its_splits(classes: Path) -> None:
    images, labels = data.load("folder:mine", classes), data.load_labels("folder:mine", classes)
    assert labels.classes == 2
    for pixels, found in ((images.train, labels.train), (images.holdout, labels.holdout)):
        assert [{100: 0, 200: 1}[grey] for grey in pixels[:, 0, 0, 0].tolist()] == found.tolist()


def test_an_image_outside_of_a_class_is_named(classes: Path) -> None:
    picture(classes / "mine" / "test" / "stray.png", 0)
    message = refusal("folder:mine", classes)
    assert (
        f"mine/test/stray.png has no class label. Put the images of a class into {classes}/mine/test/CLASS." in message
    )


def test_classes_must_be_the_same_in_both_splits_and_two_or_more(classes: Path) -> None:
    (classes / "mine" / "test" / "dog").rename(classes / "mine" / "test" / "wolf")
    assert "has the class dog in only one of its folders train and test" in refusal("folder:mine", classes)
    (classes / "mine" / "test" / "wolf" / "1.png").unlink()
    (classes / "mine" / "train" / "dog" / "1.png").unlink()
    assert "number of classes of the training images must be two or more, got 1" in refusal("folder:mine", classes)


def test_celeba_has_no_labels(tmp_path: Path) -> None:
    assert refusal("celeba", tmp_path) == "celeba has no class labels: its attributes do not exclude one another."
