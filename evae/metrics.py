"""Numbers that judge images and codes: sharpness, noise to signal and rate of the codes, the Fréchet distance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evae.frechet import frechet_distance
from foundation.errors import InputError

__all__ = ["eight_bit", "frechet_distance", "noise_to_signal", "rate", "sharpness", "sharpness_of_each"]

#: Weights of red, green and blue in the grey value (ITU-R BT.601, as Pillow's mode "L" has them).
GREY_WEIGHTS = (0.299, 0.587, 0.114)

#: Burda et al. (2016) call a dimension active when Var_x E[z | x] > 0.01 under a unit prior. EVAE's codes have no
#: fixed unit, so that we compare with the noise: active when noise / signal < 100. For unit noise the two agree.
ACTIVE_BELOW = 100.0


def sharpness(images: Tensor) -> float:
    """Mean over ``images`` of the variance of the Laplace-filtered grey image (Appendix C). Larger is sharper.

    White noise of variance s^2 has 20 s^2, so a large value alone is no merit: compare it with the originals'.

    Parameters
    ----------
    images : Tensor
        Shape (N, C, H, W), C = 1 or 3, H and W at least 3. Either uint8, or floating point in [0, 1], which is rounded
        to 8 bits first, so that a reconstruction is judged as the image file it would be.

    Raises
    ------
    InputError
        If the shape, the type or a value is not as described.

    Notes
    -----
    The paper leaves open: the filter is applied where it fits (no padding, (H-2)(W-2) activations); the variance
    divides by their number; the resolution is the images' own, so that the caller decides it.
    """
    return float(sharpness_of_each(images).mean())


def sharpness_of_each(images: Tensor) -> Tensor:
    """Sharpness of every image, shape (N,), in double precision. Arguments and errors as for `sharpness`."""
    grey = _grey(images)
    centre = grey[:, 1:-1, 1:-1]
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return (neighbours - 4 * centre).flatten(1).var(1, correction=0)


def noise_to_signal(means: Tensor, variances: Tensor) -> Tensor:
    """Noise-to-signal ratio of each latent dimension, shape (d_z,): mean_x Var[z | x] / Var_x E[z | x].

    ``means`` and ``variances`` are the posterior's for N images, shape (N, d_z), N >= 2. A dimension without any
    signal has an infinite ratio.
    """
    signal = means.var(0)
    # Not 0/0: a dimension with neither noise nor signal says nothing about an image.
    return torch.where(signal > 0, variances.mean(0) / signal, math.inf)


def rate(means: Tensor, variances: Tensor, entropies: Tensor) -> float:
    """KL divergence of the posteriors from the nearest fixed law, in nats per image; no less than I(x; z).

    The law is normal with independent dimensions, and has each dimension's mean and variance over all codes: of these
    laws the one with the least mean divergence. It knows no unit: scaling or shifting the codes changes nothing, so
    that models whose priors differ can be compared.

    Parameters
    ----------
    means, variances, entropies : Tensor
        The posteriors' means, variances and differential entropies for N images, each of shape (N, d_z).

    Notes
    -----
    With the aggregated variance s^2 = Var_x E[z | x] + E_x Var[z | x] the mean of KL(q(z | x) || N(m, s^2)) over x is
    log(2 pi e s^2)/2 - E_x h(q(z | x)) in every dimension, exactly.
    """
    aggregated = means.double().var(0, correction=0) + variances.double().mean(0)
    return float((0.5 * (2 * math.pi * math.e * aggregated).log() - entropies.double().mean(0)).sum())


def eight_bit(images: Tensor) -> Tensor:
    """Round images in [0, 1] to uint8 pixels."""
    return (images * 255).round().to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    """Grey values in [0, 1] of shape (N, H, W), double precision, from 8-bit pixels."""
    if images.ndim != 4 or images.shape[0] < 1 or images.shape[1] not in (1, 3) or min(images.shape[2:]) < 3:
        raise InputError(f"sharpness needs images of shape (N, 1 or 3, H >= 3, W >= 3), got {tuple(images.shape)}.")
    if images.dtype != torch.uint8:
        if not images.is_floating_point():
            raise InputError(f"sharpness needs uint8 or floating-point images, got {images.dtype}.")
        if not bool(((images >= 0) & (images <= 1)).all()):
            raise InputError("sharpness needs pixels in [0, 1], got some outside or not a number.")
        images = eight_bit(images)
    pixels = images.double() / 255
    if pixels.shape[1] == 1:
        return pixels[:, 0]
    weights = torch.tensor(GREY_WEIGHTS, dtype=pixels.dtype, device=pixels.device)
    return torch.einsum("nchw,c->nhw", pixels, weights)
