"""Run folders: the files that training writes, and their readers.

``config.json`` (the configuration, and the shape, numbers and SHA-256 of the images), ``environment.json`` (versions,
device, commit), ``metrics.jsonl`` (one line per epoch), ``tensorboard`` (the same values), ``model.safetensors`` (the
weights after the last finished epoch), ``best`` (those of the best epoch, with ``--keep``), ``checkpoints`` (the last
two), ``reconstructions.png``, ``evaluation.json`` and ``status.json``. Files are written atomically. Nothing is
unpickled.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import itertools
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import Timeout
from torch import Tensor

from evae.configuration.configuration import Configuration
from evae.configuration.domains import GIVEN
from evae.configuration.hold_out import kept_metric
from evae.runs.checkpoints import Checkpoints
from evae.runs.epoch_record import EpochRecord
from evae.runs.weights import WHICH, BestWeights, WeightsFile
from foundation.errors import InputError, suggest
from foundation.files import (
    LARGEST_JSON,
    atomic_write,
    clear_leftovers,
    hold_lock,
    parse_json,
    read_bytes,
    read_json,
    remove_leftovers,
    require_creatable_folder,
    require_own_tree,
    sync_folder,
    write_json,
)
from foundation.validation import (
    is_any_of,
    is_count,
    is_list_of,
    is_mapping_of,
    is_null,
    is_one_of,
    is_record,
    is_text,
)


def find_run(name: str | Path, runs_dir: str | Path) -> Run:
    """Find a run by its folder, or by its name in ``runs_dir``; raises `InputError` if there is none."""
    inside = Path(runs_dir) / name
    if not Path(name).is_dir() and not inside.is_dir():
        raise InputError(
            f"{name} must be a run, but neither {name} nor {inside} is a folder. The runs are in {runs_dir}."
        )
    return Run.open(name if Path(name).is_dir() else inside)


#: Form of the name of a run's folder until it is complete.
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.new")

#: Levels of folders in a run: its own, ``checkpoints`` and each checkpoint's.
_LEVELS = 3

#: Possible states of a run.
STATES = ("running", "finished", "failed", "interrupted")

_STATUS = is_record(
    {"state": is_one_of(*STATES), "epochs_finished": is_count},
    {"reason": is_any_of(is_text, is_null)},
)

_CONFIG = is_record({}, {"network": is_record({"origin": is_text, "sha256": is_text})})

ENVIRONMENT = is_record(
    {},
    {
        "device_name": is_any_of(is_text, is_null),
        "packages": is_mapping_of(is_text),
        "threads": is_count,
        "earlier": is_list_of(is_record({}, {"packages": is_mapping_of(is_text)})),
    },
)


class RunInUse(InputError):
    """Another process is writing the run."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run on disk. `create` starts a run, `open` finds one; the properties read its files."""

    path: Path

    @classmethod
    def create(
        cls,
        config: Configuration,
        image_shape: Sequence[int],
        images: dict[str, int],
        sha256: dict[str, str] | None = None,
        note: str | None = None,
        content: dict[str, Any] | None = None,
        inventory: dict[str, Any] | None = None,
        *,
        network: dict[str, str] | None = None,
    ) -> Run:
        """Create the folder of a new run with its ``config.json``, atomically.

        Parameters
        ----------
        config : Configuration
            Its name, or else its default name with the first free number appended, becomes the name of the folder.
        image_shape : sequence of int
            (channels, side, side) of the network's input.
        images : dict
            Numbers of images by split.
        sha256 : dict, optional
            Digests of the images by split (`evae.data.images.fingerprint`); without them, resuming the run cannot
            detect a change of its data.
        note : str, optional
            A remark if the data are not the complete official set (`evae.data.ImageData`).
        content, inventory : dict, optional
            The published data set of the images with their checksums (`evae.data.published.Content`), and what became
            of image files (`evae.data.inventory.Inventory`), as JSON documents.
        network : dict, optional
            Of a network of the user's own: its ``origin``, and the ``sha256`` of the names, types and shapes of its
            weights.

        Raises
        ------
        InputError
            If a run of the given name exists, since runs are never overwritten, or the folder is not writable.
        """
        runs = Path(config.runs_dir)
        data = {
            "image_shape": list(image_shape),
            "images": images,
            "sha256": sha256 or {},
            "note": note,
            "content": content,
            "inventory": inventory,
        }
        busy = InputError(f"another process is creating a run in {runs}. Wait until it ends.")
        with _explain_failure(runs):
            runs.mkdir(parents=True, exist_ok=True)
            with _hold_lock(runs / ".lock", busy, 10.0):
                return cls._create_folder(runs, config, data, network)

    @classmethod
    def require_creatable(cls, config: Configuration) -> None:
        """Raise the `InputError` of `create` that is known before the data are read; nothing is written."""
        runs = Path(config.runs_dir)
        with _explain_failure(runs):
            require_creatable_folder(runs)
        if config.name is not None and (runs / config.name).exists():
            raise _name_taken(runs / config.name)

    @classmethod
    def _create_folder(
        cls, runs: Path, config: Configuration, data: dict[str, Any], network: dict[str, str] | None
    ) -> Run:
        """Create the folder under a temporary name and rename it; the caller holds the lock of ``runs``."""
        # Leftovers of killed processes: a running one would hold the lock.
        with contextlib.suppress(OSError):
            remove_leftovers(runs, _UNFINISHED)
        aside = runs / f".{uuid.uuid4().hex}.new"
        aside.mkdir()
        # Complete the folder before the rename, so that a folder with a final name is always complete.
        try:
            run = cls(aside)
            own = {} if network is None else {"network": network}
            write_json(aside / "config.json", {"configuration": dataclasses.asdict(config), "data": data, **own})
            run.set_status("running", epochs_finished=0)
            path = _claim_name(aside, config)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_folder(runs)
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a run folder; raises `InputError` if it is not one, or holds a link, a pipe, a socket or a device."""
        path = Path(path)
        if not path.is_dir():
            raise InputError(f"{path} must be a run folder, got no folder. `train` creates one and prints its name.")
        if not (path / "config.json").is_file():
            raise InputError(f"{path} is not a run folder: it holds no config.json.")
        require_own_tree(path, _LEVELS)
        return cls(path)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @functools.cached_property
    def _config(self) -> dict[str, Any]:
        path = self.path / "config.json"
        document = read_json(path)
        if not _CONFIG(document) or set(document) - {"network"} != {"configuration", "data"}:
            raise InputError(f"{path} is damaged: it must hold a configuration and the shape of the data.")
        return document

    @property
    def configuration(self) -> Configuration:
        """The configuration of the run."""
        return Configuration.from_dict(self._config["configuration"], self.path / "config.json")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (channels, side, side) of the network's input."""
        data = self._config["data"]
        shape = data.get("image_shape") if isinstance(data, dict) else None
        if not isinstance(shape, list) or len(shape) != 3 or not all(type(side) is int and side > 0 for side in shape):
            raise InputError(f"{self.path / 'config.json'} is damaged: image_shape must be three positive integers.")
        channels, height, width = shape
        if channels not in (1, 3):
            raise InputError(
                f"{self.path / 'config.json'} is damaged: images must have 1 or 3 channels, got {channels}."
            )
        return channels, height, width

    @property
    def network(self) -> dict[str, str] | None:
        """The origin and the digest of a network of the user's own (`create`); None for one of this program."""
        network: dict[str, str] | None = self._config.get("network")
        return network

    def unnamed_network(self) -> InputError:
        """Return the error that the code of the user's own network is not run unless it is named again."""
        network = self.configuration.network
        named, made = network, f"the network {network}"
        if network == GIVEN:
            named, made = "module:FUNCTION", "a model given in Python"
        return InputError(
            f"{self.path} was trained with {made}, whose code is run only if you name it: add --network {named}, or in "
            "Python give the model."
        )

    def require_network(self, sha256: str) -> None:
        """Raise `InputError` unless a network with this `evae.models.vae.VAE.structure_sha256` is that of the run."""
        if self.network is None or self.network["sha256"] != sha256:
            raise InputError(
                f"the network that is given is not that of {self.path}: the names, types or shapes of its weights "
                "differ. Give the network that the run was trained with, or start a new run."
            )

    def replace_configuration(self, config: Configuration) -> Run:
        """Replace the configuration in ``config.json``, and return the updated run."""
        write_json(self.path / "config.json", {**self._config, "configuration": dataclasses.asdict(config)})
        return Run(self.path)

    @property
    def data(self) -> dict[str, Any]:
        """What was recorded of the images: the arguments of `create`; a run of an earlier version lacks some."""
        data = self._config["data"]
        if not isinstance(data, dict):
            raise InputError(f"{self.path / 'config.json'} is damaged: data must be an object.")
        return data

    @property
    def data_sha256(self) -> dict[str, str]:
        """Digests of the images by split; empty for a run of an earlier version."""
        data = self._config["data"]
        digests = data.get("sha256") if isinstance(data, dict) else None
        if not is_any_of(is_null, is_mapping_of(is_text))(digests):
            raise InputError(f"{self.path / 'config.json'} is damaged: sha256 must hold the digests of the images.")
        return digests or {}

    @property
    def checkpoints(self) -> Checkpoints:
        """The last two checkpoints."""
        return Checkpoints(self.path / "checkpoints")

    @property
    def status(self) -> dict[str, Any]:
        """``state`` (running, finished, failed, interrupted), ``epochs_finished`` and perhaps ``reason``.

        The reason is that of a failure, or that for which a callback finished the run before its last epoch.

        A killed process leaves ``running`` in the file; if no process holds the run's lock, the state is interrupted.
        """
        document: dict[str, Any] = read_json(self.path / "status.json")
        if not _STATUS(document):
            raise InputError(
                f"{self.path / 'status.json'} is damaged: it must hold a state ({', '.join(STATES)}) and the number "
                "of finished epochs."
            )
        if document["state"] == "running" and not self._is_held():
            return {**document, "state": "interrupted", "reason": "its process died without reporting an error"}
        return document

    def set_status(self, state: str, *, epochs_finished: int, reason: str | None = None) -> None:
        """Replace ``status.json``."""
        document = {"state": state, "epochs_finished": epochs_finished}
        write_json(self.path / "status.json", document if reason is None else {**document, "reason": reason})

    @property
    def records(self) -> tuple[EpochRecord, ...]:
        """The records of the finished epochs, in order.

        A torn last line of ``metrics.jsonl``, left by a crash while it was written, is ignored; another damaged line is
        an `InputError`.
        """
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return ()
        *whole, _torn_or_empty = read_bytes(path, LARGEST_JSON).split(b"\n")
        return tuple(_read_line(path, number, line) for number, line in enumerate(whole, 1))

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl`` as JSON documents; `records` has them as objects."""
        return [record.document() for record in self.records]

    def require_records(self, epochs: int) -> tuple[EpochRecord, ...]:
        """Return the records of the first ``epochs`` epochs.

        Raises
        ------
        InputError
            If one of them is missing, because the file was changed after training wrote it.
        """
        kept = tuple(record for record in self.records if record.epoch <= epochs)
        if len(kept) != epochs or any(record.epoch != number for number, record in enumerate(kept, 1)):
            raise InputError(
                f"{self.path / 'metrics.jsonl'} must hold one record for each of the epochs 1 to {epochs}; it was "
                "changed after it was written. Restore the original, or start a new run."
            )
        return kept

    def keep_records(self, epochs: int) -> None:
        """Remove the records after the first ``epochs`` epochs, which are trained and written again."""
        path, content = self.path / "metrics.jsonl", "".join(map(_write_line, self.require_records(epochs)))
        if path.exists() and path.read_bytes() != content.encode():
            with atomic_write(path) as stream:
                stream.write(content.encode())

    def append_record(self, record: EpochRecord) -> None:
        """Add a line to ``metrics.jsonl``, on disk when this returns; a `ValueError` if a number is infinite or NaN."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(_write_line(record))
            stream.flush()
            os.fsync(stream.fileno())

    @property
    def weights_path(self) -> Path:
        """Path of the weights after the last epoch."""
        return self.path / "model.safetensors"

    def weights_file(self, which: str | None = None) -> WeightsFile:
        """Return the file of weights.

        Parameters
        ----------
        which : str, optional
            ``last`` for those after the last finished epoch, ``best`` for those of the best epoch, which a run with
            ``--keep`` has. By default the best where the run keeps them, else the last.

        Raises
        ------
        InputError
            If the run does not keep the best.
        """
        if which not in (None, *WHICH):
            raise InputError(f"--weights {which!r} is not known. {suggest(str(which), WHICH)}")
        best = None if which == "last" else self.best_weights
        if best is not None:
            # A run without an epoch has no best one.
            return best.file(best.epoch(self.records) or 1)
        if which == "best":
            raise InputError(
                f"{self.path} was trained without --keep, and holds the weights of its last epoch alone. Use --weights "
                "last."
            )
        # The status is read where there are no weights to read.
        there = self.weights_path.is_file() or not (self.path / "status.json").is_file()
        state = "unknown" if there else self.status["state"]
        return WeightsFile(
            self.weights_path,
            f"{self.path} holds no weights (model.safetensors); its status is {state}. Weights are written after every "
            "epoch.",
            f"`python cli.py train --resume {self.path}` restores it from the last checkpoint.",
        )

    @property
    def best_weights(self) -> BestWeights | None:
        """The weights of the best epochs; None if the run does not keep them."""
        keep = self.configuration.keep
        return None if keep is None else BestWeights(self.path / "best", kept_metric(keep))

    def write_weights(self, weights: dict[str, Tensor], *, epoch: int) -> None:
        """Replace the last weights by those after ``epoch``, which is stored in the same file."""
        self.weights_file("last").write(weights, epoch)

    def write_best_weights(self, weights: dict[str, Tensor], record: EpochRecord) -> None:
        """Keep the weights after the epoch of a record that is not yet in ``metrics.jsonl``, if they are the best."""
        if self.best_weights is not None:
            self.best_weights.update(weights, [*self.records, record])

    def discard_weights(self) -> None:
        """Remove weights of epochs that are neither the best nor could become it again when the run is resumed."""
        if self.best_weights is not None:
            self.best_weights.discard_others(self.records, self.checkpoints.epochs())

    def read_weights(self) -> dict[str, Tensor]:
        """Read the last weights by name, on the CPU; raises `InputError` if they are missing or damaged."""
        return self.weights_file("last").read()[0]

    @property
    def weights_epoch(self) -> int:
        """The epoch after which the last weights were written; errors as for `read_weights`."""
        return self.weights_file("last").epoch

    @property
    def environment(self) -> dict[str, Any]:
        """The content of ``environment.json``; empty if it does not exist yet."""
        path = self.path / "environment.json"
        document: dict[str, Any] = read_json(path) if path.exists() else {}
        if not ENVIRONMENT(document):
            raise InputError(f"{path} is damaged: it must hold versions, device and threads.")
        return document

    def write_environment(self, now: dict[str, Any]) -> None:
        """Write the document of `environment`; a different, earlier one is kept under ``earlier``."""
        before = self.environment
        earlier = before.pop("earlier", [])
        if before and before != now:
            earlier = [*earlier, before]
        write_json(self.path / "environment.json", {**now, "earlier": earlier} if earlier else now)

    def write_evaluation(self, document: dict[str, Any]) -> None:
        """Replace ``evaluation.json``."""
        write_json(self.path / "evaluation.json", document)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock for writing; raises `RunInUse` if another process holds it."""
        if not self.path.is_dir():
            # Acquiring the lock would create the folder again.
            raise InputError(f"the run folder {self.path} was deleted. Start a new run.")
        # Wait briefly: a process that reads the status holds the lock for a moment.
        in_use = RunInUse(f"{self.path} is being written by another process. Wait until it ends.")
        with _hold_lock(self.path / ".lock", in_use, 0.2):
            clear_leftovers(self.path)
            yield

    def _is_held(self) -> bool:
        if not (self.path / ".lock").exists():
            return False
        try:
            with hold_lock(self.path / ".lock", 0):
                return False
        except OSError:
            # The lock is held, or not accessible: trust the status in the file.
            return True


@contextlib.contextmanager
def _explain_failure(runs: Path) -> Iterator[None]:
    """Convert an `OSError` of creating a run into an `InputError` with the folder and a remedy."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"no run can be created in {runs}: {error.strerror}. Fix that, or give another --runs-dir."
        ) from error


