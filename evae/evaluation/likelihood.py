"""Log-likelihood of hold-out images under the decoder and a law of codes, by importance sampling in double precision.

The Bernoulli likelihood is one of binary pixels only: the cross-entropy of grey pixels is not the log-probability of
anything. For a model with this law, images with other pixels than 0 and 255 are therefore made binary first, or
refused. The other laws of `evae.models.pixels` are densities, under which grey images are scored as they are.

The noise of each image has a stream of its own, and an image is encoded and its codes are decoded by themselves, in
batches of constant size. Hence its estimate has the same bits whatever the other images are, and in chunks of any size.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evae.compute.precision import keep_freed_memory
from evae.compute.random_streams import Stream, generator
from evae.configuration.configuration import Configuration
from evae.configuration.options import PIXELS
from evae.data import ImageData, as_images
from evae.data.images import binarise, is_binary
from evae.evaluation.code_laws import FITTED_TO, draw_posterior_codes, fit_mixture
from evae.evaluation.importance_sampling import Estimate, Proposal
from evae.evaluation.laplace import Normal, approximate_posterior
from evae.evaluation.names import BINARISATIONS, DEFAULT_SAMPLES, LIKELIHOODS, SAMPLES, SCORED_IMAGES
from evae.metrics import UNRELIABLE
from evae.models.priors.prior import CodeLaw
from evae.models.vae import VAE
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress

#: Codes decoded at a time. Constant, because the last bits of a product depend on the number of its rows.
ROWS = 500

#: Images that are brought to the device at a time.
CHUNK = 100


@dataclass(frozen=True)
class LikelihoodOptions:
    """What to estimate.

    Parameters
    ----------
    samples : int
        K, the number of codes drawn for each image.
    binarise : str, optional
        How grey pixels become binary: see `evae.data.images.binarise`. None for images that are binary.
    images : int, optional
        Number of hold-out images, the first ones; None for all.
    """

    samples: int = DEFAULT_SAMPLES
    binarise: str | None = None
    images: int | None = None

    @classmethod
    def of(
        cls, likelihood: str | None, samples: int | None, binarise: str | None, images: int | None
    ) -> LikelihoodOptions | None:
        """Return the options of an evaluation; None if no likelihood is requested.

        Raises
        ------
        InputError
            If a value is outside its domain, or is given although no likelihood is requested.
        """
        given = {
            "--samples": (samples, SAMPLES),
            "--binarise": (binarise, BINARISATIONS),
            "--likelihood-images": (images, SCORED_IMAGES),
        }
        for flag, (value, domain) in given.items():
            if value is not None:
                domain.require(flag, value)
        if likelihood is not None:
            LIKELIHOODS.require("--likelihood", likelihood)
            return cls(DEFAULT_SAMPLES if samples is None else samples, binarise, images)
        for flag, (value, _) in given.items():
            if value is not None:
                raise InputError(f"{flag} applies to --likelihood only, got {value!r} without it. Add --likelihood is.")
        return None

    def require(self, config: Configuration, data: ImageData) -> None:
        """Check, before any computation, that the hold-out images have a likelihood.

        Raises
        ------
        InputError
            If they are grey and are not to be made binary, or there are fewer than are to be scored.
        """
        if self.images is not None and not 2 <= self.images <= len(data.holdout):
            raise InputError(
                f"--likelihood-images must be a whole number from 2 to {len(data.holdout):,}, the number of hold-out "
                f"images, got {self.images:,}."
            )
        if config.pixels != PIXELS[0]:
            if self.binarise is not None:
                raise InputError(
                    f"--binarise does nothing with this run, whose --pixels {config.pixels} is a density of grey "
                    "pixels. Leave it out."
                )
            return
        if self.binarise is None and not (is_binary(data.holdout[: self.images]) and is_binary(data.train)):
            raise InputError(
                f"--likelihood needs images whose pixels are all 0 or 255, got others in {config.dataset}: the "
                "decoder's Bernoulli likelihood is one of binary pixels only. Add --binarise threshold or --binarise "
                "static."
            )


def estimate_likelihood(
    model: VAE,
    config: Configuration,
    data: ImageData,
    options: LikelihoodOptions,
    progress: ProgressCallback = ignore_progress,
) -> dict[str, Any]:
    """Estimate the log-likelihood of hold-out images under the model's fixed prior, if any, and a fitted mixture.

    ``model`` must be in evaluation mode, and the ``options`` allow these data (`LikelihoodOptions.require`).

    Returns
    -------
    dict
        ``laws``, by name: the mean over images of log p(x) in nats with its standard error over images, the same from
        half of the codes, and the Pareto shape of the weights; and all that determines them.
    """
    keep_freed_memory(model.device)
    seed = config.seed
    holdout = _binary(data.holdout[: options.images], options.binarise, seed, epoch=0)
    train = _binary(data.train[:FITTED_TO], options.binarise, seed, epoch=1)
    codes = draw_posterior_codes(model, train, seed, progress)
    mixture = fit_mixture(codes, seed)
    laws: dict[str, CodeLaw] = {} if model.prior is None else {"prior": model.prior}
    laws["mixture"] = mixture
    scorer = Scorer.of(model, laws, seed)
    scores = list(scorer.score(holdout, options.samples, progress))
    found = {name: summarise([score[name] for score in scores]) for name in laws}
    return {
        "method": "is",
        "samples": options.samples,
        "images": len(holdout),
        "pixels": config.pixels,
        "binarise": options.binarise,
        "posterior_share": 0.0 if scorer.is_point else 0.5,
        "normal_width": scorer.width,
        "laws": {name: {**law.document(), **found[name]} for name, law in laws.items()},
    }


def _binary(pixels: Tensor, how: str | None, seed: int, epoch: int) -> Tensor:
    return pixels if how is None else binarise(pixels, how, generator(seed, Stream.BINARISATION, epoch))


@dataclass(frozen=True)
class Scorer:
    """A model in double precision and the laws under which it scores images.

    Attributes
    ----------
    model : VAE
    laws : mapping of str to CodeLaw
    seed : int
    """

    model: VAE
    laws: Mapping[str, CodeLaw]
    seed: int

    @classmethod
    def of(cls, model: VAE, laws: Mapping[str, CodeLaw], seed: int) -> Scorer:
        """Copy a model in evaluation mode, which is not changed."""
        own = {name: law.in_double(model.device) for name, law in laws.items()}
        return cls(copy.deepcopy(model).double(), own, seed)

    @property
    def is_point(self) -> bool:
        """Whether the posterior is a point, from which no code can be drawn with a density."""
        return self.model.family.posterior == "none"

    @property
    def width(self) -> float:
        """The standard deviations of the proposal's normal law in units of the approximation's, 1 + 1/sqrt(2 d_z).

        If the true posterior is the approximation, the weights of codes from the wider law have a variance of about
        e - 1 in any number of dimensions, where a constant factor would cost more with each.
        """
        return 1 + 1 / math.sqrt(2 * self.model.latent_dim)

    def score(
        self,
        pixels: Tensor,
        samples: int,
        progress: ProgressCallback = ignore_progress,
        chunk: int = CHUNK,
    ) -> Iterator[dict[str, Estimate]]:
        """Estimate log p(x) of each of N binary images, uint8 (N, C, S, S), under every law, from K codes each.

        ``chunk`` images at a time are brought to the device; the result does not depend on it.
        """
        done = 0
        for part in pixels.split(chunk):
            for image in part.to(self.model.device).split(1):
                noise = generator(self.seed, Stream.LIKELIHOOD, done, self.model.device)
                weights = self.log_weights(image, self.proposal(image, samples), noise)
                done += 1
                progress("scoring hold-out images", done, len(pixels))
                yield {name: Estimate.of(found) for name, found in weights.items()}

    @torch.no_grad()
    def proposal(self, image: Tensor, samples: int) -> Proposal:
        """Return the proposal for an image, uint8 (1, C, S, S).

        Half of the codes are drawn from the model's posterior, unless that is a point, and the others in equal parts
        from the normal approximations of the true posteriors under the laws, widened.
        """
        pixels = as_images(image).double()
        posterior = self.model.encode(pixels)
        near = [Normal.of(*law.moments_near(posterior.mean[0])) for law in self.laws.values()]
        normals = tuple(
            approximate_posterior(self.model.logits, self.model.pixels, pixels, posterior.mean, law).widened(self.width)
            for law in near
        )
        own = 0 if self.is_point else samples // 2
        return Proposal(posterior, normals, own, (samples - own) // len(normals))

    @torch.no_grad()
    def log_weights(self, image: Tensor, proposal: Proposal, noise: torch.Generator) -> dict[str, Tensor]:
        """Compute log p(x | z) + log p(z) - log q(z), (K,), by law, of K codes for an image, uint8 (1, C, S, S)."""
        drawn = proposal.draw(noise)
        assert drawn.log_density is not None
        pixels = as_images(image).double()
        errors = [
            self.model.pixels.error(self.model.logits(codes), pixels.expand(len(codes), -1, -1, -1))
            for codes in drawn.codes.split(ROWS)
        ]
        base = -torch.cat(errors) - drawn.log_density
        return {name: base + law.log_prob(drawn.codes) for name, law in self.laws.items()}


def summarise(scores: list[Estimate]) -> dict[str, Any]:
    """Summarise the estimates of two or more images as a JSON document, in which an infinite number is None."""
    values, halves, shapes = (
        torch.tensor([getattr(score, name) for score in scores], dtype=torch.float64)
        for name in ("log_likelihood", "at_half", "pareto_k")
    )
    return {
        "log_likelihood": _finite(values.mean()),
        "standard_error": _finite(values.std() / math.sqrt(len(values))),
        "at_half_the_samples": _finite(halves.mean()),
        "pareto_k": {
            "median": _finite(shapes.median()),
            "largest": _finite(shapes.max()),
            "share_above_0.7": float((shapes > UNRELIABLE).double().mean()),
        },
        "by_image": [_finite(value) for value in values],
    }


def _finite(value: Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
