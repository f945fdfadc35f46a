"""Scaling laws of computing times, fitted at three sizes each and checked at three others; see docs/scaling.md.

    python -m benchmarks.scaling [--json FILE] [--only NAME ...]

Every law is affine, seconds = fixed + slope * size, fitted by least squares of relative errors with both coefficients
non-negative. Images are noise and Inception's weights random: the time does not depend on their content.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls
from torch import nn

from benchmarks.shared.report import Target, at_most, write
from benchmarks.shared.trainers import Setting, ours
from evae.configuration.configuration import Configuration
from evae.experiments.plan import Plan
from evae.experiments.runner import reproduce
from evae.features.inception import InceptionNetwork
from foundation.cluster import Cluster, open_cluster
from simulations import Study, simulate
from simulations.study.accumulators import Accumulator

#: Largest accepted relative error of a law at the sizes at which it is checked.
TOLERANCE = 0.25

#: Rate of the usual bandwidth, b = m^-0.235.
RATE = 0.235

Measured = Sequence[tuple[float, float]]
"""Pairs of a size and its time in seconds."""


@dataclass(frozen=True)
class Law:
    """The growth of the time of a task with its size.

    Attributes
    ----------
    what : str
        Description of the task.
    size : str
        Unit of its size.
    fitted, checked : sequence of (size, seconds)
        Sizes at which the law was fitted, and those at which it was only predicted.
    fixed, slope : float
        Seconds, and seconds per unit of size.
    """

    what: str
    size: str
    fitted: Measured
    checked: Measured
    fixed: float
    slope: float

    @classmethod
    def of(cls, what: str, size: str, fitted: Measured, checked: Measured) -> Law:
        """Fit the law to three sizes."""
        sizes, seconds = np.array(fitted, dtype=float).T
        design = np.column_stack([1 / seconds, sizes / seconds])
        (fixed, slope), _ = nnls(design, np.ones(len(sizes)))
        return cls(what, size, fitted, checked, float(fixed), float(slope))

    def at(self, size: float) -> float:
        """Predict the seconds at a size."""
        return self.fixed + self.slope * size

    @property
    def worst(self) -> float:
        """The largest relative error at the sizes for checking."""
        return max(abs(self.at(size) / seconds - 1) for size, seconds in self.checked)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Law:
        """Restore a law from its entry in the JSON file."""
        pairs = {name: [tuple(pair) for pair in document[name]] for name in ("fitted", "checked")}
        return cls(**{**document, **pairs})


def law(
    what: str,
    size: str,
    seconds: Callable[[Any], float],
    fitted: Sequence[float],
    checked: Sequence[float],
    rounds: int = 3,
) -> Law:
    """Measure all sizes in each of ``rounds`` rounds, and fit the law to the medians."""
    sizes = [*fitted, *checked]
    taken: dict[float, list[float]] = {one: [] for one in sizes}
    # The first call may compile; rounds over all sizes spread a slow phase of the machine.
    seconds(min(sizes))
    for _ in range(rounds):
        for one in sizes:
            taken[one].append(seconds(one))
    median = {one: float(np.median(values)) for one, values in taken.items()}
    return Law.of(what, size, [(s, median[s]) for s in fitted], [(s, median[s]) for s in checked])


def replicate_seconds(inverse_bandwidth: float) -> float:
    """Time a replicate in one thread at the m with that 1/b, without the preparation that is done once."""
    m, number = round(inverse_bandwidth ** (1 / RATE)), 2_000
    return simulate(Study(m, number, engine="sums"), workers=1).seconds / number


def study_seconds(address: str | None = None) -> Callable[[int], float]:
    """Build the timer of a study at m = 10,000 by its replicates: on all cores, or on a running cluster."""

    def seconds(replicates: int) -> float:
        started = time.perf_counter()
        simulate(Study(10_000, replicates), cluster=address)
        return time.perf_counter() - started

    return seconds


def _study(where: str, address: str | None = None) -> Law:
    fitted, checked = (20_000, 40_000, 160_000), (80_000, 240_000, 320_000)
    return law(f"a study at m = 10,000, {where}", "replicates", study_seconds(address), fitted, checked)


def merging_seconds(replicates: int) -> float:
    """Time the accumulation of replicates in blocks of a thousand, which one process does for all workers."""
    blocks = np.random.default_rng(0).exponential(size=(replicates // 1_000, 1_000))
    accumulator = Accumulator()
    started = time.perf_counter()
    for block in blocks:
        accumulator.add(block)
    return time.perf_counter() - started


def tasks_seconds(workers: Cluster) -> Callable[[int], float]:
    """Build the timer of empty tasks on a cluster by their number: the overhead of the scheduler."""

    def seconds(tasks: int) -> float:
        started = time.perf_counter()
        for future in [workers.submit(os.getpid) for _ in range(tasks)]:
            future.result()
        return time.perf_counter() - started

    return seconds


def epoch_seconds(shape: tuple[int, int, int], model: str = "evae") -> Callable[[int], float]:
    """Build the timer of an epoch on images of a shape by their number, on all cores."""

    def seconds(images: int) -> float:
        pixels = torch.randint(0, 256, (images, *shape), dtype=torch.uint8)
        epoch = ours(Setting(pixels, torch.device("cpu"), Configuration(model=model)))
        epoch(0)
        started = time.perf_counter()
        epoch(1)
        return time.perf_counter() - started

    return seconds


def grid_seconds(where: str | None) -> Callable[[int], float]:
    """Build the timer of VAE and EVAE on digits, trained and evaluated, by the number of seeds; one thread per run."""

    def seconds(seeds: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan.of(
                "1",
                datasets=("digits",),
                latent_dims=(8,),
                seeds=range(seeds),
                epochs=2,
                features="none",
                device="cpu",
                runs_dir=folder,
            )
            started = time.perf_counter()
            results = reproduce(plan, cluster=where)
            assert not results.failures
            return time.perf_counter() - started

    return seconds


def processes_seconds(processes: int) -> Callable[[int], float]:
    """Build the timer of an epoch on 32 x 32 images by their number, in ``processes`` processes of one thread each."""

    def seconds(images: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "noise.npz"
            noise = np.random.default_rng(0).integers(0, 256, (images, 32, 32), dtype=np.uint8)
            np.savez(archive, train_images=noise, test_images=noise[:100])
            command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "cli.py"]
            command += ["train", "--dataset", f"npz:{archive}", "--model", "evae", "--epochs", "2", "--device", "cpu"]
            command += ["--image-size", "32", "--runs-dir", folder, "--name", "run", "--quiet"]
            subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True)
            from evae import Run

            return Run.open(Path(folder) / "run").records[-1].seconds

    return seconds


def features_seconds() -> Callable[[int], float]:
    """Build the timer of Inception's features of 32 x 32 images by their number, on all cores."""
    network = InceptionNetwork(_inception().eval().to(memory_format=torch.channels_last), torch.device("cpu"), "")

    def seconds(images: int) -> float:
        pixels = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8)
        started = time.perf_counter()
        for chunk in pixels.split(50):
            network.features(chunk)
        return time.perf_counter() - started

    return seconds


