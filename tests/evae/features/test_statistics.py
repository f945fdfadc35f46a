"""Statistics of features are NumPy's, however the images are cut; the cache gives what was computed, or nothing."""

from __future__ import annotations

import inspect
import json
import threading
import time
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from pytorch_fid import fid_score
from scipy import linalg
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from evae.features import (
    FeatureNetwork,
    FeatureStatistics,
    distance,
    feature_network,
    few_images,
    load_or_compute_statistics,
    network,
    statistics_of,
)
from evae.features.statistics import FEW_IMAGES, FeatureMoments
from evae.features.store import CacheEntry, load_or_compute
from foundation.errors import CacheWarning, InputError

DIMENSION = 12


class Projection(nn.Module):
    """A seeded random layer of images of 4 x 4, which counts the images that it sees."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("matrix", torch.randn(DIMENSION, 48, generator=generator))
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return (images.flatten(1) @ self.get_buffer("matrix").T).relu()


class StandIn(FeatureNetwork):
    """A network of the `Projection` with that seed."""

    name: ClassVar[str] = "stand-in"
    dimension: ClassVar[int] = DIMENSION
    recipe: ClassVar[str] = "a projection"

    @property
    def title(self) -> str:
        return "distance of a stand-in"

    @property
    def seen(self) -> int:
        assert isinstance(self.module, Projection)
        return self.module.seen

    def _of(self, images: Tensor) -> Tensor:
        features: Tensor = self.module(images.expand(-1, 3, -1, -1))
        return features


def stand_in(seed: int = 0) -> StandIn:
    return StandIn(Projection(seed), torch.device("cpu"), f"{seed}")


def noise(count: int, seed: int, channels: int = 3) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256 - 20 * seed, (count, channels, 4, 4)).astype(np.uint8))


def statistics(pixels: Tensor) -> FeatureStatistics:
    return statistics_of(stand_in(), [pixels])


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("chunk", [3, 50])
def test_statistics_are_numpys_however_the_images_are_cut(
    size: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "CHUNK", chunk)
    found = statistics_of(stand_in(), noise(130, 1).split(size))
    features = stand_in().features(noise(130, 1)).double().numpy()
    assert found.images == 130
    assert found.mean.dtype == found.covariance.dtype == np.float64
    assert np.allclose(found.mean, features.mean(0), rtol=1e-6)
    assert np.allclose(found.covariance, np.cov(features.T), rtol=1e-5, atol=1e-6)


def test_no_digits_are_lost_where_the_mean_is_large_compared_with_the_deviations() -> None:
    """Sums of squares in double precision lose all digits of this covariance."""
    deviations = np.random.default_rng(3).standard_normal((500, 4))
    vectors = 1e9 + deviations
    moments = FeatureMoments(4)
    for chunk in np.array_split(vectors, 13):
        moments.add(chunk)
    expected = np.cov((vectors - 1e9).T)
    assert np.allclose(moments.statistics().covariance, expected, rtol=1e-5, atol=1e-6)
    naive = (vectors.T @ vectors - 500 * np.outer(vectors.mean(0), vectors.mean(0))) / 499
    assert not np.allclose(naive, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_covariance(count: int) -> None:
    with pytest.raises(InputError, match=f"the number of images must be at least 2 for a covariance, got {count}"):
        statistics_of(stand_in(), [noise(1, 1)] * count)


class Peer(nn.Module):
    """The stand-in as torchmetrics takes networks."""

    num_features = DIMENSION

    def forward(self, pixels: Tensor) -> Tensor:
        return stand_in().features(pixels).double()


def test_the_distance_of_images_is_torchmetrics() -> None:
    real, made = noise(300, 1), noise(200, 2, channels=1)
    metric = FrechetInceptionDistance(feature=Peer()).set_dtype(torch.float64)
    for chunk in real.split(70):
        metric.update(chunk, real=True)
    metric.update(made, real=False)
    ours = distance(statistics(real), statistics(made))
    assert ours > 0.01
    assert float(metric.compute()) == pytest.approx(ours, rel=1e-6)


@pytest.mark.skipif(
    "disp" not in inspect.signature(linalg.sqrtm).parameters,
    reason="pytorch-fid 0.3 passes disp to SciPy's sqrtm, which this SciPy's has not",
)
def test_the_distance_of_images_is_pytorch_fids() -> None:
    ours = [statistics(noise(300, 1)), statistics(noise(200, 2))]
    laws = [moment for found in ours for moment in (found.mean, found.covariance)]
    with warnings.catch_warnings():
        # SciPy deprecates the argument before it goes.
        warnings.simplefilter("ignore", DeprecationWarning)
        assert distance(*ours) == pytest.approx(fid_score.calculate_frechet_distance(*laws), rel=1e-6)


def test_grey_images_are_coloured_ones_with_equal_channels() -> None:
    grey = noise(9, 1, channels=1)
    assert torch.equal(stand_in().features(grey), stand_in().features(grey.repeat(1, 3, 1, 1)))


def test_features_are_in_single_precision_whatever_the_callers_block_computes_in() -> None:
    expected = stand_in().features(noise(9, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = stand_in().features(noise(9, 1))
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (torch.rand(2, 3, 4, 4), r"images must be uint8 \(0 to 255\), got torch\.float32. Round them by"),
        (torch.zeros(2, 2, 4, 4, dtype=torch.uint8), r"shape \(n, 1 or 3, S, S\) with n >= 1, got \(2, 2, 4, 4\)"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), r"got \(2, 3, 4, 5\)"),
        (torch.zeros(0, 3, 4, 4, dtype=torch.uint8), r"got \(0, 3, 4, 4\)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), r"got \(3, 4, 4\)"),
    ],
)
def test_what_is_not_a_stack_of_8_bit_images_is_refused(pixels: Tensor, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        stand_in().features(pixels)


def same(a: FeatureStatistics, b: FeatureStatistics) -> bool:
    return a.images == b.images and np.array_equal(a.mean, b.mean) and np.array_equal(a.covariance, b.covariance)


def test_statistics_are_computed_once_and_then_read(tmp_path: Path) -> None:
    first, second, pixels = stand_in(), stand_in(), noise(130, 1)
    told: list[tuple[int, int]] = []
    computed = load_or_compute_statistics(
        first, pixels, cache=tmp_path / "new", progress=lambda _what, done, total: told.append((done, total))
    )
    assert told == [(50, 130), (100, 130), (130, 130)]
    read = load_or_compute_statistics(second, pixels, cache=tmp_path / "new")
    assert (first.seen, second.seen) == (130, 0)
    assert same(read, computed)
    assert same(computed, statistics_of(stand_in(), pixels.split(50)))


def test_other_images_another_shape_or_another_network_are_computed_again(tmp_path: Path) -> None:
    pixels = noise(40, 1)
    load_or_compute_statistics(stand_in(), pixels, cache=tmp_path)
    altered = pixels.clone()
    altered[-1, -1, -1, -1] ^= 1
    as_grey = pixels.reshape(120, 1, 4, 4)
    for found, images in ((stand_in(), altered), (stand_in(), as_grey), (stand_in(1), pixels)):
        assert same(load_or_compute_statistics(found, images, cache=tmp_path), statistics_of(found, images.split(50)))
        assert found.seen == 2 * len(images)


def flipped(position: int) -> object:
    def damage(content: bytes) -> bytes:
        altered = bytearray(content)
        altered[position] ^= 1
        return bytes(altered)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda _content: b"",
        lambda content: content[:-8],
        lambda content: content + b"\0",
        lambda content: content.replace(b'images\\":40', b'images\\":41').replace(b'images\\": 40', b'images\\": 41'),
        lambda _content: b"\xff" * 64,
        lambda _content: b"[]".rjust(10, b"\0"),
        flipped(0),
        flipped(60),
        flipped(-1),
    ],
)
def test_a_damaged_entry_is_noticed_and_made_again(damage: object, tmp_path: Path) -> None:
    pixels, found = noise(40, 1), stand_in()
    computed = load_or_compute_statistics(found, pixels, cache=tmp_path)
    (path,) = tmp_path.glob("*.safetensors")
    content = path.read_bytes()
    path.write_bytes(damage(content))  # type: ignore[operator]
    assert path.read_bytes() != content
    for _ in range(2):
        assert same(load_or_compute_statistics(found, pixels, cache=tmp_path), computed)
        assert found.seen == 80


def test_an_entry_under_anothers_name_is_not_taken(tmp_path: Path) -> None:
    load_or_compute(tmp_path, "a" * 64, lambda: CacheEntry({"x": torch.zeros(1)}, {}))
    (tmp_path / f"{'a' * 24}.safetensors").rename(tmp_path / f"{'b' * 24}.safetensors")
    assert load_or_compute(tmp_path, "b" * 64, lambda: CacheEntry({"x": torch.ones(1)}, {})).tensors["x"].item() == 1


def test_what_is_loaded_is_written_in_a_document_as_what_was_computed(tmp_path: Path) -> None:
    entry = CacheEntry({"x": torch.zeros(1)}, {"seed": 0, "accuracy": 0.5, "classes": 10})
    computed, loaded = (load_or_compute(tmp_path, "a" * 64, lambda: entry) for _ in range(2))
    assert loaded is not computed
    assert json.dumps(loaded.facts) == json.dumps(computed.facts)


def test_two_that_want_the_same_entry_at_once_make_it_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> CacheEntry:
        time.sleep(0.3)
        made.append(1)
        return CacheEntry({"x": torch.zeros(1)}, {})

    threads = [threading.Thread(target=load_or_compute, args=(tmp_path, "a" * 64, make)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_nothing_is_left_behind_where_an_entry_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="number of images must be at least 2"):
        load_or_compute_statistics(stand_in(), noise(1, 1), cache=tmp_path)
    assert list(tmp_path.glob("*.safetensors")) == []
    assert load_or_compute_statistics(stand_in(), noise(2, 1), cache=tmp_path).images == 2


def test_a_cache_that_cannot_be_written_to_costs_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(CacheWarning, match=r"file/cache cannot be written \(.*\)\. Set XDG_CACHE_HOME to a folder that"):
        assert load_or_compute_statistics(stand_in(), noise(4, 1), cache=tmp_path / "file" / "cache").images == 4


def test_the_users_cache_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_or_compute_statistics(stand_in(), noise(4, 1))
    assert len(list((tmp_path / "epanechnikov-vae" / "statistics").glob("*.safetensors"))) == 1


def of_images(images: int, dimension: int) -> FeatureStatistics:
    return FeatureStatistics(images, np.zeros(dimension), np.eye(dimension))


def test_few_images_are_warned_of_and_enough_are_not() -> None:
    enough = of_images(FEW_IMAGES, 128)
    assert few_images(enough, enough) is None
    few = few_images(enough, of_images(FEW_IMAGES - 1, 128))
    assert few is not None
    assert "rests on 2,047 images, and comes out too large with few" in few
    assert "take at least 2,048" in few
    singular = few_images(of_images(128, 128), enough)
    assert singular is not None
    assert "rests on 128 images, whose covariance of 128 features is singular" in singular
    inception = few_images(of_images(2048, 2048), of_images(10_000, 2048))
    assert inception is not None
    assert "take at least 2,049" in inception


def test_few_images_do_come_out_too_large() -> None:
    """What the warning says: two samples of one law, at 20 and at 2,048 images."""
    near, far = (distance(statistics(noise(n, 0)), statistics(noise(2 * n, 0)[n:])) for n in (2048, 20))
    assert far > 10 * near


def test_an_unknown_network_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"--features 'inceptoin' is not known\. Did you mean inception\?"):
        feature_network("inceptoin", dataset="digits")
