"""The classifier is trained on labels, seeded and cached, and is called what it is; most data here are patterns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from evae import data
from evae.features import FeatureNetwork, classifier, distance, feature_network, statistics_of
from evae.features.classifier import Classifier, classifier_network
from foundation.errors import InputError

CLASSES = 3


def patterns(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a brighter band: rows near the top, columns near the left or nothing, by the class."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    images = random.integers(0, 100, (count, side, side))
    images[labels == 0, : side // 4] += 90
    images[labels == 1, :, : side // 4] += 90
    return images.astype(np.uint8), labels


def saved(folder: Path, side: int = 32, turned: int = 0) -> str:
    """An archive of patterns, of which the given number of training labels are those of other classes."""
    (train, train_labels), (test, test_labels) = patterns(90, side, 1), patterns(30, side, 2)
    train_labels[:turned] += 1
    path = folder / f"patterns-{side}-{turned}.npz"
    np.savez(
        path,
        train_images=train,
        test_images=test,
        train_labels=train_labels % CLASSES,
        test_labels=test_labels,
    )
    return f"npz:{path}"


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "STEPS", 40)
    monkeypatch.setattr(classifier, "BATCH", 32)


def module_of(network: FeatureNetwork) -> Classifier:
    assert isinstance(network.module, Classifier)
    return network.module


def same_weights(a: FeatureNetwork, b: FeatureNetwork) -> bool:
    pairs = zip(a.module.state_dict().values(), b.module.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("side", [32, 64])
def test_it_learns_what_labels_show_and_states_the_accuracy_that_it_has(
    side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "STEPS", 100)
    dataset = saved(tmp_path, side)
    found = classifier_network(dataset, cache=tmp_path / "cache")
    images, labels = data.load(dataset), data.load_labels(dataset)
    logits = module_of(found).head(found.features(images.holdout))
    accuracy = float((logits.argmax(1) == labels.holdout).double().mean())
    assert found.document()["holdout_accuracy"] == pytest.approx(accuracy, abs=1e-12)
    assert accuracy > 0.9


def test_the_accuracy_stated_is_poor_where_labels_say_nothing(tmp_path: Path) -> None:
    dataset = saved(tmp_path, turned=45)
    found = classifier_network(dataset, cache=tmp_path / "cache")
    assert found.document()["holdout_accuracy"] < 0.9


@pytest.mark.parametrize(("side", "stages"), [(32, 3), (64, 4)])
def test_features_are_means_over_the_last_maps_of_four_by_four(side: int, stages: int, tmp_path: Path) -> None:
    dataset = saved(tmp_path, side)
    found = classifier_network(dataset, cache=tmp_path / "cache")
    pixels = data.load(dataset).holdout[:7]
    features, module = found.features(pixels), module_of(found)
    with torch.no_grad():
        maps = module.convolutions(pixels.float() / 255)
    assert maps.shape == (7, 128, 4, 4)
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in module.convolutions) == stages
    assert features.shape == (7, found.dimension) == (7, 128)
    assert features.dtype == torch.float32
    assert torch.allclose(features, maps.mean((2, 3)), atol=1e-5)
    assert float(features.std(0).max()) > 0


def test_the_seed_decides_the_classifier_and_the_callers_random_state_stays(tmp_path: Path) -> None:
    dataset, before = saved(tmp_path), torch.get_rng_state()
    first = classifier_network(dataset, cache=tmp_path / "one", seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again = classifier_network(dataset, cache=tmp_path / "two", seed=3)
    other = classifier_network(dataset, cache=tmp_path / "one", seed=4)
    assert same_weights(first, again)
    assert first.identity == again.identity
    assert not same_weights(first, other)
    assert first.identity != other.identity


def trainings(dataset: str, cache: Path, seed: int = 0) -> tuple[FeatureNetwork, int]:
    """The network, and how many steps it was trained for it."""
    told: list[str] = []
    found = classifier_network(dataset, cache=cache, seed=seed, progress=lambda what, *_: told.append(what))
    return found, told.count("training the classifier")


def test_it_is_trained_once_and_then_read_until_images_labels_or_seed_change(tmp_path: Path) -> None:
    dataset, cache = saved(tmp_path), tmp_path / "cache"
    (trained, steps), (read, none) = trainings(dataset, cache), trainings(dataset, cache)
    assert (steps, none) == (42, 0)
    assert same_weights(trained, read)
    assert trained.document() == read.document()
    assert trainings(dataset, cache, seed=1)[1] == 42
    assert trainings(saved(tmp_path, turned=1), cache)[1] == 42
    path = tmp_path / "patterns-32-0.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["test_images"][0, 0, 0] ^= 1
    np.savez(path, **arrays)
    assert trainings(dataset, cache)[1] == 42


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-100], lambda content: content[:-1] + bytes([content[-1] ^ 1]), lambda _content: b""],
)
def test_a_damaged_classifier_is_trained_again(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    dataset, cache = saved(tmp_path), tmp_path / "cache"
    whole, _ = trainings(dataset, cache)
    (path,) = cache.glob("*.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    again, steps = trainings(dataset, cache)
    assert steps == 42
    assert same_weights(whole, again)


def test_a_small_data_set_is_passed_over_as_often_as_the_steps_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "STEPS", 7)
    found, steps = trainings(saved(tmp_path), tmp_path / "cache")
    assert (found.document()["epochs"], steps) == (classifier.EPOCHS, 12)


def test_the_document_says_what_it_is_and_is_not_fid(tmp_path: Path) -> None:
    dataset = saved(tmp_path)
    document = json.loads(json.dumps(classifier_network(dataset, cache=tmp_path / "cache", seed=5).document()))
    assert document["title"] == "Fréchet distance of classifier features"
    stated = {name: document[name] for name in ("name", "dimension", "trained_on", "seed", "epochs", "classes")}
    assert stated == {
        "name": "classifier",
        "dimension": 128,
        "trained_on": dataset,
        "seed": 5,
        "epochs": 14,
        "classes": CLASSES,
    }
    assert (document["training_images"], document["holdout_images"]) == (90, 30)
    assert len(document["weights_sha256"]) == 64


def test_on_digits_held_out_digits_are_near_and_blurred_or_upturned_ones_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(classifier, "STEPS", 150)
    found = feature_network("classifier", dataset="digits")
    assert found.document()["holdout_accuracy"] > 0.95
    assert list((tmp_path / "epanechnikov-vae" / "classifiers").glob("*.safetensors"))
    images = data.load("digits")
    train = statistics_of(found, [images.train])
    blurred = torch.nn.functional.avg_pool2d(images.holdout.float(), 9, 1, 4).round().to(torch.uint8)
    near, *far = (
        distance(train, statistics_of(found, [pixels])) for pixels in (images.holdout, blurred, images.holdout.flip(2))
    )
    assert min(far) > 5 * near


def test_a_data_set_without_labels_is_refused_before_its_images_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        feature_network("classifier", dataset="celeba", data_dir=tmp_path)
    message = str(refused.value)
    assert message.startswith("celeba has no class labels")
    assert message.endswith(" --features imagenet needs no labels, and --features none leaves the distance out.")


def test_inceptions_weights_do_nothing_for_it_and_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="--inception-weights applies to --features inception only, got --features classifier"
    ):
        feature_network("classifier", dataset="digits", inception_weights=tmp_path / "weights.pth")
