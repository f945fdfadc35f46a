"""Laws of codes for new images: the prior of a model, or a law that is fitted to the codes of its training images.

A model that was trained towards a fixed prior can be sampled from it. EVAE cannot: its prior U[-B(x), B(x)] depends on
the image (``section-4.prior-of-x`` in the ledger). A mixture of normal laws, fitted to the aggregated posterior, works
for every model, so that samples of different models can be compared. So does a second VAE of the codes
(`evae.evaluation.two_stage`).
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evae.compute.precision import full_precision_or_tf32
from evae.compute.random_streams import Stream, generator, stream_seed
from evae.configuration.recipe import Recipe
from evae.data import as_images
from evae.evaluation.holdout import CHUNK
from evae.evaluation.names import FITTED, SAMPLERS
from evae.evaluation.two_stage import fit_second_stage, require_codes
from evae.metrics import eight_bit
from evae.models.priors.prior import CodeLaw, CodeSource
from evae.models.vae import VAE
from foundation.errors import InputError, suggest
from foundation.progress import ProgressCallback, ignore_progress

#: Default number of normal laws in a mixture.
COMPONENTS = 10

#: Number of training images, the first ones, to whose codes a law is fitted.
FITTED_TO = 10_000

#: Maximum number of EM steps, which is seldom reached.
_STEPS = 200


@dataclass(frozen=True)
class Mixture(CodeLaw):
    """A mixture of normal laws, each with its own covariance.

    Attributes
    ----------
    weights, means, factors : Tensor
        Shapes (k,), (k, d) and (k, d, d); a covariance is factor times its transpose. Double precision.
    images : int
        Number of training images to whose codes it was fitted.
    converged : bool
        Whether the EM algorithm converged.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor
    images: int
    converged: bool

    @property
    def label(self) -> str:
        """Description with the number of components and of images."""
        return (
            f"a mixture of {len(self.weights)} normal laws, fitted to one code of each of the first {self.images:,} "
            "training images"
        )

    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw a component for each code, then the code from it."""
        component = torch.multinomial(self.weights, number, replacement=True, generator=random)
        noise = torch.randn(number, self.means.shape[1], 1, generator=random, dtype=self.means.dtype)
        codes = torch.empty(number, self.means.shape[1], dtype=self.means.dtype)
        for index, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
            mine = component == index
            codes[mine] = mean + (factor @ noise[mine]).squeeze(2)
        return codes.float()

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density from the distances to each mean in the units of its covariance."""
        return self._log_parts(codes).logsumexp(0)

    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the moments of the component to which the code most probably belongs."""
        component = int(self._log_parts(code[None]).argmax())
        return self.means[component], self.factors[component] @ self.factors[component].T

    def _log_parts(self, codes: Tensor) -> Tensor:
        """Return the log-density of each component times its weight, (k, N)."""
        parts = []
        for log_weight, mean, factor in zip(self.weights.log(), self.means, self.factors, strict=True):
            noise = torch.linalg.solve_triangular(factor, (codes - mean).T, upper=False)
            log_volume = factor.diagonal().log().sum() + 0.5 * len(mean) * math.log(2 * math.pi)
            parts.append(log_weight - log_volume - 0.5 * noise.square().sum(0))
        return torch.stack(parts)

    def in_double(self, device: torch.device) -> Mixture:
        """Return the same law with its tensors, which are in double precision, on a device."""
        moved = {name: getattr(self, name).to(device) for name in ("weights", "means", "factors")}
        return dataclasses.replace(self, **moved)

    def document(self) -> dict[str, Any]:
        """Return the description, the number of components and of images, and whether EM converged."""
        size = {"components": len(self.weights), "fitted_to_images": self.images, "converged": self.converged}
        return {**super().document(), **size}


def code_law(
    sampler: str,
    model: VAE,
    recipe: Recipe,
    train_pixels: Tensor,
    seed: int,
    components: int = COMPONENTS,
    progress: ProgressCallback = ignore_progress,
) -> CodeSource:
    """Return the law of a sampler in `SAMPLERS`; all but the prior are fitted to codes of the first training images.

    ``progress`` is called while these images are encoded, and in the training of a second stage.

    Raises
    ------
    InputError
        If the sampler is unknown, the model has no fixed prior, or there are too few images to fit the law.
    """
    require_sampler(sampler)
    if sampler in FITTED:
        first = train_pixels[:FITTED_TO]
        # Before the images are encoded.
        if sampler == "mixture":
            require_components(components, len(first))
        else:
            require_codes(len(first))
        codes = draw_posterior_codes(model, first, seed, progress)
        return fit_mixture(codes, seed, components) if sampler == "mixture" else fit_second_stage(codes, seed, progress)
    if model.prior is None:
        reason = "its prior U[-B(x), B(x)] depends on the image x" if recipe.posterior == "kde" else "it has no prior"
        raise InputError(
            f"--sampler prior needs a fixed prior, got the objective {recipe.objective}: {reason}. Use --sampler "
            "mixture, which is fitted to the codes of the training images."
        )
    with torch.no_grad():
        return model.prior.snapshot()


def require_sampler(sampler: str) -> None:
    """Raise `InputError` for an unknown sampler."""
    if sampler not in SAMPLERS:
        raise InputError(f"--sampler {sampler!r} is not known. {suggest(sampler, SAMPLERS)}")


@torch.no_grad()
@full_precision_or_tf32("fp32")
def draw_posterior_codes(model: VAE, pixels: Tensor, seed: int, progress: ProgressCallback = ignore_progress) -> Tensor:
    """Draw one code for each of N images, (N, d_z), on the CPU: a sample of the aggregated posterior.

    ``model`` must be in evaluation mode; ``pixels`` are uint8 of shape (N, C, S, S), on any device.
    """
    noise = generator(seed, Stream.AGGREGATE, device=model.device)
    draws, done = [], 0
    for chunk in pixels.split(CHUNK):
        draws.append(model.encode(as_images(chunk.to(model.device))).rsample(noise).cpu())
        done += len(chunk)
        progress("encoding training images", done, len(pixels))
    return torch.cat(draws)


def require_components(components: int, codes: int) -> None:
    """Raise `InputError` unless a mixture can have this number of components, fitted to this number of codes."""
    if not 1 <= components <= codes:
        raise InputError(
            f"--components must be a whole number from 1 to {codes:,}, the number of codes that the mixture is "
            f"fitted to, got {components}."
        )


def fit_mixture(codes: Tensor, seed: int, components: int = COMPONENTS) -> Mixture:
    """Fit a mixture of normal laws with full covariances to codes of shape (N, d) by EM with a seeded start.

    Each dimension is first standardised, so that the fit does not depend on the scale of the codes.

    Raises
    ------
    InputError
        If there are fewer codes than components.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    require_components(components, len(codes))
    values = codes.double()
    centre, unit = values.mean(0), values.std(0, correction=0)
    # A dimension in which all codes agree cannot be standardised.
    unit = torch.where(unit > 0, unit, 1.0)
    state = stream_seed(seed, Stream.AGGREGATE, batch=1) % 2**32
    mixture = GaussianMixture(components, random_state=state, max_iter=_STEPS)
    with warnings.catch_warnings():
        # The attribute `converged` reports this.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(((values - centre) / unit).numpy())
    # Undo the standardisation.
    factors = torch.from_numpy(np.linalg.cholesky(mixture.covariances_))
    return Mixture(
        weights=torch.from_numpy(mixture.weights_),
        means=torch.from_numpy(mixture.means_) * unit + centre,
        factors=factors * unit[:, None],
        images=len(codes),
        converged=bool(mixture.converged_),
    )


@torch.no_grad()
@full_precision_or_tf32("fp32")
def decode_samples(model: VAE, law: CodeSource, number: int, seed: int) -> Iterator[Tensor]:
    """Draw codes and decode them in chunks: yields uint8 images of shape (n, C, S, S), on the CPU.

    The codes depend only on the seed and ``number``, not on the device. ``model`` must be in evaluation mode.
    """
    codes = law.draw(number, generator(seed, Stream.SAMPLES))
    for chunk in codes.split(CHUNK):
        yield eight_bit(model.decode(chunk.to(model.device))).cpu()


def draw_images(
    model: VAE, law: CodeSource, number: int, seed: int, progress: ProgressCallback = ignore_progress
) -> Tensor:
    """Draw the images of `decode_samples` as one tensor (``number``, C, S, S); calls ``progress`` after each chunk."""
    chunks, done = [], 0
    for images in decode_samples(model, law, number, seed):
        chunks.append(images)
        done += len(images)
        progress("drawing images", done, number)
    return torch.cat(chunks)
