"""The second stage of a two-stage VAE: a small VAE of the codes of a trained model, from which new codes are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evae.compute.precision import full_precision_or_tf32
from evae.compute.random_streams import Stream, generator, stream_seed
from evae.models.priors.prior import CodeSource
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress

#: Units of each hidden layer.
WIDTH = 128

#: Steps of Adam, and codes in each.
STEPS, BATCH = 2000, 200

#: Learning rate of the weights, and of the logarithms of the noise, which have far to go; both fall to 0 by a cosine.
RATE, NOISE_RATE = 5e-3, 1e-2

#: Smallest standard deviation of the decoder's noise, in units of the codes' standard deviations.
SMALLEST_NOISE = 1e-3

#: Steps between two reports of progress.
_REPORT = 50


class CodeVAE(nn.Module):
    """A VAE of standardised codes: Gaussian posterior, prior N(0, I), and a decoder with normal noise that is learned.

    It has as many latent dimensions as a code, as its authors advise: those that are not needed are switched off. The
    noise has a standard deviation for each dimension of the code, since dimensions differ in their share of noise.

    Parameters
    ----------
    dimension : int
        d_z.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.encoder, self.decoder = _layers(dimension, 2 * dimension), _layers(dimension, dimension)
        self.log_noise = nn.Parameter(torch.zeros(dimension))

    @property
    def noise(self) -> Tensor:
        """The standard deviations of the decoder's noise, (d_z,)."""
        return self.log_noise.exp().clamp_min(SMALLEST_NOISE)

    def loss(self, codes: Tensor, noise: Tensor) -> Tensor:
        """Compute the negative ELBO in nats per code, a mean over N ``codes`` (N, d_z) with standard normal noise."""
        mean, log_scale = self.encoder(codes).chunk(2, 1)
        residuals = (codes - self.decoder(mean + log_scale.exp() * noise)) / self.noise
        errors = 0.5 * (residuals.square() + math.log(2 * math.pi)) + self.noise.log()
        divergences = 0.5 * (mean.square() + (2 * log_scale).exp() - 1) - log_scale
        return (errors.sum(1) + divergences.sum(1)).mean()


def _draw_normal(number: int, dimension: int, random: torch.Generator) -> Tensor:
    return torch.randn(number, dimension, generator=random, dtype=torch.float32)


def _layers(inputs: int, outputs: int) -> nn.Sequential:
    """Return two hidden layers and a linear one."""
    hidden = (nn.Linear(inputs, WIDTH), nn.ELU(), nn.Linear(WIDTH, WIDTH), nn.ELU())
    return nn.Sequential(*hidden, nn.Linear(WIDTH, outputs))


@dataclass(frozen=True)
class SecondStage(CodeSource):
    """The law of the codes that a `CodeVAE` generates. Its density has no closed form.

    Attributes
    ----------
    model : CodeVAE
    centre, unit : Tensor
        Means and standard deviations of the codes, (d_z,).
    images : int
        Number of training images to whose codes it was fitted.
    """

    model: CodeVAE
    centre: Tensor
    unit: Tensor
    images: int

    @property
    def label(self) -> str:
        """Description with the number of images."""
        return f"a second VAE, fitted to one code of each of the first {self.images:,} training images"

    @torch.no_grad()
    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw a latent variable of the second VAE for each code, decode it, and add the decoder's noise."""
        latent, noise = (_draw_normal(number, len(self.unit), random) for _ in range(2))
        with full_precision_or_tf32("fp32"):
            standard = self.model.decoder(latent) + self.model.noise * noise
        return self.centre + self.unit * standard

    def document(self) -> dict[str, Any]:
        """Return the description, the number of images, and the noise: the root of its mean square in such units."""
        noise = float(self.model.noise.detach().square().mean().sqrt())
        return {**super().document(), "fitted_to_images": self.images, "decoder_noise": noise}


def require_codes(number: int) -> None:
    """Raise `InputError` unless a second stage can be fitted to codes of this number of training images."""
    if number < 2:
        raise InputError(
            f"--sampler two-stage needs the codes of 2 training images or more, got {number}: it is fitted to them. "
            "Train on more images."
        )


@full_precision_or_tf32("fp32")
def fit_second_stage(codes: Tensor, seed: int, progress: ProgressCallback = ignore_progress) -> SecondStage:
    """Train a second VAE on codes of shape (N, d_z), on the CPU: the same bits for the same seed and threads.

    Each dimension is first standardised, so that the fit does not depend on the unit of the codes. A dimension in which
    all codes agree is drawn as it is.

    Raises
    ------
    InputError
        If there are fewer than two codes.

    Notes
    -----
    Source: Dai and Wipf, Diagnosing and enhancing VAE models (2019).
    """
    require_codes(len(codes))
    values = codes.float()
    centre, unit = values.mean(0), values.std(0, correction=0)
    values = (values - centre) / torch.where(unit > 0, unit, 1.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, Stream.SECOND_STAGE))
        model = CodeVAE(codes.shape[1]).float()
    weights = [*model.encoder.parameters(), *model.decoder.parameters()]
    groups = [{"params": weights, "lr": RATE}, {"params": [model.log_noise], "lr": NOISE_RATE}]
    optimizer = torch.optim.Adam(groups, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    random = generator(seed, Stream.SECOND_STAGE, batch=1)
    for step in range(STEPS):
        chosen = values[torch.randint(len(values), (BATCH,), generator=random)]
        optimizer.zero_grad()
        model.loss(chosen, _draw_normal(len(chosen), chosen.shape[1], random)).backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % _REPORT == 0:
            progress("fitting the second stage", step + 1, STEPS)
    return SecondStage(model.eval().requires_grad_(False), centre, unit, len(codes))