def _inception() -> nn.Module:
    """Build pytorch-fid's network with random weights."""
    from pytorch_fid import inception

    with (
        mock.patch.object(inception, "load_state_dict_from_url", return_value={}),
        mock.patch.object(nn.Module, "load_state_dict", return_value=None),
    ):
        module: nn.Module = inception.InceptionV3()
    return module


@contextlib.contextmanager
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _grid(where: str | None) -> Law:
    how = "one after another" if where is None else f"side by side on {where}"
    with _one_thread():
        return law(
            f"VAE and EVAE on digits, trained and evaluated, {how}, one thread a run",
            "seeds",
            grid_seconds(where),
            (1, 2, 3),
            (4, 5, 6),
            rounds=1,
        )


def _on_cluster(measured: Callable[[Cluster], Law]) -> Law:
    with open_cluster(f"local:{os.cpu_count()}") as workers:
        return measured(workers)


def _processes(number: int) -> Law:
    what = f"an epoch of the 32 x 32 network, {number} process{'es' if number > 1 else ''} of one thread"
    return law(what, "images", processes_seconds(number), (1_000, 2_000, 4_000), (1_500, 3_000, 6_000), rounds=1)


LAWS: dict[str, Callable[[], Law]] = {
    "tm": lambda: law(
        "a replicate of T_m, engine sums, one thread",
        "1/b",
        replicate_seconds,
        [m**RATE for m in (10**6, 10**8, 10**10)],
        [m**RATE for m in (10**7, 10**9, 10**12)],
    ),
    "replicates": lambda: _study("threads"),
    "cluster": lambda: _on_cluster(
        lambda workers: _study("a cluster of as many workers", workers.client.scheduler.address)
    ),
    "tasks": lambda: _on_cluster(
        lambda workers: law(
            "pieces of work that do nothing, on a cluster",
            "pieces",
            tasks_seconds(workers),
            (500, 1_000, 4_000),
            (2_000, 3_000, 8_000),
            rounds=1,
        )
    ),
    "merging": lambda: law(
        "the merging of replicates by one process",
        "replicates",
        merging_seconds,
        (100_000, 200_000, 800_000),
        (400_000, 600_000, 1_600_000),
    ),
    "training-32": lambda: law(
        "an epoch of the 32 x 32 network, 3 channels",
        "images",
        epoch_seconds((3, 32, 32)),
        (1_000, 2_000, 4_000),
        (3_000, 6_000, 8_000),
        rounds=2,
    ),
    "training-64": lambda: law(
        "an epoch of the 64 x 64 network", "images", epoch_seconds((3, 64, 64)), (100, 200, 400), (300, 600, 800), 1
    ),
    "seeds": lambda: _grid(None),
    "seeds-cluster": lambda: _grid(f"local:{os.cpu_count()}"),
    "devices-1": lambda: _processes(1),
    "devices-2": lambda: _processes(2),
    "features": lambda: law(
        "Inception's features of 32 x 32 images", "images", features_seconds(), (40, 80, 160), (120, 200, 240), 1
    ),
}


def targets(laws: Mapping[str, Law]) -> list[Target]:
    """Return the targets: every law predicts the sizes to which it was not fitted."""
    return [at_most(f"error of the law of {one.what}", TOLERANCE, one.worst) for one in laws.values()]


def show(laws: Mapping[str, Law], console: Console) -> None:
    """Print every law with the prediction and the measurement at each size for checking."""
    table = Table("what", "size", "fixed (s)", "slope (s)", "checked: size, predicted, measured (s)")
    for one in laws.values():
        checks = "; ".join(f"{size:g}: {one.at(size):.3g}, {seconds:.3g}" for size, seconds in one.checked)
        table.add_row(one.what, one.size, f"{one.fixed:.3g}", f"{one.slope:.3g}", checks)
    console.print(table)


def main() -> None:
    """Measure the laws and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", nargs="+", choices=LAWS, default=list(LAWS), metavar="NAME")
    options = parser.parse_args()
    console = Console()
    laws: dict[str, Law] = {}
    for name in options.only:
        laws[name] = LAWS[name]()
        show({name: laws[name]}, console)
        found = targets(laws)
        write(options.json, {"laws": {key: asdict(one) for key, one in laws.items()}}, found)
    for target in targets(laws):
        console.print(str(target), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
