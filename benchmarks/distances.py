"""Fréchet distances of hold-out images from training images, and from themselves blurred or noisy, by features.

python -m benchmarks.distances DATASET [--data-dir DIR] [--images N] [--features NAME …] [--resolution R] [--json FILE]

A distance is useful if training images, which have the same distribution, are nearer than images that are visibly
worse. The hold-out images are compared with the same number of the first training images; pixels are in [0, 1].
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor
from torchvision.transforms import functional as transforms

from benchmarks.shared.report import Target, write
from evae.data import as_images, load
from evae.features import FEATURES, FeatureNetwork, distance, feature_network, load_or_compute_statistics, statistics_of
from evae.features.imagenet import imagenet_network
from evae.metrics import eight_bit

#: Standard deviations of the blur's kernel, in pixels, and of the noise.
BLURS, NOISES = (0.5, 0.7, 1.0, 1.5, 2.0), (0.02, 0.05, 0.1, 0.2)

_AT_A_TIME = 500


def blur(pixels: Tensor, sigma: float) -> Tensor:
    """Blur images with a normal kernel truncated at four standard deviations; return images of 8 bits."""
    side = 2 * round(4 * sigma) + 1
    parts = [
        transforms.gaussian_blur(as_images(part), [side, side], [sigma, sigma]) for part in pixels.split(_AT_A_TIME)
    ]
    return eight_bit(torch.cat(parts))


def add_noise(pixels: Tensor, sigma: float) -> Tensor:
    """Add normal noise, the same at every level except for its scale; return images of 8 bits."""
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(1))
    return eight_bit((as_images(pixels) + sigma * noise).clamp(0, 1))


def distances(network: FeatureNetwork, train: Tensor, holdout: Tensor) -> dict[str, float]:
    """Return the distances of the hold-out images from each set of images, by its name."""
    real = load_or_compute_statistics(network, holdout)
    found = {"training images": distance(real, load_or_compute_statistics(network, train))}
    for sigma in BLURS:
        found[f"blurred, {sigma:g} pixels"] = distance(real, statistics_of(network, [blur(holdout, sigma)]))
    for sigma in NOISES:
        found[f"noisy, {sigma:g}"] = distance(real, statistics_of(network, [add_noise(holdout, sigma)]))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the distances."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distances", description=__doc__.splitlines()[0])
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("--data-dir", default="data", metavar="DIR")
    parser.add_argument("--images", type=int, default=5000, metavar="N", help="of each kind (default 5000)")
    parser.add_argument("--features", nargs="+", choices=FEATURES, default=["imagenet"])
    parser.add_argument(
        "--resolution", type=int, metavar="R", help="resolution of imagenet (default: that of the network)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(arguments)
    data = load(options.dataset, options.data_dir)
    number = min(options.images, len(data.train), len(data.holdout))
    console, documents = Console(width=100), []
    for name in options.features:
        if name == "imagenet" and options.resolution is not None:
            network = imagenet_network(options.resolution)
        else:
            network = feature_network(name, dataset=options.dataset, data_dir=options.data_dir)
        found = distances(network, data.train[:number], data.holdout[:number])
        console.print(f"{options.dataset}, {number:,} images each: {network.title}", highlight=False)
        for images, value in found.items():
            console.print(f"  {images:<24}{value:12.4g}", highlight=False)
        documents.append({"features": network.document(), "images": number, "distances": found})
    nothing: tuple[Target, ...] = ()
    write(options.json, {"dataset": options.dataset, "found": documents}, nothing)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
