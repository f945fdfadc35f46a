"""Training speed against a plain `DataLoader` loop and Pythae's trainer: the MNIST network, one run, one machine.

    python -m benchmarks.training [--json FILE] [--device auto|cpu|cuda] [--threads N] [--images N] [--rounds N]
                                  [--data-dir DIR]

On the CPU the images are noise, or the first of MNIST with --data-dir: the time does not depend on their content.
With a usable GPU the same contestants run there.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.shared.isolation import Epoch, in_a_process
from benchmarks.shared.report import Target, at_least, at_most, write
from benchmarks.shared.timing import Times, side_by_side
from benchmarks.shared.trainers import Setting, ours, plain_loop, products_alone, pythae
from evae.compute.precision import resolve_device
from evae.configuration.configuration import Configuration
from evae.data import load

Contestant = Callable[[], Epoch]
"""Builds a contestant, in the process in which it trains."""

OURS, PYTHAE = "evae", "Pythae's trainer"
SEEDS = 8
AT_ONCE = f"{OURS}, {SEEDS} seeds at once"
BOUND = "its products alone, at full speed"
PLAIN, WORKERS = "DataLoader loop, no workers", "DataLoader loop, 2 workers"
IMAGES = {"cpu": 2_000, "cuda": 60_000}
MNIST_IMAGES = 60_000


@dataclass(frozen=True)
class Row:
    """The results of a contestant.

    Attributes
    ----------
    images_per_second : float
        Median over the rounds; of several seeds together.
    ratio : float
        Time of an epoch relative to ours: the median over the rounds.
    loss : float or None
        Mean loss of the last epoch in nats per image, as evidence of training; None if nothing is trained.
    """

    images_per_second: float
    ratio: float
    loss: float | None


def contestants(setting: Setting, folder: Path) -> dict[str, Contestant]:
    """Return the contestants by name."""
    rounded = ("tf32", "bf16") if setting.device.type == "cuda" else ("bf16",)
    return {
        OURS: partial(ours, setting),
        **{f"{OURS}, {precision}": partial(ours, setting, precision) for precision in rounded},
        AT_ONCE: partial(ours, setting, seeds=SEEDS),
        PLAIN: partial(plain_loop, setting, workers=0),
        WORKERS: partial(plain_loop, setting, workers=2),
        BOUND: partial(products_alone, setting),
        PYTHAE: partial(pythae, setting, folder),
    }


def measure(found: Mapping[str, Contestant], images: int, rounds: int) -> tuple[dict[str, Row], str | None]:
    """Time an epoch of each contestant in every round, each in a separate process.

    Returns the rows, and a sentence that names a contestant that cannot run here, or None.
    """
    losses: dict[str, float] = {}
    missing = None

    def record(name: str, epoch: Epoch) -> Epoch:
        def run(number: int) -> float:
            losses[name] = epoch(number)
            return losses[name]

        return run

    with contextlib.ExitStack() as processes:
        threads = torch.get_num_threads()
        # Start all processes before waiting for any.
        starting = {name: processes.enter_context(in_a_process(make, threads)) for name, make in found.items()}
        epochs: dict[str, Epoch] = {}
        for name, ready in starting.items():
            try:
                epochs[name] = record(name, ready())
            except ImportError as error:
                missing = f"{name} is not compared: {error}. It comes with the extra `bench`."
        times = side_by_side(epochs, rounds)
    seen = {name: SEEDS * images if name == AT_ONCE else images for name in times}
    return {name: _row(time, times[OURS], seen[name], losses[name]) for name, time in times.items()}, missing


def _row(time: Times, first: Times, images: int, loss: float) -> Row:
    return Row(images / time.median, time.ratio_to(first), loss if math.isfinite(loss) else None)


def targets(rows: Mapping[str, Row], device: torch.device) -> list[Target]:
    """Return the project's targets for speed on this device; a target without a measurement is missed.

    All targets are for single precision, `OURS`; the rows in other precisions are for information, and so is that of
    several seeds at once on a CPU, which one seed already keeps busy.
    """
    if device.type == "cuda":
        loop = min(rows[PLAIN].ratio, rows[WORKERS].ratio)
        return [
            at_least("images/s over those of the faster DataLoader loop", 8, loop),
            at_most("seconds for an epoch of MNIST", 0.25, MNIST_IMAGES / rows[OURS].images_per_second),
            at_most(f"times as long for {SEEDS} seeds at once as for one", 2.5, rows[AT_ONCE].ratio),
        ]
    ratio = rows[PYTHAE].ratio if PYTHAE in rows else math.nan
    return [at_least(f"images/s over those of {PYTHAE}", 1.3, ratio)]


def pixels(images: int, data_dir: Path | None) -> Tensor:
    """Load the first images of MNIST at 32 x 32, or draw noise."""
    if data_dir is not None:
        return load("mnist", data_dir, limit_train=images).train
    return torch.randint(0, 256, (images, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def table(title: str, rows: Mapping[str, Row]) -> Table:
    """Format the rows as a table."""
    shown = Table(title=title, title_justify="left")
    for name in ("", "images/s", "time over ours", "loss"):
        shown.add_column(name, justify="right" if name else "left")
    for name, row in rows.items():
        shown.add_row(
            name, f"{row.images_per_second:,.0f}", f"{row.ratio:.2f}", "" if row.loss is None else f"{row.loss:,.1f}"
        )
    return shown


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a target is missed."""
    options = _parser().parse_args(arguments)
    device = resolve_device(options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    images = options.images or IMAGES[device.type]
    config = Configuration(dataset="mnist", device=device.type)
    setting = Setting(pixels(images, options.data_dir), device, config)
    console = Console(width=100)
    with tempfile.TemporaryDirectory() as folder:
        rows, missing = measure(contestants(setting, Path(folder)), len(setting.pixels), options.rounds)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    console.print(table(f"The MNIST network, batches of {config.batch_size}, {device.type} ({where})", rows))
    if missing is not None:
        console.print(missing, highlight=False)
    found = targets(rows, device)
    for target in found:
        console.print(str(target), highlight=False)
    document = {
        "device": device.type,
        "where": where,
        "images": len(setting.pixels),
        "batch_size": config.batch_size,
        "trainers": {name: vars(row) for name, row in rows.items()},
        "missing": missing,
    }
    write(options.json, document, found)
    return 0 if all(target.met for target in found) else 1


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of PyTorch (default: its own choice)")
    parser.add_argument("--images", type=int, metavar="N", help="in an epoch (default 2000; 60000 on a GPU)")
    parser.add_argument("--rounds", type=int, default=7, help="epochs of each that are timed (default 7)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="take MNIST from there instead of noise")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
