"""Features of EfficientNet-Lite0: ours, with folded batch normalisation, against the network by its weights' author.

python -m benchmarks.features [--json FILE] [--threads N] [--images N] [--rounds N]
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from efficientnet_lite_pytorch import EfficientNet
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.shared.report import at_least, at_most, write
from benchmarks.shared.timing import side_by_side
from evae.data import as_images, load
from evae.features.imagenet import CENTRE, LARGE, SCALE, SMALL, imagenet_network, read_state

Features = Callable[[Tensor], Tensor]


def prepare(pixels: Tensor, resolution: int) -> Tensor:
    """Resize and normalise grey images (N, 1, S, S) of 8 bits for the network."""
    resized = functional.interpolate(as_images(pixels), size=(resolution, resolution), mode="bilinear")
    return ((255 * resized - CENTRE) / SCALE).expand(-1, 3, -1, -1)


def by_the_author(resolution: int, memory_format: torch.memory_format) -> Features:
    """Build the author's network, whose batch normalisations are layers, in a memory format."""
    model = EfficientNet.from_name("efficientnet-lite0", image_size=resolution)
    model.load_state_dict(read_state())
    model = cast("nn.Module", model).eval().to(memory_format=memory_format)

    def features(pixels: Tensor) -> Tensor:
        images = prepare(pixels, resolution).contiguous(memory_format=memory_format)
        with torch.no_grad():
            maps: Tensor = model.extract_features(images)  # type: ignore[operator]
        return maps.mean((2, 3))

    return features


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default 1)")
    parser.add_argument("--images", type=int, default=50, help="grey ones of 32 x 32 in a call (default 50)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    pixels = load("digits").train[: options.images]
    contestants: dict[str, Features] = {}
    for resolution in (SMALL, LARGE):
        contestants[f"ours, {resolution}"] = imagenet_network(resolution).features
        contestants[f"its author's, {resolution}"] = by_the_author(resolution, torch.contiguous_format)
        contestants[f"its author's, {resolution}, channels last"] = by_the_author(resolution, torch.channels_last)
    found = {name: features(pixels) for name, features in contestants.items()}
    works = {name: functools.partial(_call, features, pixels) for name, features in contestants.items()}
    times = side_by_side(works, options.rounds)
    console = Console(width=100)
    for name, time in times.items():
        console.print(f"{name:<36} {len(pixels) / time.median:7.1f} images/s", highlight=False)
    ours, peer = f"ours, {SMALL}", f"its author's, {SMALL}"
    difference = (found[ours] - found[peer]).abs().max() / found[peer].std()
    targets = [
        at_least(f"images/s at {SMALL}", 60, len(pixels) / times[ours].median),
        at_least(f"{LARGE} over {SMALL}", 3, times[f"ours, {LARGE}"].ratio_to(times[ours])),
        at_least("its author's, channels last, over ours", 1.2, times[f"{peer}, channels last"].ratio_to(times[ours])),
        at_most("difference of the features over their deviation", 1e-4, float(difference)),
    ]
    for target in targets:
        console.print(str(target), highlight=False)
    seconds = {name: time.seconds for name, time in times.items()}
    write(options.json, {"threads": options.threads, "images": len(pixels), "seconds": seconds}, targets)
    return 0 if all(target.met for target in targets) else 1


def _call(features: Features, pixels: Tensor, _: int) -> Tensor:
    return features(pixels)


if __name__ == "__main__":
    raise SystemExit(main())
