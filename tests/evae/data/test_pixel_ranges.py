"""Pixels of any type and range are accepted on the right scale, or refused in a sentence that names the value."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evae import data
from evae.data.images import DARK, DIM, as_images, resize
from evae.exceptions import DataWarning
from evae.metrics import eight_bit
from evae.models.vae import VAE
from foundation.errors import InputError
from tests.support.hostile.mutations import examples

TYPES = ("u1", "i1", "u2", "i2", "i4", "u8", "i8", "f2", "f4", "f8", "?")


def ramp(dtype: str, lowest: float, highest: float) -> NDArray[np.generic]:
    """Images (2, 32, 32) from the lowest to the highest value."""
    return np.linspace(lowest, highest, 2 * 32 * 32).reshape(2, 32, 32).astype(dtype)


def save(path: Path, train: NDArray[np.generic], test: NDArray[np.generic] | None = None) -> str:
    np.savez(path, train_images=train, test_images=train if test is None else test)
    return f"npz:{path}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranges")


BOUNDS = st.one_of(
    st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 16.0, 17.0, 127.0, 128.0, 255.0, 256.0, 6e4]), st.floats(-300, 300)
)


@given(st.sampled_from(TYPES), BOUNDS, BOUNDS)
@examples(120)
def test_an_array_is_read_as_it_is_or_refused_with_its_largest_value_or_its_type(
    place: Path, dtype: str, one: float, other: float
) -> None:
    lowest, highest = sorted((one, other))
    if np.dtype(dtype).kind in "ui":
        bounds = np.iinfo(dtype)
        lowest, highest = np.clip([lowest, highest], bounds.min, bounds.max)
    array = ramp(dtype, lowest, highest)
    dataset = save(place / "a.npz", array)
    brightest = array.max()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found = data.load(dataset)
        except InputError as error:
            message = str(error)
            assert dtype != "u1" or brightest <= DARK
            if dtype == "u1":
                assert f"got a largest value of {brightest} at 32x32" in message
            elif dtype == "?":
                assert "got bool. Convert it by" in message
            else:
                assert f"got {array.dtype} from {float(array.min()):g} to {float(brightest):g}. " in message
            return
    assert dtype == "u1"
    assert np.array_equal(found.train[:, 0].numpy(), array)
    assert bool(warned) == (brightest <= DIM)
    assert all(f"the brightest pixel is {brightest} of 255" in str(one.message) for one in warned)


@pytest.mark.parametrize(
    ("lowest", "highest", "remedy"),
    [
        (0, 1, "(255 * images).round().astype('uint8')"),
        (-1, 1, "(127.5 * (images + 1)).round().astype('uint8')"),
        (0, 255, "images.round().astype('uint8')"),
    ],
)
def test_the_remedy_for_floats_gives_an_array_that_is_read(
    tmp_path: Path, lowest: float, highest: float, remedy: str
) -> None:
    images = ramp("f4", lowest, highest)
    with pytest.raises(InputError) as refused:
        data.load(save(tmp_path / "a.npz", images))
    assert remedy in str(refused.value)
    found = data.load(save(tmp_path / "a.npz", eval(remedy, {"images": images})))
    assert (int(found.train.min()), int(found.train.max())) == (0, 255)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(tmp_path: Path, value: float) -> None:
    images = ramp("f8", 0, 1)
    images[0, 3, 4:6] = value
    with pytest.raises(InputError, match="got float64 with 2 values that are NaN or infinite"):
        data.load(save(tmp_path / "a.npz", images))


def test_dark_hold_out_images_are_refused_although_the_training_images_are_not(tmp_path: Path) -> None:
    dataset = save(tmp_path / "a.npz", ramp("u1", 0, 255), ramp("u1", 0, 1))
    with pytest.raises(InputError, match=r"pixels of the hold-out images must be .*, got a largest value of 1"):
        data.load(dataset)


def test_a_dim_data_set_is_a_warning_with_the_factor(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match=r"the brightest pixel is 51 of 255\. .* multiply them by 5\."):
        data.load(save(tmp_path / "a.npz", ramp("u1", 0, 51)))


@pytest.fixture(scope="module")
def model() -> VAE:
    torch.manual_seed(0)
    return VAE.appendix_b((1, 32, 32), 2, "gaussian").eval()


@given(st.sampled_from([torch.float16, torch.float32, torch.float64]), st.floats(-2, 300), st.floats(-2, 300))
@examples(40)
@torch.no_grad()
def test_encode_and_reconstruct_take_the_unit_interval_alone(
    model: VAE, dtype: torch.dtype, one: float, other: float
) -> None:
    lowest, highest = sorted((one, other))
    images = torch.linspace(lowest, highest, 32 * 32, dtype=torch.float64).reshape(1, 1, 32, 32).to(dtype)
    if images.min() >= 0 and images.max() <= 1:
        assert torch.equal(model.encode(images).mean, model.encode(images.float()).mean)
        assert model.reconstruct(images).shape == images.shape
        return
    for read in (model.encode, model.reconstruct, eight_bit):
        with pytest.raises(InputError) as refused:
            read(images)
        named = f"got values from {float(images.min()):g} to {float(images.max()):g}. "
        assert named in str(refused.value)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((1, 1, 32, 32)), "must be a torch.Tensor, got ndarray"),
        (torch.zeros(1, 1, 32, 32, dtype=torch.uint8), "got torch.uint8. Convert 8-bit pixels by evae.data.as_images"),
        (torch.zeros(1, 1, 32, 32, dtype=torch.int64), "must be floating point in [0, 1], got torch.int64"),
        (torch.full((1, 1, 32, 32), 255.0), "got values from 255 to 255. Divide 8-bit values by 255."),
        (torch.full((1, 1, 32, 32), torch.nan), "must lie in [0, 1], got 1,024 that are NaN."),
        (torch.full((1, 1, 32, 32), torch.inf), "got values from inf to inf. Scale them first."),
        (torch.zeros(1, 32, 32), "must have shape (N, 1, 32, 32) with N > 0, got (1, 32, 32)."),
        (torch.zeros(1, 3, 32, 32), "got (1, 3, 32, 32)."),
        (torch.zeros(0, 1, 32, 32), "got (0, 1, 32, 32)."),
        (torch.zeros(1, 1, 32, 32, device="meta"), "must be on the device of the model, cpu, got meta."),
    ],
)
def test_encode_and_reconstruct_refuse_what_they_would_misread(model: VAE, images: torch.Tensor, sentence: str) -> None:
    for read in (model.encode, model.reconstruct):
        with pytest.raises(InputError) as refused:
            read(images)
        assert sentence in str(refused.value)


def test_pixels_are_rounded_to_the_nearest_of_256_values() -> None:
    """Not cut off: that would darken every image by half a step."""
    steps = torch.arange(256, dtype=torch.float64)
    for shift in (-0.49, 0.0, 0.49):
        assert torch.equal(eight_bit(((steps + shift) / 255).clamp(0, 1)), steps.to(torch.uint8))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_eight_bit_takes_no_integers(dtype: torch.dtype) -> None:
    with pytest.raises(InputError, match=rf"must be floating point in \[0, 1\], got {dtype}"):
        eight_bit(torch.ones(1, 1, 3, 3, dtype=dtype))


def test_as_images_and_resize_take_bytes_alone() -> None:
    for read in (as_images, lambda images: resize(images, 16)):
        with pytest.raises(InputError, match=r"pixels must be uint8 \(0 to 255\), got torch.float32"):
            read(torch.rand(1, 1, 32, 32))
