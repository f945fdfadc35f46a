"""Recipes: combinations of a posterior and an objective by name, and the pairs that have an exact formula."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from evae.configuration.noises import BETA, JOINT_NOISES, KERNEL_NOISES, NOISES, is_bounded
from foundation.errors import InputError

POSTERIORS = (*NOISES, BETA, *JOINT_NOISES, "kde", "none")

OBJECTIVES = ("elbo", "kde-bound", "uniform-prior", "iwae", "reconstruction")

KERNELS = tuple(KERNEL_NOISES)

#: Those whose sum with a uniform variable has an entropy and a roughness in closed form.
CLOSED_SUMS = ("epanechnikov", "uniform")

INTERVALS = ("printed", "corrected")

DIVERGENCES = ("kl", "renyi2")

#: What a divergence may be computed by: its exact formula, an exact bound on it, or an estimate from the drawn codes.
KINDS = ("exact", "bound", "draws")

PENALTIES = ("dip",)

PRIORS = ("normal", "mixture", "vamp")

#: Where the pseudo-inputs of the prior vamp come from.
PSEUDO_INPUTS = ("random", "data", "frozen")

#: Components of the prior vamp: normal laws with the moments of the posteriors of pseudo-inputs, or these posteriors.
VAMP_COMPONENTS = ("normal", "epanechnikov")

#: Gradients of the objective iwae (`evae.models.objectives.ImportanceWeighted`).
GRADIENTS = ("plain", "stl", "dreg")

#: Bounds of the objective iwae with which the decoder is trained: that of the encoder, or that of all codes in one.
DECODER_BOUNDS = ("groups", "all")

#: Shapes of the posterior beta that are learned: one for the model, or one for each code and dimension.
LEARNED_SHAPES = ("learned", "encoded")

#: b(100) = 100^(-2/9), the step size of Section 4 (`evae.models.kernel_density.step_size`).
STEP_SIZE = 100 ** (-2 / 9)

#: A shorter prior would leave no room for the smallest spreads.
SHORTEST_PRIOR = 1e-3

#: Length of the uniform prior of variance 1, that of N(0, 1).
UNIT_VARIANCE_LENGTH = math.sqrt(12)


@dataclass(frozen=True)
class Recipe:
    """A posterior with an objective (`evae.models`); an option without effect is None.

    Parameters
    ----------
    posterior, objective : str
        One of `POSTERIORS` and one of `OBJECTIVES`.
    kernel, prior_length, interval
        Of the posterior kde: K of Algorithm 1, one of `KERNELS`; B, ``learned`` or a constant; and the interval of U,
        one of `INTERVALS`: [-B, B] as printed or [-B/2, B/2].
    shape
        Of the posterior beta: its shape a, one of `LEARNED_SHAPES` or a constant.
    initial_shape
        Of a learned shape: a before the first step.
    beta
        Of every objective except reconstruction: the weight of its regularisation term.
    uniform_length, divergence
        Of the objective uniform-prior: the length l of the prior's interval, and one of `DIVERGENCES`.
    divergence_by
        Of the objectives with a prior: one of `KINDS`.
    prior, prior_components, pseudo_inputs, vamp_components, defensive_share
        Of the objective elbo: one of `PRIORS`; of the priors mixture and vamp their number of components, and of vamp
        one of `PSEUDO_INPUTS` and one of `VAMP_COMPONENTS`; of the components epanechnikov the share of N(0, I).
    importance_samples, importance_groups, elbo_share, decoder_bound, gradient
        Of the objective iwae: as for `evae.models.objectives.ImportanceWeighted`.
    penalty, penalty_weight
        A further term, one of `PENALTIES`, which any objective can have, and its weight.
    """

    posterior: str
    objective: str
    kernel: str | None = None
    prior_length: str | float | None = None
    interval: str | None = None
    shape: str | float | None = None
    initial_shape: float | None = None
    beta: float | None = None
    uniform_length: float | None = None
    divergence: str | None = None
    divergence_by: str | None = None
    prior: str | None = None
    prior_components: int | None = None
    pseudo_inputs: str | None = None
    vamp_components: str | None = None
    defensive_share: float | None = None
    importance_samples: int | None = None
    importance_groups: int | None = None
    elbo_share: float | None = None
    decoder_bound: str | None = None
    gradient: str | None = None
    penalty: str | None = None
    penalty_weight: float | None = None

    def completed(self) -> Recipe:
        """Set every option that has an effect, by default to its plain value, and every other one to None."""
        complete = Recipe(self.posterior, self.objective, penalty=self.penalty)
        # In the order of the table: an option may belong to a value of one before it.
        for name, (_, _, plain) in RECIPE_OPTIONS.items():
            if complete.uses(name):
                given = getattr(self, name)
                value: dict[str, Any] = {name: plain if given is None else given}
                complete = dataclasses.replace(complete, **value)
        return complete

    def uses(self, option: str) -> bool:
        """Return whether an option has an effect for this posterior and this objective."""
        field, values, _ = RECIPE_OPTIONS[option]
        return getattr(self, field) in values

    @property
    def has_divergence(self) -> bool:
        """True if the objective contains a divergence of the posterior from a prior."""
        return self.uses("divergence_by")

    @property
    def has_prior(self) -> bool:
        """True if the objective depends on a prior p(z), through a divergence or importance weights."""
        return self.has_divergence or self.uses("importance_samples")

    def document(self) -> dict[str, str | float]:
        """Return the fields that are not None, for a JSON file."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