@contextlib.contextmanager
def _hold_lock(path: Path, otherwise: InputError, seconds: float) -> Iterator[None]:
    """Hold a lock; raise ``otherwise`` if it is not available within the given number of seconds."""
    with contextlib.ExitStack() as lock:
        try:
            lock.enter_context(hold_lock(path, seconds))
        except Timeout as error:
            raise otherwise from error
        except OSError as error:
            raise InputError(f"{path.parent} is not writable: {error.strerror}.") from error
        yield


def _claim_name(folder: Path, config: Configuration) -> Path:
    """Rename a run's folder to its name; the rename is atomic, so two processes never claim the same name."""
    names = [config.name] if config.name else (config.default_name + tail for tail in _tails())
    for name in names:
        path = folder.parent / name
        try:
            if not path.exists():
                return folder.rename(path)
        except OSError as error:
            # Another process claimed the name in between.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
    raise _name_taken(path)


def _name_taken(path: Path) -> InputError:
    return InputError(
        f"run {path} already exists, and runs are never overwritten. Give another --name, resume it with "
        f"--resume {path.name}, or delete that folder."
    )


def _tails() -> Iterator[str]:
    """Yield suffixes of a default name, to find a free name."""
    yield ""
    yield from (f"-{number}" for number in itertools.count(2))


def _read_line(path: Path, number: int, line: bytes) -> EpochRecord:
    try:
        document = parse_json(line)
    except ValueError as error:
        raise InputError(f"{path} is damaged: line {number} is not JSON ({error}).") from error
    try:
        return EpochRecord.read(document)
    except ValueError as error:
        raise InputError(f"{path} is damaged: line {number} is not the record of an epoch.") from error


def _write_line(record: EpochRecord) -> str:
    return json.dumps(record.document(), allow_nan=False) + "\n"
