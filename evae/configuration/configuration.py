"""What a training run is asked to do. Imports nothing heavy: a bad option is answered at once."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evae.configuration.recipe import (
    DIVERGENCES,
    INTERVALS,
    KERNELS,
    OBJECTIVES,
    POSTERIORS,
    PRESETS,
    RECIPE_OPTIONS,
    SHORTEST_PRIOR,
    Recipe,
    require_formula,
)
from foundation.errors import InputError, suggest

#: The data sets that `evae.data` reads by name.
DATASETS = ("digits", "mnist", "fashion-mnist", "cifar10", "celeba")

#: Data sets of one's own, each followed by a path.
DATASET_FORMS = ("npz:FILE", "folder:DIR")

#: Sides of the images for which Appendix B has networks.
IMAGE_SIZES = (32, 64)

DEVICES = ("auto", "cpu", "cuda")

#: The arithmetic of training (`evae.compute.precision`).
PRECISIONS = ("fp32", "tf32", "bf16")

#: Bounds of a weight and of B: single precision resolves them, and a learned B is no smaller.
SMALLEST, LARGEST = 1e-6, 1e6

#: Of epochs, images in a step, or images of a data set, and of latent dimensions: with more no machine would come to an
#: end.
MOST, MOST_DIMENSIONS = 10**9, 2**16

#: The fields of a configuration that decide nothing of a run's figures, or their last bits alone.
INDIFFERENT = frozenset(("device", "data_dir", "runs_dir", "name", "checkpoint_minutes"))

#: The fields of the first ``config.json``. A file may lack any other field, which then has its default, so that the
#: default of a field added later must be what was done before it existed.
_FIRST_FIELDS = frozenset(
    (
        *("dataset", "model", "latent_dim", "epochs", "batch_size", "lr", "seed"),
        *("device", "data_dir", "runs_dir", "name", "limit_train"),
    )
)


@dataclass(frozen=True)
class Configuration:
    """A training run. The defaults are the paper's (Appendix C), on the data set that needs no download.

    Parameters
    ----------
    dataset : str
        One of `DATASETS`, or ``npz:FILE`` or ``folder:DIR`` with a path.
    model : str
        One of `PRESETS`, such as ``vae`` (Gaussian noise, ELBO) and ``evae`` (Algorithm 1, equation (8)).
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
    precision : str
        One of `PRECISIONS`: single precision, rounded products on CUDA, or layers in bfloat16.
    deterministic : bool
        Use only algorithms that repeat themselves to the bit; without it CUDA's fastest ones may not.
    checkpoint_minutes : float
        Within an epoch a checkpoint is written after so many minutes; there is one at the end of an epoch anyway. It
        changes nothing of the result.
    data_dir, runs_dir : str
        Where data sets are read, and where the folder of the run is made.
    name : str, optional
        The folder's name in ``runs_dir``; by default one made of data set, model, d_z and seed, with a number behind
        it when that is taken.
    limit_train, limit_holdout : int, optional
        Use only the first training images, or the first hold-out images, up to this number.
    image_size : int, optional
        Of ``npz:FILE`` and ``folder:DIR``: one of `IMAGE_SIZES`; by default 64 where every image has 64 pixels and more
        on its shorter side, else 32.
    posterior, objective, kernel, prior_length, interval, beta, uniform_length, divergence : optional
        Replace what the preset has; see `Recipe`. `recipe` is the result.

    Raises
    ------
    InputError
        If a field is out of its range, an option does nothing for the posterior and the objective, or their pair has
        no exact formula; the sentence names the command line's option.
    """

    dataset: str = "digits"
    model: str = "vae"
    latent_dim: int = 64
    epochs: int = 50
    batch_size: int = 100
    lr: float = 1e-4
    seed: int = 0
    device: str = "auto"
    precision: str = "fp32"
    deterministic: bool = False
    checkpoint_minutes: float = 10.0
    data_dir: str = "data"
    runs_dir: str = "runs"
    name: str | None = None
    limit_train: int | None = None
    limit_holdout: int | None = None
    image_size: int | None = None
    posterior: str | None = None
    objective: str | None = None
    kernel: str | None = None
    prior_length: str | float | None = None
    interval: str | None = None
    beta: float | None = None
    uniform_length: float | None = None
    divergence: str | None = None

    def __post_init__(self) -> None:
        for option in ("dataset", "data_dir", "runs_dir"):
            value = getattr(self, option)
            if not isinstance(value, str | Path) or "\0" in str(value):
                raise InputError(f"{flag(option)} must be a name that a file may have, got {value!r}.")
        require_dataset(self.dataset)
        self._check_image_size()
        _require_one_of("--model", self.model, tuple(PRESETS))
        require_device(self.device)
        _require_one_of("--precision", self.precision, PRECISIONS)
        _require_whole("--latent-dim", self.latent_dim, "The paper uses 8, 16, 32 or 64.", MOST_DIMENSIONS)
        _require_whole("--epochs", self.epochs, "The paper uses 50.")
        _require_whole("--batch-size", self.batch_size, "The paper uses 100.")
        if self.limit_train is not None:
            _require_whole("--limit-train", self.limit_train, "Leave it out to train on every image.")
        if self.limit_holdout is not None:
            _require_whole("--limit-holdout", self.limit_holdout, "Leave it out to judge by every hold-out image.")
        if not _is_whole(self.seed) or not 0 <= self.seed < 2**63:
            raise InputError(f"--seed must be a whole number from 0 to 2^63 - 1, got {self.seed}.")
        if not _is_number(self.lr) or not 0 < self.lr <= sys.float_info.max:
            raise InputError(f"--lr must be a positive number, got {self.lr}. The paper uses 1e-4.")
        if not isinstance(self.deterministic, bool):
            raise InputError(f"--deterministic is given or not (True or False), got {self.deterministic}.")
        if not _is_number(self.checkpoint_minutes) or not 0 < self.checkpoint_minutes < math.inf:
            raise InputError(f"--checkpoint-minutes must be a positive number, got {self.checkpoint_minutes}.")
        if self.name is not None and not _is_plain(self.name):
            raise InputError(
                f"--name must be a plain folder name of letters, digits and . _ + -, at most 200, got {self.name!r}. "
                "Where runs are kept is --runs-dir."
            )
        self._check_recipe()
        # A Path is welcome but a configuration is written as JSON.
        object.__setattr__(self, "data_dir", str(self.data_dir))
        object.__setattr__(self, "runs_dir", str(self.runs_dir))

    @property
    def recipe(self) -> Recipe:
        """The preset with what replaces it, complete. A preset's own option goes where it would do nothing."""
        replaced = {name: value for name, value in self._replacements().items() if value is not None}
        return dataclasses.replace(PRESETS[self.model], **replaced).completed()

    @property
    def label(self) -> str:
        """The preset and what differs from it, such as ``evae`` or ``evae-uniform-kernel-B0.5``."""
        preset, recipe = PRESETS[self.model].completed(), self.recipe
        parts = [self.model]
        for name, pattern in _LABELS.items():
            value, usual = getattr(recipe, name), getattr(preset, name)
            # An option that the preset has no use for is usual at its plain value.
            if usual is None and name in RECIPE_OPTIONS:
                usual = RECIPE_OPTIONS[name][2]
            if value not in (None, usual):
                parts.append(pattern.format(f"{value:g}" if isinstance(value, float | int) else value))
        return "-".join(parts)

    @property
    def default_name(self) -> str:
        """The run's name when none is given, such as ``mnist-evae-d64-seed0``."""
        limited = "" if self.limit_train is None else f"-first{self.limit_train}"
        limited += "" if self.limit_holdout is None else f"-holdout{self.limit_holdout}"
        size = "" if self.image_size is None else f"-{self.image_size}px"
        arithmetic = "" if self.precision == "fp32" else f"-{self.precision}"
        return f"{self._dataset_label}{size}{limited}-{self.label}-d{self.latent_dim}{arithmetic}-seed{self.seed}"

    @property
    def _dataset_label(self) -> str:
        """The data set as part of a folder's name: of a path its last part, such as ``npz-faces``."""
        kind, colon, path = self.dataset.partition(":")
        return f"{kind}-{re.sub(r'[^a-zA-Z0-9_.+-]+', '-', Path(path).stem)}" if colon else kind

    @classmethod
    def from_dict(cls, document: Any, source: str | Path) -> Configuration:
        """Read what `dataclasses.asdict` wrote; ``source`` is the file to name when it does not fit.

        A file of an earlier version may lack fields that were added since: they take their defaults.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        found = set(document) if isinstance(document, dict) else set()
        lacking, unknown = _FIRST_FIELDS - found, found - known
        if lacking or unknown:
            parts = [f"lacks {', '.join(sorted(lacking))}"] if lacking else []
            parts += [f"has an unknown {', '.join(sorted(map(str, unknown)))}"] if unknown else []
            raise InputError(f"{source} is no configuration of this program: it {' and '.join(parts)}.")
        try:
            return cls(**document)
        except InputError as error:
            raise InputError(f"{source} is no configuration of this program: {error}") from error

    def _replacements(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(Recipe)}

    def _check_image_size(self) -> None:
        if self.image_size is None:
            return
        if self.dataset in DATASETS:
            side = 64 if self.dataset == "celeba" else 32
            raise InputError(
                f"--image-size does nothing with {self.dataset}, which is seen at {side}x{side} (Appendix B): it "
                f"belongs to {' and '.join(DATASET_FORMS)}. Leave it out."
            )
        if not _is_whole(self.image_size) or self.image_size not in IMAGE_SIZES:
            raise InputError(
                f"--image-size must be 32 or 64, for which Appendix B has networks, got {self.image_size}."
            )

    def _check_recipe(self) -> None:
        """Refuse a wrong value, then an option that does nothing, then a pair without an exact formula."""
        object.__setattr__(self, "prior_length", _prior_length(self.prior_length))
        for option, allowed in _CHOICES.items():
            value = getattr(self, option)
            if value is not None:
                _require_one_of(flag(option), value, allowed)
        _require_between("--beta", self.beta, SMALLEST, "Without regularisation it is --objective reconstruction.")
        hint = "By default the prior has variance 1."
        _require_between("--uniform-length", self.uniform_length, SHORTEST_PRIOR, hint)
        recipe = self.recipe
        for option, (field, values, _) in RECIPE_OPTIONS.items():
            if getattr(self, option) is not None and not recipe.uses(option):
                raise InputError(
                    f"{flag(option)} does nothing with the {field} {getattr(recipe, field)}: it belongs to "
                    f"--{field} {' or '.join(values)}. Leave it out."
                )
        if self.divergence is not None and recipe.posterior == "uniform":
            raise InputError("--divergence does nothing with the posterior uniform: both are log(l/2r). Leave it out.")
        require_formula(recipe)


#: How a default name says each difference from the preset.
_LABELS = {
    "posterior": "{}",
    "objective": "{}",
    "kernel": "{}-kernel",
    "prior_length": "B{}",
    "interval": "{}",
    "beta": "beta{}",
    "uniform_length": "l{}",
    "divergence": "{}",
}

_CHOICES = {
    "posterior": POSTERIORS,
    "objective": OBJECTIVES,
    "kernel": KERNELS,
    "interval": INTERVALS,
    "divergence": DIVERGENCES,
}


def require_dataset(dataset: Any) -> None:
    """Refuse what is neither one of `DATASETS` nor one of `DATASET_FORMS` with a path."""
    kind, _, path = str(dataset).partition(":")
    kinds = {form.partition(":")[0]: form for form in DATASET_FORMS}
    if kind in kinds and not path:
        raise InputError(f"--dataset {dataset} lacks its path: it is {kinds[kind]}.")
    if kind not in kinds and dataset not in DATASETS:
        near = suggest(f"{kind}:FILE" if path else str(dataset), (*DATASETS, *DATASET_FORMS))
        raise InputError(f"--dataset {dataset!r} is not known. {near}")


def require_device(device: Any) -> None:
    """Refuse what is not one of `DEVICES`."""
    if device == "gpu":
        raise InputError("--device 'gpu' is not known. Did you mean cuda?")
    _require_one_of("--device", device, DEVICES)


def _prior_length(value: Any) -> str | float | None:
    """Return ``learned``, a positive number, or None."""
    if value is None or value == "learned":
        return None if value is None else "learned"
    try:
        length = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        length = math.nan
    if not SMALLEST <= length <= LARGEST:
        raise InputError(f"--prior-length must be learned or a number from 1e-06 to 1e6, got {value}. It is B.")
    return length


def _require_between(option: str, value: Any, smallest: float, hint: str) -> None:
    if value is None:
        return
    if not _is_number(value) or not smallest <= value <= LARGEST:
        raise InputError(f"{option} must be a number from {smallest:g} to 1e6, got {value}. {hint}")


def flag(option: str) -> str:
    """Return the option of the command line that a field of a configuration is."""
    return "--" + option.replace("_", "-")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_plain(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[\w][\w.+-]{0,199}", name) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _require_whole(option: str, value: Any, hint: str, most: int = MOST) -> None:
    if not _is_whole(value) or value < 1:
        raise InputError(f"{option} must be a positive whole number, got {value}. {hint}")
    if value > most:
        raise InputError(f"{option} must be at most {most:,}, got {value:,}. {hint}")


def _require_one_of(option: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{option} {value!r} is not known. {suggest(str(value), allowed)}")