#: The fields of a configuration that override its preset.
RECIPE_FIELDS = frozenset(field.name for field in dataclasses.fields(Recipe))

#: The field of a recipe and its values with which each option has an effect, and the option's plain value.
RECIPE_OPTIONS: dict[str, tuple[str, tuple[str, ...], str | float]] = {
    "kernel": ("posterior", ("kde",), "epanechnikov"),
    "prior_length": ("posterior", ("kde",), "learned"),
    "interval": ("posterior", ("kde",), "printed"),
    "shape": ("posterior", (BETA,), "learned"),
    "initial_shape": ("shape", LEARNED_SHAPES, 2.0),
    "beta": ("objective", ("elbo", "kde-bound", "uniform-prior"), 1.0),
    "uniform_length": ("objective", ("uniform-prior",), UNIT_VARIANCE_LENGTH),
    "divergence": ("objective", ("uniform-prior",), "kl"),
    "importance_samples": ("objective", ("iwae",), 5),
    "importance_groups": ("objective", ("iwae",), 1),
    "elbo_share": ("objective", ("iwae",), 0.0),
    "decoder_bound": ("objective", ("iwae",), "groups"),
    "gradient": ("objective", ("iwae",), "plain"),
    "divergence_by": ("objective", ("elbo", "uniform-prior"), "exact"),
    "prior": ("objective", ("elbo",), "normal"),
    "prior_components": ("prior", ("mixture", "vamp"), 10),
    "pseudo_inputs": ("prior", ("vamp",), "random"),
    "vamp_components": ("prior", ("vamp",), "normal"),
    "defensive_share": ("vamp_components", ("epanechnikov",), 0.1),
    "penalty_weight": ("penalty", ("dip",), 1.0),
}

PRESETS = {
    "vae": Recipe("gaussian", "elbo"),
    "evae": Recipe("kde", "kde-bound"),
    "evae-exact": Recipe("kde", "elbo"),
    "evae-direct": Recipe("epanechnikov", "elbo"),
    "evae-repaired": Recipe("epanechnikov", "uniform-prior"),
    "gaussian-kde": Recipe("kde", "kde-bound", kernel="gaussian"),
    # The paper does not determine beta: 4 is clearly more than 1, and --beta overrides it.
    "beta-vae": Recipe("gaussian", "elbo", beta=4.0),
    "ae": Recipe("none", "reconstruction"),
    "laplace-vae": Recipe("laplace", "elbo"),
    # The bound has no variance, where an estimate by draws has.
    "gm-vae": Recipe("gaussian", "elbo", prior="mixture", divergence_by="bound"),
    "gm-evae": Recipe("epanechnikov", "elbo", prior="mixture", divergence_by="bound"),
    "vamp-vae": Recipe("gaussian", "elbo", prior="vamp", divergence_by="bound", prior_components=100),
    "vamp-evae": Recipe("epanechnikov", "elbo", prior="vamp", divergence_by="bound", prior_components=100),
    "evae-beta": Recipe(BETA, "elbo"),
    "evae-beta-repaired": Recipe(BETA, "uniform-prior", divergence="renyi2"),
    "evae-radial": Recipe("radial", "elbo"),
    "evae-radial-full": Recipe("radial-full", "elbo"),
    "gaussian-full": Recipe("gaussian-full", "elbo"),
    "iwae": Recipe("gaussian", "iwae"),
    "iwae-epanechnikov": Recipe("epanechnikov", "iwae"),
}


def kinds_of(recipe: Recipe) -> tuple[str, ...]:
    """Return those of `KINDS` that have a finite formula for the recipe's divergence from its prior; none without one.

    What they compute is in `evae.models.regularisation.divergences`.
    """
    posterior, kernel = recipe.posterior, recipe.kernel
    closed = kernel is None or kernel in CLOSED_SUMS
    if not recipe.has_divergence or posterior == "none":
        return ()
    if recipe.objective == "uniform-prior":
        if _is_unbounded(recipe):
            return ()
        kinds = ("exact",) if recipe.divergence == "renyi2" else ("exact", "draws")
        return kinds if closed else kinds[1:]
    if recipe.vamp_components == "epanechnikov":
        # No posterior has a finite divergence from a component that does not contain its support.
        return ("draws",)
    if recipe.prior != "normal":
        # The bound is as exact as the divergences from the components.
        return ("bound", "draws") if closed else ("draws",)
    exact = ("exact",) if closed else ()
    return (*exact, "bound", "draws") if posterior == "kde" else (*exact, "draws")


