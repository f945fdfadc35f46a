"""Log-likelihood of single images under a model's decoder and a law of codes, in double precision.

The noise of each image has a stream of its own, and an image is encoded and its codes are decoded by themselves, in
batches of constant size. Hence its estimate has the same bits whatever the other images are, and in chunks of any size.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evae.compute.random_streams import Stream, generator
from evae.data import as_images
from evae.data.images import crop_inner
from evae.evaluation.likelihood.importance_sampling import Estimate, Proposal
from evae.evaluation.likelihood.laplace import Normal, approximate_posterior
from evae.metrics import UNRELIABLE
from evae.models.priors import CodeLaw
from evae.models.vae import VAE
from foundation.progress import ProgressCallback, ignore_progress

#: Codes decoded at a time. Constant, because the last bits of a product depend on the number of its rows.
ROWS = 500

#: Images that are brought to the device at a time.
CHUNK = 100


@dataclass(frozen=True)
class Scorer:
    """A model in double precision and the laws under which it scores images.

    Attributes
    ----------
    model : VAE
    laws : mapping of str to CodeLaw
    seed : int
    inner : (int, int), optional
        Height and width of the pixels within a border (`evae.data.images.pad`). Those of the border are integrated out:
        given the code, pixels are independent.
    """

    model: VAE
    laws: Mapping[str, CodeLaw]
    seed: int
    inner: tuple[int, int] | None = None

    @classmethod
    def of(cls, model: VAE, laws: Mapping[str, CodeLaw], seed: int, inner: tuple[int, int] | None = None) -> Scorer:
        """Copy a model in evaluation mode, which is not changed."""
        own = {name: law.in_double(model.device) for name, law in laws.items()}
        # Without gradients of the weights, those of codes take less.
        return cls(copy.deepcopy(model).double().requires_grad_(False), own, seed, inner)

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
        """Estimate log p(x) of each of N images, uint8 (N, C, S, S), under every law, from K codes each.

        ``chunk`` images at a time are brought to the device; the result does not depend on it.
        """
        done = 0
        for part in pixels.split(chunk):
            for image in as_images(part.to(self.model.device)).double().split(1):
                noise = generator(self.seed, Stream.LIKELIHOOD, done, self.model.device)
                weights = self.log_weights(image, self.proposal(image, samples), noise)
                done += 1
                progress("scoring hold-out images", done, len(pixels))
                yield {name: Estimate.of(found) for name, found in weights.items()}

    @torch.no_grad()
    def proposal(self, image: Tensor, samples: int) -> Proposal:
        """Return the proposal for an image in double precision, (1, C, S, S).

        Half of the codes are drawn from the model's posterior, unless that is a point, and the others in equal parts
        from the normal approximations of the true posteriors under the laws, widened.
        """
        posterior = self.model.encode(image)
        near = [Normal.of(*law.moments_near(posterior.mean[0])) for law in self.laws.values()]
        normals = tuple(
            approximate_posterior(self.model.logits, self.model.pixels, image, posterior.mean, law).widened(self.width)
            for law in near
        )
        own = 0 if self.is_point else samples // 2
        return Proposal(posterior, normals, own, (samples - own) // len(normals))

    @torch.no_grad()
    def log_weights(self, image: Tensor, proposal: Proposal, noise: torch.Generator) -> dict[str, Tensor]:
        """Compute log p(x | z) + log p(z) - log q(z), (K,), by law, of K codes for an image, (1, C, S, S)."""
        drawn = proposal.draw(noise)
        assert drawn.log_density is not None
        conditional = [self.log_conditional(image, codes) for codes in drawn.codes.split(ROWS)]
        base = torch.cat(conditional) - drawn.log_density
        return {name: base + law.log_prob(drawn.codes) for name, law in self.laws.items()}

    def log_conditional(self, image: Tensor, codes: Tensor) -> Tensor:
        """Compute log p(x | z), (N,), of an image, (1, C, S, S), at codes (N, d_z), all in double precision."""
        logits, pixels = self.model.logits(codes), image
        if self.inner is not None:
            logits, pixels = (crop_inner(images, self.inner) for images in (logits, pixels))
        return -self.model.pixels.error(logits, pixels.expand(len(codes), -1, -1, -1))


def summarise(scores: Sequence[Estimate]) -> dict[str, Any]:
    """Summarise the estimates of two or more images as a JSON document, in which an infinite number is None."""
    mean, error = mean_and_error([score.log_likelihood for score in scores])
    shapes = torch.tensor([score.pareto_k for score in scores], dtype=torch.float64)
    return {
        "log_likelihood": mean,
        "standard_error": error,
        "at_half_the_samples": mean_and_error([score.at_half for score in scores])[0],
        "pareto_k": {
            "median": finite(float(shapes.median())),
            "largest": finite(float(shapes.max())),
            "share_above_0.7": float((shapes > UNRELIABLE).double().mean()),
        },
        "by_image": [finite(score.log_likelihood) for score in scores],
    }


def mean_and_error(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the mean of two or more values and its standard error, each None if it is not finite."""
    found = torch.tensor(values, dtype=torch.float64)
    return finite(float(found.mean())), finite(float(found.std()) / math.sqrt(len(found)))


def finite(value: float) -> float | None:
    """Return a number, or None if it is infinite or NaN, which JSON lacks."""
    return value if math.isfinite(value) else None
