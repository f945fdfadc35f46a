"""Configuration of a training run, with its checks and its default name."""

from __future__ import annotations

import dataclasses
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evae.configuration.domains import GIVEN
from evae.configuration.noises import JOINT_NOISES, MOST_FULL_DIMENSIONS
from evae.configuration.options import (
    DATASET_FORMS,
    DATASETS,
    IMAGE_SIZES,
    NETWORKS,
    OPTIONS,
    PIXELS,
    TrainingOptions,
    flag,
    parameters,
)
from evae.configuration.recipe import PRESETS, RECIPE_OPTIONS, Recipe, require_formula
from foundation.errors import InputError

#: The fields of the first ``config.json``. A file may lack any other field, which then has its default. The default of
#: a field added later must therefore reproduce the earlier behaviour.
_FIRST_FIELDS = frozenset(
    (
        *("dataset", "model", "latent_dim", "epochs", "batch_size", "lr", "seed"),
        *("device", "data_dir", "runs_dir", "name", "limit_train"),
    )
)


@dataclass(frozen=True)
class Configuration(TrainingOptions):
    """A training run, as the options of ``train`` describe it; `OPTIONS` has the domain of each.

    Raises
    ------
    InputError
        If a field is outside its domain, an option has no effect for the posterior and the objective, or their pair has
        no exact formula; the message names the command-line option.
    """

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            object.__setattr__(self, name, option.require(getattr(self, name)))
        self._check_image_size()
        self._check_image_files()
        self._check_weight_decay()
        require_fit(self.dataset, self.fit)
        self._check_pixels()
        self._check_recipe()

    @property
    def recipe(self) -> Recipe:
        """The complete recipe: the preset with its overrides, without preset options that would have no effect."""
        replaced = {name: value for name, value in self._replacements().items() if value is not None}
        return dataclasses.replace(PRESETS[self.model], **replaced).completed()

    @property
    def label(self) -> str:
        """The preset and the options that differ from it, such as ``evae`` or ``evae-uniform-kernel-B0.5``."""
        preset, recipe = PRESETS[self.model].completed(), self.recipe
        parts = [self.model]
        for name, option in OPTIONS.items():
            if option.label is None:
                continue
            value, usual = getattr(recipe, name), getattr(preset, name)
            # An option that the preset does not use is omitted at its plain value.
            if usual is None and name in RECIPE_OPTIONS:
                usual = RECIPE_OPTIONS[name][2]
            if value not in (None, usual):
                parts.append(option.label.format(f"{value:g}" if isinstance(value, float | int) else value))
        return "-".join(parts)

    @property
    def has_own_network(self) -> bool:
        """Whether the network is the user's own: a function, or a model given in Python."""
        return self.network not in NETWORKS

    @property
    def default_name(self) -> str:
        """The run's name when none is given, such as ``mnist-evae-d64-seed0``."""
        limited = "" if self.limit_train is None else f"-first{self.limit_train}"
        limited += "" if self.limit_holdout is None else f"-holdout{self.limit_holdout}"
        size = "" if self.image_size is None else f"-{self.image_size}px"
        size += "" if self.fit == "resize" else f"-{self.fit}"
        size += "" if self.binarise is None else f"-{self.binarise}"
        arithmetic = "" if self.precision == "fp32" else f"-{self.precision}"
        pixels = "" if self.pixels == PIXELS[0] else f"-{self.pixels}"
        pixels += f"-{self.pixel_scale:g}" if isinstance(self.pixel_scale, float) else ""
        network = "" if self.network == NETWORKS[0] else f"-{_plain(self.network)}"
        model = f"{self.label}{pixels}{network}-d{self.latent_dim}{arithmetic}"
        return f"{self._dataset_label}{size}{limited}-{model}-seed{self.seed}"

    @property
    def _dataset_label(self) -> str:
        """The data set as part of a folder's name; for a path its last component, such as ``npz-faces``."""
        kind, colon, path = self.dataset.partition(":")
        return f"{kind}-{_plain(Path(path).stem)}" if colon else kind

    @classmethod
    def from_dict(cls, document: Any, source: str | Path) -> Configuration:
        """Read the output of `dataclasses.asdict`; ``source`` is the file named in messages.

        A file of an earlier version may lack fields that were added since: they get their defaults.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        found = set(document) if isinstance(document, dict) else set()
        lacking, unknown = _FIRST_FIELDS - found, found - known
        if lacking or unknown:
            parts = [f"lacks {', '.join(sorted(lacking))}"] if lacking else []
            parts += [f"has an unknown {', '.join(sorted(map(str, unknown)))}"] if unknown else []
            raise InputError(f"{source} is not a configuration of this program: it {' and '.join(parts)}.")
        try:
            return cls(**document)
        except InputError as error:
            raise InputError(f"{source} is not a configuration of this program: {error}") from error

    def _replacements(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(Recipe)}

    def _check_image_size(self) -> None:
        if self.image_size is None:
            return
        if self.dataset == GIVEN:
            raise InputError("--image-size does nothing with images that are given in Python. Leave it out.")
        if self.network != NETWORKS[0]:
            return
        if self.image_size not in IMAGE_SIZES:
            raise InputError(
                f"--image-size must be {' or '.join(map(str, IMAGE_SIZES))}, got {self.image_size}. Appendix B has "
                "networks for these two sizes; --network mlp takes any size."
            )
        if self.dataset in DATASETS:
            side = 64 if self.dataset == "celeba" else 32
            raise InputError(
                f"--image-size does nothing with {self.dataset}, which is seen at {side}x{side} (Appendix B): it "
                f"belongs to {' and '.join(DATASET_FORMS)}, or to another --network. Leave it out."
            )

    def _check_image_files(self) -> None:
        if self.skip_undecodable and self.dataset != "celeba" and not self.dataset.startswith("folder:"):
            raise InputError(
                f"--skip-undecodable does nothing with {self.dataset}, which has no image files: it belongs to "
                "folder:DIR and celeba. Leave it out."
            )

    def _check_weight_decay(self) -> None:
        if self.weight_decay is not None and self.optimizer == "adam":
            raise InputError(
                "--weight-decay does nothing with --optimizer adam: it belongs to adamw or sgd. Leave it out, or add "
                "--optimizer adamw."
            )

    def _check_pixels(self) -> None:
        if self.pixel_scale is not None and self.pixels != "gaussian":
            raise InputError(
                f"--pixel-scale does nothing with --pixels {self.pixels}: it belongs to --pixels gaussian. Leave "
                "it out."
            )
        if self.binarise is not None and self.pixels != PIXELS[0]:
            raise InputError(
                f"--binarise {self.binarise} is not for --pixels {self.pixels}: a density of pixels of 0 and 1 alone "
                "grows without bound. Use --pixels bernoulli."
            )

    def _check_recipe(self) -> None:
        """Raise `InputError` for an option without effect, or a pair without an exact formula."""
        recipe = self.recipe
        for option, (field, values, _) in RECIPE_OPTIONS.items():
            if getattr(self, option) is not None and not recipe.uses(option):
                found = getattr(recipe, field)
                name = field.replace("_", " ")
                where = f"without {flag(field)}" if found is None else f"with the {name} {found}"
                raise InputError(
                    f"{flag(option)} does nothing {where}: it belongs to {flag(field)} {' or '.join(values)}. Leave "
                    "it out."
                )
        if self.divergence is not None and recipe.posterior == "uniform":
            raise InputError("--divergence does nothing with the posterior uniform: both are log(l/2r). Leave it out.")
        require_formula(recipe)
        self._check_covariance(recipe.posterior)

    def _check_covariance(self, posterior: str) -> None:
        """Raise `InputError` for a full covariance of one dimension, or of too many for the encoder."""
        full = posterior in JOINT_NOISES and JOINT_NOISES[posterior].full
        if full and not 2 <= self.latent_dim <= MOST_FULL_DIMENSIONS:
            raise InputError(
                f"--latent-dim must be from 2 to {MOST_FULL_DIMENSIONS} for --posterior {posterior}, whose encoder has "
                f"an output for each pair of dimensions, got {self.latent_dim:,}. Use --posterior "
                f"{posterior.removesuffix('-full')} for other numbers of dimensions."
            )


def require_fit(dataset: str, fit: str) -> None:
    """Raise `InputError` if images of a data set, as ``--dataset`` names it, cannot be fitted in this way."""
    OPTIONS["fit"].require(fit)
    kind = dataset.partition(":")[0]
    if fit == "resize" or kind not in _NOT_PADDED:
        return
    raise InputError(
        f"--fit {fit} does nothing with {kind}, {_NOT_PADDED[kind]}: it belongs to digits, mnist, fashion-mnist and "
        "npz:FILE. Leave it out."
    )


#: Why there is no border for other data sets.
_NOT_PADDED = {
    "cifar10": "whose images have the 32x32 pixels of the network",
    "celeba": "whose images are larger than the 64x64 pixels of the network",
    "folder": "whose image files may have any sizes",
    GIVEN: "the images given in Python, which are seen as they are",
}


def _plain(text: str) -> str:
    """Return a text with a hyphen for every other character than those of a folder's name."""
    return re.sub(r"[^a-zA-Z0-9_.+-]+", "-", text)


Configuration.__doc__ = f"{inspect.cleandoc(Configuration.__doc__ or '')}\n\n{parameters(OPTIONS)}"