def _is_unbounded(recipe: Recipe) -> bool:
    """Return whether the support of the posterior, which is not none, is unbounded."""
    if recipe.posterior == "kde":
        return KERNEL_NOISES[recipe.kernel or "epanechnikov"].reach is None
    return not is_bounded(recipe.posterior)


def require_formula(recipe: Recipe) -> None:
    """Raise `InputError` for a pair without a finite formula of the kind named, since nothing is approximated silently.

    ``recipe`` is complete.
    """
    posterior, objective = recipe.posterior, recipe.objective
    pair = f"--objective {objective} has no exact formula for --posterior {posterior}"
    if objective == "kde-bound" and posterior != "kde":
        raise InputError(f"{pair}: equation (8) weighs B and r, and only the posterior kde has both.")
    if recipe.has_divergence:
        kinds = kinds_of(recipe)
        if posterior == "none":
            raise InputError(f"{pair}: a point has no density, so that its divergence from any prior is infinite.")
        if recipe.vamp_components == "epanechnikov" and posterior != "epanechnikov":
            raise InputError(
                "--vamp-components epanechnikov goes with --posterior epanechnikov alone, got --posterior "
                f"{posterior}: the components are the posteriors of the pseudo-inputs. Use --vamp-components normal."
            )
        if _is_unbounded(recipe) and not kinds:
            raise InputError(f"{pair}: its support is unbounded, so that the divergence is infinite.")
        if recipe.divergence_by not in kinds:
            _refuse_kind(recipe, kinds)
    if objective == "uniform-prior":
        _require_room(recipe)
    if objective == "iwae":
        _require_weights(recipe)


def _require_weights(recipe: Recipe) -> None:
    """Raise `InputError` if a code of the posterior has no importance weight, or the weights have no such gradient."""
    posterior = recipe.posterior
    if posterior == "none":
        raise InputError("--objective iwae has no weights for --posterior none: a point has no density.")
    if recipe.gradient == "plain":
        return
    if posterior == "kde" or is_bounded(posterior):
        raise InputError(
            f"--gradient {recipe.gradient} is not for --posterior {posterior}: it leaves out the derivative of the "
            "density with respect to its parameters, whose mean is not zero or whose variance is infinite where a "
            "density ends. Use --gradient plain."
        )
    if recipe.elbo_share:
        raise InputError(f"--elbo-share goes with --gradient plain alone, got --gradient {recipe.gradient}.")


def _refuse_kind(recipe: Recipe, kinds: tuple[str, ...]) -> None:
    """Raise `InputError` for a kind that the pair lacks; the sentence names those that it has."""
    pair = f"--posterior {recipe.posterior}" + ("" if recipe.kernel is None else f" --kernel {recipe.kernel}")
    remedy = f"Use --divergence-by {' or '.join(kinds)}." if kinds else "Use --divergence kl --divergence-by draws."
    if recipe.divergence_by == "exact" and recipe.prior in ("mixture", "vamp"):
        raise InputError(
            f"--objective {recipe.objective} has no exact formula for --prior {recipe.prior}: the divergence from a "
            f"mixture has no closed form. {remedy}"
        )
    if recipe.prior in ("mixture", "vamp"):
        pair += f" --prior {recipe.prior}"
    if recipe.vamp_components == "epanechnikov":
        raise InputError(
            f"--divergence-by {recipe.divergence_by} has no formula for --vamp-components epanechnikov: the divergence "
            f"from a component is infinite unless it contains the posterior. {remedy}"
        )
    if recipe.divergence_by == "exact":
        noise = "normal" if recipe.kernel == "gaussian" else recipe.kernel
        raise InputError(
            f"--objective {recipe.objective} has no exact formula for {pair}: a {noise} plus a uniform variable has no "
            f"closed-form entropy. {remedy}"
        )
    if recipe.divergence == "renyi2":
        pair += " --divergence renyi2"
    raise InputError(
        f"--divergence-by {recipe.divergence_by} has no formula for --objective {recipe.objective} and {pair}. {remedy}"
    )


def _require_room(recipe: Recipe) -> None:
    """Raise `InputError` for a constant B that leaves no room for the kernel inside the uniform prior."""
    if recipe.uniform_length is not None and isinstance(recipe.prior_length, float):
        taken = recipe.prior_length * (2 if recipe.interval == "printed" else 1)
        if taken > 0.99 * recipe.uniform_length:
            raise InputError(
                f"--prior-length {recipe.prior_length:g} fills an interval of length {taken:g}, which leaves the "
                f"kernel no room inside the prior's --uniform-length {recipe.uniform_length:g}."
            )
