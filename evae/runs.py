"""The folder of a run: what training writes, and how it comes back.

``config.json`` (the configuration, the images' shape and numbers), ``environment.json`` (versions, device, commit),
``metrics.jsonl`` (one line an epoch), ``model.safetensors`` (the weights of the last finished epoch),
``reconstructions.png``, ``evaluation.json`` and ``status.json``. A file is whole or absent: it is written aside,
synced and renamed. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from evae.configuration import Configuration
from evae.files import read_json, write_json, written_aside
from theory.errors import InputError


@dataclasses.dataclass(frozen=True)
class Run:
    """A run on disk. `create` begins one, `open` finds one; the properties read its files."""

    path: Path

    @classmethod
    def create(cls, config: Configuration, image_shape: Sequence[int], images: dict[str, int]) -> Run:
        """Make the folder of a new run and write its ``config.json``.

        Parameters
        ----------
        config : Configuration
            Its name, or else its default name with the first free number behind it, is the folder's.
        image_shape : sequence of int
            (channels, side, side) of what the network sees.
        images : dict
            Numbers of images by split.

        Raises
        ------
        InputError
            If a run of the given name exists: a run is never overwritten.
        """
        run = cls(_new_folder(config))
        document = {
            "configuration": dataclasses.asdict(config),
            "data": {"image_shape": list(image_shape), "images": images},
        }
        run._write_json("config.json", document)
        run.set_status("running", epochs_finished=0)
        return run

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Find a run folder; an `InputError` where there is none."""
        path = Path(path)
        if not path.is_dir():
            raise InputError(f"there is no run folder {path}. `train` makes one and prints its name.")
        if not (path / "config.json").is_file():
            raise InputError(f"{path} is no run folder: it holds no config.json.")
        return cls(path)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @functools.cached_property
    def _config(self) -> dict[str, Any]:
        path = self.path / "config.json"
        document = read_json(path)
        if not isinstance(document, dict) or set(document) != {"configuration", "data"}:
            raise InputError(f"{path} is damaged: it should hold a configuration and the shape of the data.")
        return document

    @property
    def configuration(self) -> Configuration:
        """The configuration the run was started with."""
        return Configuration.from_dict(self._config["configuration"], self.path / "config.json")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, side, side) of the network's images."""
        data = self._config["data"]
        shape = data.get("image_shape") if isinstance(data, dict) else None
        if not isinstance(shape, list) or len(shape) != 3 or not all(type(side) is int and side > 0 for side in shape):
            raise InputError(f"{self.path / 'config.json'} is damaged: image_shape should be three whole numbers.")
        return shape[0], shape[1], shape[2]

    @property
    def status(self) -> dict[str, Any]:
        """``state`` (running, finished, failed, interrupted), ``epochs_finished`` and, after a failure, ``reason``."""
        document: dict[str, Any] = read_json(self.path / "status.json")
        return document

    def set_status(self, state: str, *, epochs_finished: int, reason: str | None = None) -> None:
        """Replace ``status.json``."""
        document = {"state": state, "epochs_finished": epochs_finished}
        self._write_json("status.json", document if reason is None else {**document, "reason": reason})

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The records of the finished epochs. A torn last line, left by a crash while it was written, is dropped."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        *whole, _torn_or_empty = path.read_text(encoding="utf-8").split("\n")
        try:
            return [json.loads(line) for line in whole]
        except json.JSONDecodeError as error:
            raise InputError(f"{path} is damaged: a line of it is no JSON ({error.msg}).") from error

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add the record of an epoch as one line, on disk when this returns."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    @property
    def weights_path(self) -> Path:
        """Where the weights are."""
        return self.path / "model.safetensors"

    def write_weights(self, weights: dict[str, Tensor], *, epoch: int) -> None:
        """Replace the weights by those after ``epoch``, which is kept in the same file."""
        # safetensors stores a tensor row by row, whatever memory format training prefers.
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        with written_aside(self.weights_path) as path:
            path.write_bytes(save(tensors, metadata={"format": "pt", "epoch": str(epoch)}))

    def read_weights(self) -> dict[str, Tensor]:
        """Return the weights by name, on the CPU; an `InputError` where they are missing or damaged."""
        with self._open_weights() as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the file is no mapping)

    @property
    def weights_epoch(self) -> int:
        """The epoch after which the weights were written."""
        with self._open_weights() as file:
            return int((file.metadata() or {}).get("epoch", 0))

    @contextlib.contextmanager
    def _open_weights(self) -> Iterator[Any]:
        if not self.weights_path.is_file():
            state = self.status.get("state") if (self.path / "status.json").is_file() else "unknown"
            raise InputError(
                f"{self.path} holds no weights (model.safetensors); its status is {state}. "
                "Weights are written after every epoch."
            )
        try:
            with safe_open(self.weights_path, framework="pt") as file:
                yield file
        except SafetensorError as error:
            size = self.weights_path.stat().st_size
            raise InputError(f"{self.weights_path} is cut short or damaged ({size:,} bytes): {error}.") from error

    def write_environment(self, device: torch.device) -> None:
        """Write down versions, device, threads and, where there is one, the commit."""
        self._write_json("environment.json", environment(device))

    def write_evaluation(self, document: dict[str, Any]) -> None:
        """Replace ``evaluation.json``."""
        self._write_json("evaluation.json", document)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing; an `InputError` when another process does."""
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(f"{self.path} is being written by another process. Wait until that ends.") from error
        try:
            yield
        finally:
            lock.release()

    def _write_json(self, name: str, document: dict[str, Any]) -> None:
        write_json(self.path / name, document)


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, threads and commit of this process."""
    packages = ("epanechnikov-vae", "torch", "torchvision", "numpy", "safetensors")
    on_cuda = device.type == "cuda"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if on_cuda else platform.processor() or platform.machine(),
        "cuda": torch.version.cuda if on_cuda else None,
        "threads": torch.get_num_threads(),
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Return the commit of the working copy that this package lies in, if it is one and git is there to ask."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _new_folder(config: Configuration) -> Path:
    """Make the run's folder; making it is what claims the name, so that two processes never share one."""
    runs = Path(config.runs_dir)
    runs.mkdir(parents=True, exist_ok=True)
    if config.name is not None:
        try:
            (runs / config.name).mkdir()
        except FileExistsError as error:
            raise InputError(
                f"there is a run {runs / config.name} already, and a run is never overwritten. "
                "Give another --name, or delete that folder."
            ) from error
        return runs / config.name
    number = 1
    while True:
        path = runs / (config.default_name if number == 1 else f"{config.default_name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path
