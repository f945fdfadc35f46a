"""Data sets come whole or are refused with the file's name."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision.transforms.v2 import functional

from evae import data
from evae.data.images import binarise, is_binary
from foundation.errors import InputError
from tests.evae.conftest import write_idx


def test_the_digits_are_split_without_overlap_and_alike() -> None:
    digits = data.load("digits")
    assert digits.train.shape == (1498, 1, 32, 32)
    assert digits.holdout.shape == (299, 1, 32, 32)
    assert digits.train.dtype == torch.uint8
    assert digits.image_shape == (1, 32, 32)
    labels = load_digits().target
    assert np.bincount(labels[5::6], minlength=10).min() >= 20
    assert torch.equal(digits.train, data.load("digits").train)


def test_a_digit_keeps_its_brightness_when_it_is_enlarged() -> None:
    first = load_digits().images[0] / 16
    assert float(data.load("digits").train[0].double().mean() / 255) == pytest.approx(first.mean(), abs=0.01)


def test_mnist_comes_at_32_pixels_as_torchvision_resizes_it(mnist: Path) -> None:
    images = data.load("mnist", mnist)
    assert images.train.shape == (30, 1, 32, 32)
    assert images.holdout.shape == (20, 1, 32, 32)
    raw = (mnist / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes()[16:]
    original = torch.from_numpy(np.frombuffer(raw, dtype=np.uint8).copy()).reshape(30, 1, 28, 28)
    resized = functional.resize(original, [32, 32], antialias=True)
    # torchvision's own uint8 path works in fixed point: one grey level apart at most.
    assert int((images.train.int() - resized.int()).abs().max()) <= 1


def test_fashion_mnist_is_read_from_its_own_folder(mnist: Path) -> None:
    (mnist / "MNIST").rename(mnist / "FashionMNIST")
    assert len(data.load("fashion-mnist", mnist).train) == 30
    with pytest.raises(InputError, match="MNIST/raw/train-images-idx3-ubyte is missing"):
        data.load("mnist", mnist)


def test_packed_files_are_read_like_unpacked_ones(mnist: Path) -> None:
    expected = data.load("mnist", mnist)
    for path in (mnist / "MNIST" / "raw").iterdir():
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert torch.equal(data.load("mnist", mnist).holdout, expected.holdout)


def test_limiting_keeps_the_first_training_images_and_every_hold_out_image(mnist: Path) -> None:
    whole, limited = data.load("mnist", mnist), data.load("mnist", mnist, limit_train=7)
    assert torch.equal(limited.train, whole.train[:7])
    assert torch.equal(limited.holdout, whole.holdout)


def test_a_missing_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte is missing\. Point --data-dir at .*torchvision"):
        data.load("mnist", tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [0, 3, 15])
def test_a_file_without_a_whole_header_is_refused(mnist: Path, kept: int) -> None:
    path = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="train-images-idx3-ubyte is not an idx file of 28x28 images"):
        data.load("mnist", mnist)


def test_a_file_that_is_cut_short_is_named_with_its_size(mnist: Path) -> None:
    path = mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte is cut short \(15,695 of 15,696 bytes\)\. Delete "):
        data.load("mnist", mnist)


def test_a_file_with_bytes_too_many_is_refused(mnist: Path) -> None:
    path = mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match="too long"):
        data.load("mnist", mnist)


def test_a_file_of_something_else_is_refused(mnist: Path) -> None:
    path = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(b"<html>404 not found</html>" * 10)
    with pytest.raises(InputError, match="not an idx file"):
        data.load("mnist", mnist)
    write_idx(path, np.zeros((4, 32, 32)))
    with pytest.raises(InputError, match="28x28"):
        data.load("mnist", mnist)


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"no gzip" + content])
def test_a_damaged_packed_file_is_named(mnist: Path, damage: object) -> None:
    path = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(damage(packed))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz is cut short or damaged"):
        data.load("mnist", mnist)


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(InputError, match=r"--dataset 'imagenet' is not known\. Choose from digits, mnist, "):
        data.load("imagenet")


def test_pixels_become_numbers_between_zero_and_one() -> None:
    images = data.as_images(torch.tensor([[[[0, 128, 255]]]], dtype=torch.uint8))
    assert images.dtype == torch.float32
    assert images.flatten().tolist() == pytest.approx([0, 128 / 255, 1])


def test_pixels_become_binary_at_one_half_or_by_chance() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).expand(400, 1, 1, 256)
    random = torch.Generator().manual_seed(0)
    at_half = binarise(pixels, "threshold", random)
    assert torch.equal(at_half[0, 0, 0], torch.tensor([0] * 128 + [255] * 128, dtype=torch.uint8))
    drawn = binarise(pixels, "static", random)
    assert is_binary(drawn)
    assert is_binary(at_half)
    assert not is_binary(pixels)
    share = (drawn == 255).double().mean((0, 1, 2))
    probability = torch.arange(256).double() / 255
    # Exact at both ends; elsewhere within five standard errors of 400 draws.
    assert share[[0, -1]].tolist() == [0, 1]
    assert bool(((share - probability).abs() <= 5 * (probability * (1 - probability) / 400).sqrt()).all())


def test_the_draws_of_the_first_images_do_not_depend_on_how_many_follow() -> None:
    pixels = torch.randint(0, 256, (7, 3, 5, 5), dtype=torch.uint8)
    whole, part = (binarise(pixels[:count], "static", torch.Generator().manual_seed(3)) for count in (7, 2))
    assert torch.equal(whole[:2], part)
    assert not torch.equal(whole, binarise(pixels, "static", torch.Generator().manual_seed(4)))
