"""Mean and covariance of features in double precision, computed in chunks, and the Fréchet distance of two sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evae.features.network import CHUNK, FeatureNetwork
from evae.features.store import CacheEntry, load_or_compute
from evae.metrics import frechet_distance
from evae.runs.fingerprints import tensors_sha256
from foundation.errors import InputError
from foundation.files import locate_user_cache
from foundation.progress import ProgressCallback, ignore_progress
from foundation.types import Array

#: The number of Inception's features. The bias of the distance decreases with the number of images; it is large below.
FEW_IMAGES = 2048

#: Version of the statistics: changes whenever the same network and images would give others.
VERSION = 1


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Number of images, and the ``mean`` (d,) and unbiased ``covariance`` (d, d) of their features; float64."""

    images: int
    mean: Array
    covariance: Array


class FeatureMoments:
    """Running count, mean and centred second moment of vectors added in chunks.

    Each chunk is centred at its mean and then combined (Chan, Golub and LeVeque, 1983): unlike sums of squares, this
    loses no digits if the mean is large compared with the deviations.
    """

    def __init__(self, dimension: int) -> None:
        self.count = 0
        self.mean: Array = np.zeros(dimension)
        self.scatter: Array = np.zeros((dimension, dimension))

    def add(self, vectors: Array) -> None:
        """Add vectors of shape (n, d), n >= 1."""
        count = len(vectors)
        total = self.count + count
        mean = vectors.mean(0)
        centred, shift = vectors - mean, mean - self.mean
        # The scatter around the common mean: that around each part's mean, and the distance of the two means.
        self.scatter += centred.T @ centred + np.outer(shift, shift) * (self.count * count / total)
        self.mean += shift * (count / total)
        self.count = total

    def statistics(self) -> FeatureStatistics:
        """Return the statistics of all vectors; raises `InputError` if there are fewer than two."""
        if self.count < 2:
            raise InputError(f"the number of images must be at least 2 for a covariance, got {self.count}.")
        return FeatureStatistics(self.count, self.mean.copy(), self.scatter / (self.count - 1))


def statistics_of(network: FeatureNetwork, chunks: Iterable[Tensor]) -> FeatureStatistics:
    """Compute the statistics of a network's features of images given in chunks.

    Parameters
    ----------
    network : FeatureNetwork
    chunks : iterable of Tensor
        uint8 images of shape (n, C, S, S), as for `FeatureNetwork.features`; only one is held in memory.

    Raises
    ------
    InputError
        If there are fewer than two images in total.
    """
    moments = FeatureMoments(network.dimension)
    for chunk in chunks:
        moments.add(network.features(chunk).double().cpu().numpy())
    return moments.statistics()


def load_or_compute_statistics(
    network: FeatureNetwork, pixels: Tensor, *, cache: Path | None = None, progress: ProgressCallback = ignore_progress
) -> FeatureStatistics:
    """Return the statistics of a network's features of images, computed once and cached on disk.

    Parameters
    ----------
    network : FeatureNetwork
    pixels : Tensor
        uint8, shape (N, C, S, S), N >= 2.
    cache : Path, optional
        The folder of the cache; by default the user's cache folder.
    progress : function, optional
        Callback (task, images done, total), called during the computation.

    Raises
    ------
    InputError
        If there are fewer than two images, or the cache cannot be written to.
    """
    # The key identifies the network and the exact pixels, so that an entry never becomes stale.
    key = f"{VERSION}\n{network.identity}\n{tensors_sha256({'pixels': pixels})}"

    def make() -> CacheEntry:
        found = statistics_of(network, _report_progress(pixels, progress))
        tensors = {"mean": torch.from_numpy(found.mean), "covariance": torch.from_numpy(found.covariance)}
        return CacheEntry(tensors, {"images": found.images})

    entry = load_or_compute(cache or locate_user_cache("statistics"), hashlib.sha256(key.encode()).hexdigest(), make)
    mean, covariance = (entry.tensors[name].numpy() for name in ("mean", "covariance"))
    return FeatureStatistics(entry.facts["images"], mean, covariance)


def distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Return the (squared) Fréchet distance between the normal laws with these means and covariances."""
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)


def few_images(a: FeatureStatistics, b: FeatureStatistics) -> str | None:
    """Return a warning if a distance is based on few images, else None."""
    fewest, dimension = min(a.images, b.images), a.mean.size
    if fewest <= dimension:
        return (
            f"The Fréchet distance rests on {fewest:,} images, whose covariance of {dimension:,} features is singular: "
            f"it is far too large. Compare it only with one of as many images, or take at least {_enough(dimension):,}."
        )
    if fewest < FEW_IMAGES:
        return (
            f"The Fréchet distance rests on {fewest:,} images, and comes out too large with few. Compare it only with "
            f"one of as many images, or take at least {_enough(dimension):,}."
        )
    return None


def _enough(dimension: int) -> int:
    return max(FEW_IMAGES, dimension + 1)


def _report_progress(pixels: Tensor, progress: ProgressCallback) -> Iterable[Tensor]:
    """Yield the images in chunks, and report the number done."""
    done = 0
    for chunk in pixels.split(CHUNK):
        yield chunk
        done += len(chunk)
        progress("features of images", done, len(pixels))
