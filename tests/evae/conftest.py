"""What the tests of `evae` share: small runs, small files, one thread."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import cli
from evae import Configuration, Run, train
from evae.data.published import CIFAR10, as_published, content_sha256
from evae.data.sources import cifar
from evae.models.networks import ARCHITECTURES
from tests.evae.training.trainer import Trainer
from tests.support.networks import PAPERS, networks_narrowed
from tests.support.processes.faults import Faults


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Tensors here are small: a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="module")
def narrow() -> Iterator[None]:
    """Networks have few channels, except in tests with `papers_networks`."""
    with networks_narrowed():
        yield


@pytest.fixture
def papers_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of 32 x 32 images are the paper's."""
    monkeypatch.setitem(ARCHITECTURES, 32, PAPERS)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(20240521)


@pytest.fixture
def double() -> Iterator[None]:
    """Literals become double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def small(folder: Path, **options: object) -> Configuration:
    """A run of a second: few digits, few dimensions, one epoch."""
    settings: dict[str, object] = {"latent_dim": 4, "epochs": 1, "limit_train": 130, "device": "cpu", "lr": 1e-3}
    return Configuration(runs_dir=str(folder), **{**settings, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One finished run of each model; tests read it and do not change its weights."""
    folder = tmp_path_factory.mktemp("runs")
    with networks_narrowed():
        return {model: train(small(folder, model=model)) for model in ("vae", "evae")}


def write_idx(path: Path, images: np.ndarray) -> None:
    """Write uint8 images as MNIST's files are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.array([2051, *images.shape], dtype=">u4").tobytes() + images.astype(np.uint8).tobytes())


def publish(monkeypatch: pytest.MonkeyPatch, train: np.ndarray, holdout: np.ndarray, labels: Sequence[Any]) -> None:
    """Let these images (N, 3, 32, 32), with the labels of both splits, be the published ones of CIFAR-10."""
    images = {"train": as_published(train), "holdout": as_published(holdout)}
    published = dataclasses.replace(
        CIFAR10,
        train=len(train),
        holdout=len(holdout),
        pixels={split: content_sha256(pixels) for split, pixels in images.items()},
        labelled={
            split: content_sha256(pixels, own) for (split, pixels), own in zip(images.items(), labels, strict=True)
        },
    )
    monkeypatch.setattr(cifar, "CIFAR10", published)


def write_mnist(folder: Path) -> Path:
    """Write 30 training and 20 test images of noise in MNIST's layout; return the data folder."""
    random = np.random.default_rng(0)
    raw = folder / "data" / "MNIST" / "raw"
    write_idx(raw / "train-images-idx3-ubyte", random.integers(0, 256, (30, 28, 28)))
    write_idx(raw / "t10k-images-idx3-ubyte", random.integers(0, 256, (20, 28, 28)))
    return folder / "data"


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """The data folder of `write_mnist`."""
    return write_mnist(tmp_path)


@pytest.fixture(scope="session")
def mnist_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mnist(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def trained_whole(
    faults: Faults, mnist_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trainer, list[str]]:
    """A run that was not stopped, and the moments at which it could have been."""
    trainer = Trainer(faults, mnist_data, tmp_path_factory.mktemp("reference"))
    ended = trainer.train()
    assert ended.code == 0, ended.errors
    assert len(ended.moments) > 250
    return trainer, ended.moments


def invoke(*arguments: object) -> Result:
    """Run a command in this process, on a terminal of 80 columns."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], env={"COLUMNS": "80"})


def refusal(*arguments: object) -> str:
    """The one sentence of a command that must end with exit code 2."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith((".", "?"))
    return line.removeprefix("Error: ")


def command_environment() -> dict[str, str]:
    """The environment of a subprocess that must not take both cores."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "NO_COLOR": "1"}
