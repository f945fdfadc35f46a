"""What of the log-likelihood is to be estimated, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evae.configuration.configuration import Configuration
from evae.configuration.options import PIXELS, flag
from evae.data import ImageData
from evae.data.images import is_binary
from evae.evaluation.names import (
    BINARISATIONS,
    CHAINS,
    DEFAULT_CHAINS,
    DEFAULT_LEAPFROG_STEPS,
    DEFAULT_SAMPLES,
    DEFAULT_TEMPERATURES,
    LEAPFROG_STEPS,
    LIKELIHOODS,
    SAMPLES,
    SCORED_IMAGES,
    TEMPERATURES,
)
from foundation.errors import InputError

#: The domain of each option, and the methods that it belongs to.
_DOMAINS = {
    "samples": (SAMPLES, ("is",)),
    "chains": (CHAINS, ("ais",)),
    "temperatures": (TEMPERATURES, ("ais",)),
    "leapfrog_steps": (LEAPFROG_STEPS, ("ais",)),
    "binarise": (BINARISATIONS, LIKELIHOODS.words),
    "likelihood_images": (SCORED_IMAGES, LIKELIHOODS.words),
}


@dataclass(frozen=True)
class LikelihoodOptions:
    """What to estimate.

    Parameters
    ----------
    method : str
        ``is``: importance sampling; ``ais``: annealed importance sampling.
    samples : int
        K, the number of codes drawn for each image by ``is``.
    chains, temperatures, leapfrog_steps : int
        Of ``ais``: chains for each image and law, T, and steps of a transition.
    binarise : str, optional
        How grey pixels become binary: see `evae.data.binarisation.binarise_split`. None for images that are binary,
        as those of a run that was trained with ``binarise`` are.
    likelihood_images : int, optional
        Number of hold-out images, the first ones; None for all.
    """

    method: str = "is"
    samples: int = DEFAULT_SAMPLES
    chains: int = DEFAULT_CHAINS
    temperatures: int = DEFAULT_TEMPERATURES
    leapfrog_steps: int = DEFAULT_LEAPFROG_STEPS
    binarise: str | None = None
    likelihood_images: int | None = None

    @classmethod
    def of(cls, likelihood: str | None, **options: Any) -> LikelihoodOptions | None:
        """Return the options of an evaluation; None if no likelihood is requested.

        ``options`` are fields, of which None stands for the default.

        Raises
        ------
        InputError
            If a value is outside its domain, or is given although no likelihood is requested, or one that does not use
            it.
        """
        given = {name: value for name, value in options.items() if value is not None}
        for name, value in given.items():
            _DOMAINS[name][0].require(flag(name), value)
        if likelihood is not None:
            LIKELIHOODS.require("--likelihood", likelihood)
        for name, value in given.items():
            methods = _DOMAINS[name][1]
            if likelihood is None:
                raise InputError(
                    f"{flag(name)} applies to --likelihood only, got {value!r} without it. Add --likelihood "
                    f"{methods[0]}."
                )
            if likelihood not in methods:
                raise InputError(
                    f"{flag(name)} applies to --likelihood {methods[0]} only, got {value!r} with --likelihood "
                    f"{likelihood}. Leave it out."
                )
        return None if likelihood is None else cls(likelihood, **given)

    def require(self, config: Configuration, data: ImageData) -> None:
        """Check, before any computation, that the hold-out images have a likelihood.

        Raises
        ------
        InputError
            If they are grey and are not to be made binary, or are binary by the run's own option and are to be made so
            in another way, or there are fewer than are to be scored; or the run's law of the pixels is a density, and
            they are to be made binary.
        """
        if self.likelihood_images is not None and not 2 <= self.likelihood_images <= len(data.holdout):
            raise InputError(
                f"--likelihood-images must be a whole number from 2 to {len(data.holdout):,}, the number of hold-out "
                f"images, got {self.likelihood_images:,}."
            )
        if config.pixels != PIXELS[0]:
            if self.binarise is not None:
                raise InputError(
                    f"--binarise does nothing with this run, whose --pixels {config.pixels} is a density of grey "
                    "pixels. Leave it out."
                )
            return
        if self.binarise is not None and config.binarise is not None:
            raise InputError(
                f"--binarise does nothing with this run, whose images are binary by --binarise {config.binarise} of "
                "its training. Leave it out."
            )
        if self.binarise is None and not (is_binary(data.holdout[: self.likelihood_images]) and is_binary(data.train)):
            raise InputError(
                f"--likelihood needs images whose pixels are all 0 or 255, got others in {config.dataset}: the "
                "decoder's Bernoulli likelihood is one of binary pixels only. Add --binarise threshold or --binarise "
                "static."
            )
