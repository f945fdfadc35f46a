"""What a training run is asked to do. Imports nothing heavy: a bad option is answered at once."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from theory.errors import InputError, suggestion

#: The data sets that `evae.data` reads.
DATASETS = ("digits", "mnist", "fashion-mnist")

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Preset:
    """A model by name: a posterior of `evae.posteriors` with an objective of `evae.objectives`."""

    posterior: str
    objective: str


PRESETS = {
    "vae": Preset(posterior="gaussian", objective="elbo"),
    "evae": Preset(posterior="kde", objective="kde-bound"),
}


@dataclass(frozen=True)
class Configuration:
    """A training run. The defaults are the paper's (Appendix C), on the data set that needs no download.

    Parameters
    ----------
    dataset : str
        One of `DATASETS`.
    model : str
        One of `PRESETS`: ``vae`` (Gaussian noise, ELBO) or ``evae`` (Algorithm 1, equation (8)).
    latent_dim : int
        d_z, the number of latent dimensions. The paper uses 8, 16, 32 and 64.
    epochs, batch_size : int
        Passes over the training images, and images in a step. ``batch_size`` is also M of equation (8).
    lr : float
        Learning rate of Adam.
    seed : int
        Decides the weights' start, the order of the images and the noise.
    device : str
        One of `DEVICES`; ``auto`` is CUDA where there is a usable device.
    data_dir, runs_dir : str
        Where data sets are read, and where the folder of the run is made.
    name : str, optional
        The folder's name in ``runs_dir``; by default one made of data set, model, d_z and seed, with a number behind
        it when that is taken.
    limit_train : int, optional
        Train on the first so many images only. The hold-out images are never limited.

    Raises
    ------
    InputError
        If a field is out of its range; the sentence names the command line's option.
    """

    dataset: str = "digits"
    model: str = "vae"
    latent_dim: int = 64
    epochs: int = 50
    batch_size: int = 100
    lr: float = 1e-4
    seed: int = 0
    device: str = "auto"
    data_dir: str = "data"
    runs_dir: str = "runs"
    name: str | None = None
    limit_train: int | None = None

    def __post_init__(self) -> None:
        _require_one_of("--dataset", self.dataset, DATASETS)
        _require_one_of("--model", self.model, tuple(PRESETS))
        _require_one_of("--device", self.device, DEVICES)
        _require_whole("--latent-dim", self.latent_dim, "The paper uses 8, 16, 32 or 64.")
        _require_whole("--epochs", self.epochs, "The paper uses 50.")
        _require_whole("--batch-size", self.batch_size, "The paper uses 100.")
        if self.limit_train is not None:
            _require_whole("--limit-train", self.limit_train, "Leave it out to train on every image.")
        if not _is_whole(self.seed) or not 0 <= self.seed < 2**63:
            raise InputError(f"--seed must be a whole number from 0 to 2^63 - 1, got {self.seed}.")
        if not isinstance(self.lr, float | int) or not math.isfinite(self.lr) or self.lr <= 0:
            raise InputError(f"--lr must be a positive number, got {self.lr}. The paper uses 1e-4.")
        if self.name is not None and not re.fullmatch(r"[\w][\w.+-]*", self.name):
            raise InputError(
                f"--name must be a plain folder name of letters, digits and . _ + -, got {self.name!r}. "
                "Where runs are kept is --runs-dir."
            )
        # A Path is welcome but a configuration is written as JSON.
        object.__setattr__(self, "data_dir", str(self.data_dir))
        object.__setattr__(self, "runs_dir", str(self.runs_dir))

    @property
    def preset(self) -> Preset:
        """The posterior and the objective that ``model`` stands for."""
        return PRESETS[self.model]

    @property
    def default_name(self) -> str:
        """The run's name when none is given, such as ``mnist-evae-d64-seed0``."""
        limited = "" if self.limit_train is None else f"-first{self.limit_train}"
        return f"{self.dataset}{limited}-{self.model}-d{self.latent_dim}-seed{self.seed}"

    @classmethod
    def from_dict(cls, document: Any, source: str | Path) -> Configuration:
        """Read what `dataclasses.asdict` wrote; ``source`` is the file to name when it does not fit."""
        known = {field.name for field in fields(cls)}
        if not isinstance(document, dict) or set(document) != known:
            found = set(document) if isinstance(document, dict) else set()
            parts = [f"lacks {', '.join(sorted(known - found))}"] if known - found else []
            parts += [f"has an unknown {', '.join(sorted(found - known))}"] if found - known else []
            raise InputError(f"{source} is no configuration of this program: it {' and '.join(parts)}.")
        try:
            return cls(**document)
        except InputError as error:
            raise InputError(f"{source} is no configuration of this program: {error}") from error


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _require_whole(option: str, value: Any, hint: str) -> None:
    if not _is_whole(value) or value < 1:
        raise InputError(f"{option} must be a positive whole number, got {value}. {hint}")


def _require_one_of(option: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{option} {value!r} is not known. {suggestion(str(value), allowed)}")
