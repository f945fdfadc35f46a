"""Images and labels that are given in Python."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import evae.data as data
from evae.data.arrays import as_image_data
from evae.exceptions import DataWarning
from foundation.errors import InputError

GREY = np.random.default_rng(3).integers(0, 256, (6, 5, 5), dtype=np.uint8)

COLOUR = np.random.default_rng(4).integers(0, 256, (6, 5, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "given",
    [
        GREY,
        GREY[:, None],
        GREY[..., None],
        torch.from_numpy(GREY),
        GREY / 255,
        (GREY / np.float32(255)).astype(np.float32),
        torch.from_numpy(GREY / 255).requires_grad_(),
    ],
)
def test_the_same_grey_images_in_any_form_have_the_same_pixels(given: object) -> None:
    images = data.from_arrays(given, given)
    assert torch.equal(images.train, torch.from_numpy(GREY)[:, None])
    assert images.image_shape == (1, 5, 5)


def test_colours_may_come_first_or_last() -> None:
    last, first = data.from_arrays(COLOUR, COLOUR), data.from_arrays(np.moveaxis(COLOUR, 3, 1), COLOUR)
    assert torch.equal(last.train, first.train)
    assert last.document()["sha256"] == first.document()["sha256"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (GREY / 200, "must be floating point in [0, 1] or uint8 from 0 to 255, got float64 from 0"),
        (GREY / 255 - 0.1, "must be floating point in [0, 1]"),
        (np.full((2, 5, 5), np.nan), "must be finite"),
        (GREY.astype(np.int64), "must be uint8 (0 to 255), got int64 from "),
        (GREY[:, :4], "images must be square, got 4x5 pixels"),
        (GREY[0], "must be N x H x W"),
        (GREY // 64, "must be on the scale from 0 to 255"),
        ("digits", "must be N x H x W"),
    ],
)
def test_other_images_are_refused(given: object, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        data.from_arrays(given, given)


def test_images_that_lose_digits_are_announced() -> None:
    with pytest.warns(DataWarning, match="training images are rounded to 8 bits, which changes pixels by up to 0.00"):
        data.from_arrays(np.linspace(0, 1, 50).reshape(2, 5, 5), GREY)


def test_both_splits_have_the_same_shape() -> None:
    with pytest.raises(InputError, match=re.escape("must have the same shape, got (1, 5, 5) and (3, 5, 5)")):
        data.from_arrays(GREY, COLOUR)


def test_labels_are_numbered_and_must_be_one_for_each_image() -> None:
    images = data.from_arrays(GREY, GREY[:2], labels=(np.array(["b", "a"] * 3), np.array(["a", "b"])))
    assert images.labels is not None
    assert images.labels.train.tolist() == [1, 0] * 3
    assert (images.labels.holdout.tolist(), images.labels.classes) == ([0, 1], 2)
    with pytest.raises(InputError, match="labels of the hold-out images must be 2 integers or strings"):
        data.from_arrays(GREY, GREY[:2], labels=(np.arange(6), np.arange(3)))


@pytest.mark.parametrize("given", ["digits", GREY, (GREY, GREY, GREY), 3])
def test_anything_else_than_a_pair_is_refused(given: object) -> None:
    with pytest.raises(InputError, match="must be a pair of training and hold-out images"):
        as_image_data(given)  # type: ignore[arg-type]
