"""Features of a small convolutional classifier trained on the labels of the data set, seeded and cached.

Its Fréchet distance is not FID and is comparable only between runs on one data set, where it measures whether images
belong to the classes and vary within them as the data do.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from evae.compute.precision import deterministic_algorithms, full_precision_or_tf32, keep_freed_memory
from evae.compute.random_streams import Stream, generator, stream_seed
from evae.data import ImageData, Labels, as_images, load, load_labels
from evae.features.network import FeatureNetwork
from evae.features.store import CacheEntry, load_or_compute
from evae.runs.fingerprints import tensors_sha256
from foundation.errors import InputError
from foundation.files import locate_user_cache
from foundation.progress import ProgressCallback, ignore_progress

#: Version of the training: changes whenever the same images, labels and seed would give another classifier.
VERSION = 1

#: Number of features of an image: the channels of the last convolution.
WIDTH = 128

#: Batch size, minimum numbers of epochs and steps, and Adam's initial learning rate, which decays linearly to 0.
BATCH, EPOCHS, STEPS, RATE = 128, 4, 600, 3e-3

_MEASURED_AT_A_TIME = 1000


class Classifier(nn.Module):
    """Map images (N, C, S, S) in [0, 1] to logits (N, classes) by 3 x 3 convolutions of stride 2 down to 4 x 4 maps."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (32, 64, WIDTH, WIDTH)[: 4 if side >= 64 else 3]:
            convolution = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        self.convolutions = nn.Sequential(*layers)
        self.head = nn.Linear(WIDTH, classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the spatial mean of the last feature maps, shape (N, 128)."""
        maps: Tensor = self.convolutions(images)
        # Not adaptive pooling, whose gradient has no deterministic implementation on CUDA.
        return maps.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, shape (N, classes)."""
        logits: Tensor = self.head(self.features(images))
        return logits


@dataclass(frozen=True, eq=False)
class ClassifierNetwork(FeatureNetwork):
    """A trained `Classifier`, its data set, and facts about its training such as the accuracy."""

    module: Classifier
    dataset: str
    facts: dict[str, Any]

    name: ClassVar[str] = "classifier"
    dimension: ClassVar[int] = WIDTH
    recipe: ClassVar[str] = f"pooled activations of a classifier of 8-bit images over 255, version {VERSION}"

    @property
    def title(self) -> str:
        """Name of the distance, which is not FID."""
        return "Fréchet distance of classifier features"

    def document(self) -> dict[str, Any]:
        """Return the network's identity and training as a JSON document."""
        return {**super().document(), "trained_on": self.dataset, **self.facts}

    def _of(self, images: Tensor) -> Tensor:
        return self.module.features(images)


def classifier_network(
    dataset: str,
    data_dir: str | Path = "data",
    *,
    image_size: int | None = None,
    skip_undecodable: bool = False,
    fit: str = "resize",
    device: torch.device | str = "cpu",
    seed: int = 0,
    cache: Path | None = None,
    progress: ProgressCallback = ignore_progress,
) -> FeatureNetwork:
    """Return a classifier trained on all training images of a data set, or read from the cache.

    Parameters
    ----------
    dataset, data_dir, image_size, skip_undecodable, fit
        As for `evae.data.load`.
    device : torch.device or str
        Where it is trained and used. The weights depend on the kind of device; the cache keeps the first.
    seed : int
        Determines the initial weights and the order of the images.
    cache : Path, optional
        The folder of the cache; by default the user's cache folder.
    progress : function, optional
        Callback (task, steps done, total), called during training.

    Raises
    ------
    InputError
        If the data set cannot be read or has no class labels, or the cache cannot be written to.
    """
    # Labels first, so that a data set without labels fails before its images are decoded.
    labels = read_labels(dataset, data_dir, image_size=image_size, skip_undecodable=skip_undecodable)
    images = load(
        dataset, data_dir, image_size=image_size, skip_undecodable=skip_undecodable, fit=fit, progress=progress
    )
    return classifier_of(images, labels, dataset, torch.device(device), seed=seed, cache=cache, progress=progress)


def classifier_of(
    images: ImageData,
    labels: Labels,
    dataset: str,
    device: torch.device,
    *,
    seed: int = 0,
    cache: Path | None = None,
    progress: ProgressCallback = ignore_progress,
) -> FeatureNetwork:
    """Return a classifier trained on all of these training images, or read from the cache; see `classifier_network`."""
    key = _key(images, labels, seed)
    entry = load_or_compute(
        cache or locate_user_cache("classifiers"),
        key,
        lambda: train_classifier(images, labels, device, seed=seed, progress=progress),
    )
    # The weights come from the entry in both cases, so that a new and a cached classifier are identical.
    channels, side, _ = images.image_shape
    module = _initial_classifier(channels, side, labels.classes, seed)
    module.load_state_dict(entry.tensors)
    return ClassifierNetwork(module.eval().to(device), device, tensors_sha256(entry.tensors), dataset, entry.facts)


def read_labels(
    dataset: str, data_dir: str | Path = "data", *, image_size: int | None = None, skip_undecodable: bool = False
) -> Labels:
    """Read the labels that a classifier is trained on, as `evae.data.load_labels`; errors name other features."""
    try:
        return load_labels(dataset, data_dir, image_size=image_size, skip_undecodable=skip_undecodable)
    except InputError as error:
        raise InputError(
            f"{error} --features imagenet needs no labels, and --features none leaves the distance out."
        ) from error


def require_labels(given: ImageData) -> Labels:
    """Return the labels of images that are given in Python; raise `InputError` if they were not given."""
    if given.labels is None:
        raise InputError(
            "the images are given without labels, on which --features classifier is trained. Give them by "
            "evae.data.from_arrays(…, labels=…), or use --features imagenet or none."
        )
    return given.labels


def train_classifier(
    images: ImageData,
    labels: Labels,
    device: torch.device,
    *,
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
) -> CacheEntry:
    """Train a classifier; return its weights, with its settings and hold-out accuracy as facts.

    The same seed gives identical bits for the same kind of device, version of torch and number of threads.
    """
    keep_freed_memory(device)
    channels, side, _ = images.image_shape
    # In channels-last format, a step on the CPU takes a fifth less time.
    module = _initial_classifier(channels, side, labels.classes, seed).to(device).to(memory_format=torch.channels_last)
    # At least EPOCHS epochs, and more for small data sets, to reach at least STEPS steps.
    train, targets = images.train.to(device), labels.train.to(device)
    epochs = max(EPOCHS, math.ceil(STEPS / math.ceil(len(train) / BATCH)))
    steps = epochs * math.ceil(len(train) / BATCH)
    # Learning rate: linear decay to 0 at the last step.
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    with deterministic_algorithms(True), full_precision_or_tf32("fp32"):
        for step, batch in enumerate(_batches(len(train), epochs, seed), 1):
            chosen = batch.to(device)
            loss = functional.cross_entropy(module(as_images(train[chosen])), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress("training the classifier", step, steps)
        accuracy = _accuracy(module, images.holdout.to(device), labels.holdout.to(device))
    facts = {
        "seed": seed,
        "epochs": epochs,
        "training_images": len(train),
        "holdout_images": len(images.holdout),
        "classes": labels.classes,
        "holdout_accuracy": accuracy,
        "device": device.type,
        "torch": str(torch.__version__),
    }
    return CacheEntry({name: tensor.cpu().contiguous() for name, tensor in module.state_dict().items()}, facts)


def _initial_classifier(channels: int, side: int, classes: int, seed: int) -> Classifier:
    """Make a classifier with seeded initial weights; preserve the caller's random state."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(seed, Stream.CLASSIFIER))
        return Classifier(channels, side, classes)


def _batches(count: int, epochs: int, seed: int) -> Iterator[Tensor]:
    """Yield batches of image indices, reshuffled in every epoch."""
    for epoch in range(1, epochs + 1):
        yield from torch.randperm(count, generator=generator(seed, Stream.CLASSIFIER, epoch)).split(BATCH)


def _accuracy(module: Classifier, pixels: Tensor, targets: Tensor) -> float:
    """Return the share of images whose true class has the largest logit."""
    module.eval()
    pairs = zip(pixels.split(_MEASURED_AT_A_TIME), targets.split(_MEASURED_AT_A_TIME), strict=True)
    with torch.no_grad():
        right = sum(int((module(as_images(chunk)).argmax(1) == target).sum()) for chunk, target in pairs)
    return right / len(pixels)


def _key(images: ImageData, labels: Labels, seed: int) -> str:
    """Return the SHA-256 (hexadecimal) of everything that determines the classifier."""
    data = {
        "train": images.train,
        "holdout": images.holdout,
        "train_labels": labels.train,
        "holdout_labels": labels.holdout,
    }
    key = json.dumps([VERSION, seed, labels.classes, tensors_sha256(data)])
    return hashlib.sha256(key.encode()).hexdigest()
