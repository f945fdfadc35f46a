"""Files of weights: those after the last epoch of a run, and those after its best epochs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from evae.configuration.hold_out import HoldoutMetric
from evae.runs.epoch_record import EpochRecord
from evae.runs.fingerprints import tensors_sha256
from foundation.errors import InputError
from foundation.files import atomic_write, parse_json

#: Weights of a run that can be asked for.
WHICH = ("best", "last")

_NAME = re.compile(r"epoch-(\d{5,18})\.safetensors")


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights, which also holds their epoch and their SHA-256.

    Attributes
    ----------
    path : Path
    missing : str
        The message if there is no such file.
    remedy : str
        The sentence that ends the message if it was altered.
    """

    path: Path
    missing: str
    remedy: str

    def write(self, weights: dict[str, Tensor], epoch: int) -> None:
        """Replace the weights by those after ``epoch``."""
        # safetensors requires row-major tensors; training may use another memory format.
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        # One entry: the order of several would differ between processes, and so would the bytes of the file.
        facts = json.dumps({"epoch": epoch, "sha256": _sha256(tensors, epoch)})
        with atomic_write(self.path) as stream:
            stream.write(save(tensors, metadata={"written": facts}))

    def read(self) -> tuple[dict[str, Tensor], int]:
        """Read the weights by name, on the CPU, and their epoch; raises `InputError` if they are missing or damaged.

        Their digest is verified, except in files of earlier versions, which hold none.
        """
        with self._open() as file:
            # Copy the tensors: the file is memory-mapped and could change.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a mapping)
            metadata = file.metadata() or {}
        # Files of earlier versions hold only the epoch.
        if set(metadata) <= {"epoch"}:
            return tensors, self._epoch_of(metadata.get("epoch", "0"))
        try:
            facts = parse_json(metadata["written"])
            intact, epoch = facts["sha256"] == _sha256(tensors, facts["epoch"]), int(facts["epoch"])
        except (ValueError, KeyError, TypeError):
            intact, epoch = False, 0
        if not intact:
            raise InputError(
                f"{self.path} was altered after it was written: its SHA-256 does not match its metadata. {self.remedy}"
            )
        return tensors, epoch

    @property
    def epoch(self) -> int:
        """The epoch after which the weights were written; errors as for `read`."""
        return self.read()[1]

    def _epoch_of(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise InputError(f"{self.path} is damaged: its epoch field must be an integer, got {text!r}.")
        return int(text)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        if not self.path.is_file():
            raise InputError(self.missing)
        try:
            with _open_in_utf8(self.path) as path, safe_open(path, framework="pt") as file:
                yield file
        except SafetensorError as error:
            size = self.path.stat().st_size
            raise InputError(f"{self.path} is cut short or damaged ({size:,} bytes): {error}.") from error


@dataclass(frozen=True)
class BestWeights:
    """The folder ``best`` of a run that keeps the weights of its best epoch by a metric of hold-out images.

    A run that resumes may have lost its last epochs. Therefore the folder also holds the weights that are the best at
    the positions of the kept checkpoints, so that there are up to three files; those of the latest epoch are the best.

    Attributes
    ----------
    folder : Path
    metric : HoldoutMetric
    """

    folder: Path
    metric: HoldoutMetric

    def file(self, epoch: int) -> WeightsFile:
        """Return the file of the weights after an epoch."""
        path = self.folder / f"epoch-{epoch:05}.safetensors"
        remedy = "Use --weights last for those of the last epoch, or train a new run."
        return WeightsFile(path, f"{path} is missing, the weights of the best epoch. {remedy}", remedy)

    def epoch(self, records: Sequence[EpochRecord]) -> int:
        """Return the best epoch of the records, the first of equally good ones; 0 if there are none."""
        return self.metric.latest_gain([record.metric(self.metric.name) for record in records])

    def update(self, weights: dict[str, Tensor], records: Sequence[EpochRecord]) -> None:
        """Write the weights after the last of the ``records`` if it is the best of them."""
        if self.epoch(records) == len(records):
            self.folder.mkdir(exist_ok=True)
            self.file(len(records)).write(weights, len(records))

    def discard_others(self, records: Sequence[EpochRecord], checkpoints: Iterable[int]) -> None:
        """Remove files that are neither the best of the records nor of those up to the epoch of a checkpoint."""
        needed = {self.epoch(records), *(self.epoch(records[:epochs]) for epochs in checkpoints)}
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match and int(match[1]) not in needed:
                path.unlink()


@contextlib.contextmanager
def _open_in_utf8(path: Path) -> Iterator[str]:
    """Yield a name of a file for a library that takes only names in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with path.open("rb") as stream:
            yield f"/dev/fd/{stream.fileno()}"
    else:
        yield str(path)


def _sha256(tensors: dict[str, Tensor], epoch: int) -> str:
    return hashlib.sha256(f"{epoch}\0{tensors_sha256(tensors)}".encode()).hexdigest()
