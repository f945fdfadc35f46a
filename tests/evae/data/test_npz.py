"""npz:FILE is read under both naming schemes and in both orders of axes, and what could be misread is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from evae import data
from foundation.errors import InputError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape).astype(np.uint8)


def saved(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return f"npz:{path}"


def refusal(dataset: str, image_size: int | None = None) -> str:
    with pytest.raises(InputError) as refused:
        data.load(dataset, image_size=image_size)
    return str(refused.value)


def test_images_of_the_networks_size_come_pixel_for_pixel(tmp_path: Path) -> None:
    train, test = noise(7, 32, 32, 3), noise(5, 32, 32, 3)
    images = data.load(saved(tmp_path / "a.npz", train_images=train, train_labels=np.arange(7), test_images=test))
    assert np.array_equal(images.train.numpy(), train.transpose(0, 3, 1, 2))
    assert np.array_equal(images.holdout.numpy(), test.transpose(0, 3, 1, 2))
    assert images.note is None


def test_kerass_names_and_grey_images_are_read(tmp_path: Path) -> None:
    train, test = noise(4, 28, 28), noise(3, 28, 28)
    images = data.load(saved(tmp_path / "mnist.npz", x_train=train, y_train=np.arange(4), x_test=test))
    expected = functional.resize(torch.from_numpy(test)[:, None], [32, 32], antialias=True)
    assert images.train.shape == (4, 1, 32, 32)
    assert int((images.holdout.int() - expected.int()).abs().max()) <= 1


def test_channels_may_come_first(tmp_path: Path) -> None:
    train, test = noise(4, 3, 32, 32), noise(3, 3, 32, 32)
    images = data.load(saved(tmp_path / "a.npz", train_images=train, test_images=test))
    assert np.array_equal(images.train.numpy(), train)


@pytest.mark.parametrize(
    ("height", "width", "asked", "side"), [(63, 80, None, 32), (64, 80, None, 64), (90, 64, 32, 32)]
)
def test_the_resolution_is_64_from_64_pixels_on_unless_told(
    tmp_path: Path, height: int, width: int, asked: int | None, side: int
) -> None:
    train = noise(2, height, width, 3)
    images = data.load(saved(tmp_path / "a.npz", train_images=train, test_images=train), image_size=asked)
    shorter = min(height, width)
    cut = functional.center_crop(torch.from_numpy(train).permute(0, 3, 1, 2), [shorter, shorter])
    expected = functional.resize(cut, [side, side], antialias=True)
    assert images.image_shape == (3, side, side)
    assert int((images.train.int() - expected.int()).abs().max()) <= 1


def test_a_file_is_also_looked_for_in_the_data_folder(tmp_path: Path) -> None:
    saved(tmp_path / "mine.npz", train_images=noise(2, 32, 32), test_images=noise(1, 32, 32))
    assert len(data.load("npz:mine.npz", tmp_path).train) == 2


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        (noise(4, 32, 32, 2), r"must have 1 or 3 channels, got (4, 32, 32, 2)."),
        (noise(4, 3, 9, 3), "must have unambiguous axes, got (4, 3, 9, 3)"),
        (noise(4, 32), "must be N x H x W, N x H x W x C or N x C x H x W with N > 0, got (4, 32)."),
        (noise(0, 32, 32), "with N > 0, got (0, 32, 32)."),
        (noise(4, 32, 32) / 255, "must be uint8 (0 to 255), got float64 from 0 to 1. Multiply images in [0, 1] by 255"),
    ],
)
def test_an_array_that_is_not_a_stack_of_images_is_refused(tmp_path: Path, train: np.ndarray, sentence: str) -> None:
    message = refusal(saved(tmp_path / "a.npz", train_images=train, test_images=noise(2, 32, 32)))
    assert message.startswith(f"{tmp_path / 'a.npz'}: the array train_images")
    assert sentence in message


def test_grey_training_and_coloured_test_images_are_refused(tmp_path: Path) -> None:
    dataset = saved(tmp_path / "a.npz", train_images=noise(2, 32, 32), test_images=noise(2, 32, 32, 3))
    assert "train_images and test_images must have the same number of channels, got 1 and 3" in refusal(dataset)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    objects = np.array([{"not": "pixels"}], dtype=object)
    message = refusal(saved(tmp_path / "a.npz", train_images=objects, test_images=noise(2, 32, 32)))
    assert "the array train_images cannot be read (it holds Python objects, which are never unpickled" in message


def test_both_naming_schemes_or_neither_are_refused(tmp_path: Path) -> None:
    names = ("train_images", "test_images", "x_train", "x_test")
    assert ", got both (its arrays: " in refusal(saved(tmp_path / "a.npz", **dict.fromkeys(names, noise(2, 32, 32))))
    assert ", got neither (its arrays: other)" in refusal(saved(tmp_path / "b.npz", other=noise(2, 32, 32)))


def test_a_missing_a_foreign_and_a_cut_short_file_are_named(tmp_path: Path) -> None:
    assert refusal(f"npz:{tmp_path / 'none.npz'}").endswith(
        f", got {tmp_path / 'none.npz'}, which is neither a file nor one in data."
    )
    (tmp_path / "page.npz").write_text("<html>404</html>")
    assert "page.npz is not an npz file, or is cut short" in refusal(f"npz:{tmp_path / 'page.npz'}")
    dataset = saved(tmp_path / "a.npz", train_images=noise(9, 32, 32), test_images=noise(2, 32, 32))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    assert "a.npz is not an npz file, or is cut short" in refusal(dataset)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    dataset = saved(tmp_path / "a.npz", train_images=noise(9, 32, 32), test_images=noise(2, 32, 32))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[2000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    assert "the array train_images cannot be read (Bad CRC-32" in refusal(dataset)
