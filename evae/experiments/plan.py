"""The runs of each table: the paper's Tables 1 and 2, and the ablation of EVAE."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evae.configuration.configuration import Configuration
from evae.configuration.recipe import PRESETS, Recipe
from evae.features.names import require_features
from foundation.errors import InputError, suggest

TABLES = ("1", "2", "ablation")

#: The paper's latent dimensions, and its data sets by table; the ablation examines one of them closely.
LATENT_DIMS = {"1": (8, 16, 32, 64), "2": (8, 16, 32, 64), "ablation": (64,)}

DATASETS = {"1": ("mnist", "fashion-mnist"), "2": ("cifar10", "celeba"), "ablation": ("mnist",)}

#: B of the objective "kde-bound with constant B": the paper's Section 6 leaves it open, and 1 is the simplest choice.
CONSTANT_B = 1.0

#: The two factors of the ablation. A pair of levels is a cell, which defines a model and its name.
FACTOR_KERNELS = ("gaussian", "epanechnikov", "uniform")

FACTOR_OBJECTIVES = ("elbo", "kde-bound", "kde-bound, constant B")

#: Presets in the ablation. A new preset enters a table only by ``--models``.
ABLATION_PRESETS = (
    "vae",
    "evae",
    "evae-exact",
    "evae-direct",
    "evae-repaired",
    "gaussian-kde",
    "beta-vae",
    "ae",
)

#: Models on the curves of reconstruction against rate, with the weights of their regularisation term other than 1.
#: A divergence from N(0, I) needs a very small weight before the codes carry as much as EVAE's.
CURVES = {
    "vae": (1 / 8192, 1 / 1024, 1 / 128, 1 / 16, 4.0),
    "evae-exact": (1 / 1024, 1 / 128, 1 / 16, 4.0),
    "evae": (1 / 16, 16.0, 256.0),
}


@dataclass(frozen=True)
class Plan:
    """The runs of a table and the features that they are evaluated with.

    Attributes
    ----------
    table : str
        One of `TABLES`.
    configurations : tuple of Configuration
        In the order in which they are trained: all of one data set, and of these all of one seed, together.
    features : str
        One of `evae.features.CHOICES`.
    inception_weights : str, optional
        pytorch-fid's file of weights.
    choice : str, optional
        The reason for these features, if they were chosen by default.
    """

    table: str
    configurations: tuple[Configuration, ...]
    features: str = "auto"
    inception_weights: str | None = None
    choice: str | None = None

    @classmethod
    def of(
        cls,
        table: str,
        *,
        datasets: Sequence[str] | None = None,
        latent_dims: Sequence[int] | None = None,
        seeds: Sequence[int] = (0, 1, 2),
        models: Sequence[str] | None = None,
        features: str = "auto",
        inception_weights: str | None = None,
        **options: Any,
    ) -> Plan:
        """Return the plan of a table.

        Parameters
        ----------
        table : str
            One of `TABLES`.
        datasets, latent_dims : sequence, optional
            By default the paper's own of this table; for the ablation MNIST and 64.
        seeds : sequence of int
            Each model is trained once per seed.
        models : sequence of str, optional
            Names in `known_models`; by default VAE and EVAE, and for the ablation all of them.
        features, inception_weights
            See `Plan`.
        **options
            Fields of `Configuration` common to all runs, such as ``epochs`` and ``limit_train``.

        Raises
        ------
        InputError
            If the table or a model is unknown, nothing is to be trained, a value is repeated, or a configuration is
            invalid.
        """
        require_features(features)
        if table not in TABLES:
            raise InputError(f"--table {table!r} is not known. {suggest(table, TABLES)}")
        datasets, dims = datasets or DATASETS[table], latent_dims or LATENT_DIMS[table]
        models = default_models(table) if models is None else models
        # A repeated value would train a run twice and count it twice in every mean.
        given = {"--datasets": datasets, "--latent-dims": dims, "--seeds": seeds, "--models": models}
        for option, values in given.items():
            if not values or len(set(values)) < len(values):
                raise InputError(f"{option} must name at least one, and none twice; got {_listed(values) or 'none'}.")
        members = _members(models)
        configurations = tuple(
            _named(Configuration(dataset=dataset, latent_dim=dim, seed=seed, **member, **options))
            for dataset in datasets
            for seed in seeds
            for dim in dims
            for member in members
        )
        return cls(table, configurations, features, inception_weights)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets, each once."""
        return tuple(dict.fromkeys(config.dataset for config in self.configurations))


