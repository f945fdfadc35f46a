"""The combinations of posterior, prior, objective and kind of divergence: which train, and why others do not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from evae.configuration.configuration import Configuration
from evae.configuration.recipe import DIVERGENCES, KERNELS, KINDS, OBJECTIVES, POSTERIORS, PRESETS, PRIORS, Recipe
from evae.models.objectives import objective_for
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import Posterior
from evae.models.priors.choice import prior_for
from evae.models.regularisation.divergences import kinds
from foundation.errors import InputError
from foundation.terminal import FittingTable

_IMAGE_SHAPE = (1, 32, 32)


@dataclass(frozen=True)
class Combination:
    """A combination of the options of ``train``.

    Attributes
    ----------
    options : mapping
        Fields of `evae.configuration.configuration.Configuration`.
    prior : str
        Description of the prior; empty if the objective has none.
    term : str, optional
        Name of the regularisation term in the log; None if there is none, or the combination is refused.
    refusal : str, optional
        Why it cannot be trained; None if it can.
    """

    options: Mapping[str, Any]
    prior: str
    term: str | None = None
    refusal: str | None = None

    @property
    def reason(self) -> str:
        """The reason of the refusal, without the options and the remedy; empty if it can be trained."""
        return (self.refusal or "").partition(": ")[2].partition(" Use --")[0]


def combinations() -> Iterator[Combination]:
    """Yield all combinations; whether one is refused is asked of the checks of a configuration and of the registry."""
    for posterior in POSTERIORS:
        for kernel in KERNELS if posterior == "kde" else (None,):
            for objective in OBJECTIVES:
                law: dict[str, Any] = {"posterior": posterior, "objective": objective}
                for options in _kinds_of(law if kernel is None else law | {"kernel": kernel}):
                    yield _judge(options)


def combination_table() -> FittingTable:
    """Return the table of all combinations, in which each kind has the name of its term in the log."""
    rows = []
    for laws, found in itertools.groupby(combinations(), key=_laws):
        cells = dict.fromkeys(KINDS, "")
        reasons: dict[str, None] = {}
        for one in found:
            usual = "draws" if one.options["objective"] == "iwae" else "exact"
            kind = one.options.get("divergence_by", usual)
            cells[kind] = "-" if one.refusal is not None else one.term or "no term"
            reasons |= {one.reason: None} if one.reason else {}
        rows.append((*laws, *cells.values(), " ".join(reasons)))
    return FittingTable(("posterior", "objective", "prior", *KINDS, "why not"), rows)


def _laws(combination: Combination) -> tuple[str, str, str]:
    """Return posterior, objective and prior of a combination, each with the options that it has."""
    options = combination.options
    posterior = " ".join(options[name] for name in ("posterior", "kernel") if name in options)
    objective = " ".join(options[name] for name in ("objective", "divergence") if name in options)
    return posterior, objective, combination.prior


def _kinds_of(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the options with each prior, each divergence and each kind that the objective has a choice of."""
    recipe = Recipe(options["posterior"], options["objective"])
    priors: list[dict[str, Any]] = [{"prior": prior} for prior in PRIORS] if recipe.uses("prior") else [{}]
    if recipe.uses("prior") and options["posterior"] == "epanechnikov":
        priors.append({"prior": "vamp", "vamp_components": "epanechnikov"})
    measures = DIVERGENCES if recipe.uses("divergence") and options["posterior"] != "uniform" else (None,)
    for prior, measure, kind in itertools.product(priors, measures, KINDS if recipe.has_divergence else (None,)):
        chosen = {"divergence": measure, "divergence_by": kind}
        yield options | prior | {name: value for name, value in chosen.items() if value is not None}


def _judge(options: dict[str, Any]) -> Combination:
    # The prior that the objective has, also where the pair is refused.
    usual = next(preset for preset in PRESETS.values() if preset.objective == options["objective"]).completed()
    prior = prior_for(usual, 1, _IMAGE_SHAPE)
    label = " ".join(options[name] for name in ("prior", "vamp_components") if name in options) or (
        "" if prior is None else prior.label.removeprefix("the prior, ")
    )
    try:
        config = Configuration(**options)
        if config.recipe.has_divergence:
            _require_registered(config)
    except InputError as refusal:
        return Combination(options, label, refusal=str(refusal))
    return Combination(options, label, next(iter(objective_for(config).names[1:]), None))


def _require_registered(config: Configuration) -> None:
    """Raise `InputError` if the registry lacks the kind that a configuration names."""
    recipe, family = config.recipe, PosteriorFamily.of(config.recipe)
    prior = prior_for(recipe, 1, _IMAGE_SHAPE)
    assert prior is not None

    # A network is not needed to tell which formulas there are.
    def make_posterior(rows: int) -> Posterior:
        return family.from_heads(*(torch.zeros(rows, outputs) for outputs in family.outputs(1).values()))

    prior.attach(lambda images: make_posterior(len(images)))
    posterior = make_posterior(1)
    if recipe.divergence_by not in kinds(posterior, prior, recipe.divergence or "kl"):
        raise InputError(f"the {posterior.label} has no {recipe.divergence_by} divergence from {prior.label}.")