def known_models() -> dict[str, dict[str, Any]]:
    """Return, by label, the options of each model that a table may have: the ablation's, and the other presets."""
    members = (*ablation_members(), *({"model": name} for name in PRESETS if name not in ABLATION_PRESETS))
    return {Configuration(**member).label: member for member in members}


def default_models(table: str) -> tuple[str, ...]:
    """Return the models of a table when none are given."""
    return (
        tuple(Configuration(**member).label for member in ablation_members())
        if table == "ablation"
        else ("vae", "evae")
    )


def ablation_members() -> tuple[dict[str, Any], ...]:
    """Return the options of each model of the ablation: presets, the cells of the two factors, the curves.

    No two have the same posterior and objective.
    """
    found: dict[Recipe, dict[str, Any]] = {}
    for member in (*({"model": name} for name in ABLATION_PRESETS), *factorial().values(), *_curve_members()):
        found.setdefault(Configuration(**member).recipe, member)
    return tuple(found.values())


def factorial() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the options of the model of each cell, by kernel and objective.

    Under elbo the kernel itself is the noise, because Algorithm 1's sum with a Gaussian kernel has no exact formula.
    """
    direct = {"gaussian": {"model": "vae"}, "epanechnikov": {"model": "evae-direct"}}
    direct["uniform"] = {"model": "vae", "posterior": "uniform"}
    summed = {"epanechnikov": {"model": "evae"}, "gaussian": {"model": "gaussian-kde"}}
    summed["uniform"] = {"model": "evae", "kernel": "uniform"}
    elbo, learned, constant = FACTOR_OBJECTIVES
    return {
        **{(kernel, elbo): direct[kernel] for kernel in FACTOR_KERNELS},
        **{(kernel, learned): summed[kernel] for kernel in FACTOR_KERNELS},
        **{(kernel, constant): {**summed[kernel], "prior_length": CONSTANT_B} for kernel in FACTOR_KERNELS},
    }


def factors_of(recipe: Recipe) -> tuple[str, str] | None:
    """Return the kernel and the objective of a model that is a cell of the two factors, otherwise None."""
    cells = {Configuration(**member).recipe: cell for cell, member in factorial().items()}
    return cells.get(recipe)


def curve_of(recipe: Recipe) -> tuple[str, float] | None:
    """Return the model in `CURVES` whose curve contains a recipe, with its weight; None if no curve does."""
    if recipe.beta is None:
        return None
    unweighted = dataclasses.replace(recipe, beta=1.0)
    for model in CURVES:
        if unweighted == PRESETS[model].completed():
            return model, recipe.beta
    return None


def _curve_members() -> Iterator[dict[str, Any]]:
    for model, betas in CURVES.items():
        yield from ({"model": model, "beta": beta} for beta in betas)


def _named(config: Configuration) -> Configuration:
    """Give a run a name that identifies it: the default one, and the other settings that affect its result."""
    plain = Configuration()
    parts = [config.default_name, f"{config.epochs}epochs"]
    parts += [f"lr{config.lr:g}"] if config.lr != plain.lr else []
    parts += [f"batch{config.batch_size}"] if config.batch_size != plain.batch_size else []
    parts += [config.schedule] if config.schedule != plain.schedule else []
    parts += [config.optimizer] if config.optimizer != plain.optimizer else []
    parts += [f"decay{config.weight_decay:g}"] if config.weight_decay is not None else []
    parts += [f"clip{config.clip_gradient:g}"] if config.clip_gradient is not None else []
    return dataclasses.replace(config, name="-".join(parts))


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Read whole numbers and ranges, such as ``0,1,2`` or ``0-7``; an `InputError` names the option.

    Examples
    --------
    >>> whole_numbers("0-2,8", "--seeds")
    (0, 1, 2, 8)
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", part.strip())
        if match is None:
            raise InputError(f"{option} takes whole numbers and ranges, such as 0,1,2 or 0-7; got {text!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first > 10_000:
            raise InputError(f"{option}: {part.strip()} is not a range from a smaller number to a larger one.")
        found += range(first, last + 1)
        if len(found) > 100_000:
            raise InputError(f"{option} names more than 100,000 numbers.")
    return tuple(found)


def _members(names: Sequence[str]) -> list[dict[str, Any]]:
    models = known_models()
    for name in names:
        if name not in models:
            raise InputError(f"--models {name!r} is not known. {suggest(name, models)}")
    return [models[name] for name in names]


def _listed(values: Sequence[Any]) -> str:
    return ",".join(map(str, values))
