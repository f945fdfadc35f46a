"""Metrics of images, codes and weights: sharpness, noise-to-signal ratio, rate, Fréchet distance, Pareto shape."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foundation.errors import InputError
from foundation.types import Array

ASYMMETRY = 1e-6
"""Largest asymmetry of a covariance, or negative eigenvalue, relative to its largest value, that rounding explains."""


#: Above this shape, the mean of the weights converges too slowly to be trusted (Vehtari et al., Section 3).
UNRELIABLE = 0.7

#: The fit is shrunk towards this shape, as by so many observations (Vehtari et al., Appendix C).
_PRIOR_SHAPE, _PRIOR_OBSERVATIONS = 0.5, 10

#: The least number of values in a fit.
_FEWEST_IN_TAIL = 5

#: Smaller weights, in units of the largest, count as zero: their reciprocals would overflow.
_TINY_WEIGHT = 1e-300


def cluster_accuracy(train: Tensor, train_labels: Tensor, holdout: Tensor, holdout_labels: Tensor) -> float:
    """Return the share of hold-out images whose label is that of their cluster.

    A cluster has the label that is most frequent among its training images, the smallest of several; an image in a
    cluster without training images counts as wrong.

    Parameters
    ----------
    train, holdout : Tensor
        Numbers of the clusters of the images, shape (N,).
    train_labels, holdout_labels : Tensor
        Numbers of their labels, shape (N,).
    """
    classes = int(torch.cat([train_labels, holdout_labels]).max()) + 1
    clusters = int(torch.cat([train, holdout]).max()) + 1
    counts = torch.bincount(train * classes + train_labels, minlength=clusters * classes).view(clusters, classes)
    named = torch.where(counts.sum(1) > 0, counts.argmax(1), -1)
    return float((named[holdout] == holdout_labels).double().mean())


def frechet_distance(mu1: npt.ArrayLike, sigma1: npt.ArrayLike, mu2: npt.ArrayLike, sigma2: npt.ArrayLike) -> float:
    r"""Return the squared Fréchet (2-Wasserstein) distance between N(mu1, sigma1) and N(mu2, sigma2).

    Parameters
    ----------
    mu1, mu2 : array_like, shape (d,)
    sigma1, sigma2 : array_like, shape (d, d)
        Covariances; they may be singular, as from fewer than d + 1 images.

    Raises
    ------
    InputError
        If the shapes do not match, a value is not finite, or a matrix is not a covariance: it is asymmetric, or has a
        negative eigenvalue beyond rounding.

    Notes
    -----
    :math:`|\mu_1 - \mu_2|^2 + \mathrm{tr}\,\Sigma_1 + \mathrm{tr}\,\Sigma_2 - 2\,\mathrm{tr}(\Sigma_1\Sigma_2)^{1/2}`
    (Dowson and Landau, 1982). With :math:`\Sigma_i = A_i A_i^T` the last trace is the sum of the singular values of
    :math:`A_1^T A_2`. Unlike the square root of the product it needs no complex arithmetic, keeps full precision where
    the covariances are singular, and takes a fraction of the time.

    Examples
    --------
    >>> frechet_distance([0.0], [[1.0]], [3.0], [[4.0]])
    10.0
    """
    means = _vector("mu1", mu1), _vector("mu2", mu2)
    size = means[0].size
    if means[1].size != size:
        raise InputError(f"mu1 and mu2 must have the same length, got {size} and {means[1].size}.")
    covariances = _covariance("sigma1", sigma1, size), _covariance("sigma2", sigma2, size)
    factors = _factor("sigma1", covariances[0]), _factor("sigma2", covariances[1])
    overlap = np.linalg.svd(factors[0].T @ factors[1], compute_uv=False).sum()
    traces = np.trace(covariances[0]) + np.trace(covariances[1])
    distance = float(np.sum((means[0] - means[1]) ** 2) + traces - 2 * overlap)
    # The distance between equal laws is 0 up to rounding, which can make it slightly negative.
    return max(distance, 0.0)


def _vector(name: str, values: npt.ArrayLike) -> Array:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or vector.size == 0:
        raise InputError(f"{name} must be a non-empty vector, got shape {vector.shape}.")
    return _finite(name, vector)


def _covariance(name: str, values: npt.ArrayLike, size: int) -> Array:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.shape != (size, size):
        raise InputError(f"{name} must have shape ({size}, {size}) to match the means, got {matrix.shape}.")
    _finite(name, matrix)
    if np.abs(matrix - matrix.T).max() > ASYMMETRY * np.abs(matrix).max():
        raise InputError(f"{name} must be a covariance, got an asymmetric matrix.")
    # The factorisations read one triangle only; after averaging it does not matter which.
    return (matrix + matrix.T) / 2


def _finite(name: str, values: Array) -> Array:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise InputError(f"{name} must be finite, got {bad} NaN or infinite values among {values.size}.")
    return values


def _factor(name: str, covariance: Array) -> Array:
    """Return A with A A^T = covariance: the Cholesky factor (d, d), or scaled eigenvectors (d, rank) if singular."""
    try:
        return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
    largest = np.abs(values).max()
    if values[0] < -ASYMMETRY * largest:
        raise InputError(f"{name} must be a covariance, got the negative eigenvalue {values[0]:g}.")
    # Drop eigenvalues that are zero up to rounding: their square roots would be far larger than rounding errors.
    kept = values > values.size * np.finfo(np.float64).eps * largest
    return vectors[:, kept] * np.sqrt(values[kept])


__all__ = ["eight_bit", "frechet_distance", "noise_to_signal", "rate", "sharpness", "sharpness_of_each"]

#: Weights of red, green and blue in the grey value (ITU-R BT.601, as in Pillow's mode "L").
GREY_WEIGHTS = (0.299, 0.587, 0.114)

#: Burda et al. (2016) call a dimension active when Var_x E[z | x] > 0.01 under a unit prior. The scale of
#: EVAE's codes is arbitrary, so we compare with the noise: active when noise / signal < 100. For unit noise both agree.
ACTIVE_BELOW = 100.0


def sharpness(images: Tensor) -> float:
    """Average the variance of the Laplace-filtered grey image over ``images`` (Appendix C). Larger is sharper.

    White noise of variance s^2 has sharpness 20 s^2, so compare a value with that of the original images.

    Parameters
    ----------
    images : Tensor
        Shape (N, C, H, W), C = 1 or 3, H and W at least 3. Either uint8, or floating point in [0, 1], which is rounded
        to 8 bits first, so that a reconstruction is measured as it would be stored in an image file.

    Raises
    ------
    InputError
        If the shape, the type or a value is not as described.

    Notes
    -----
    The paper does not specify three choices made here: the filter is applied without padding, which gives
    (H-2)(W-2) activations; the variance divides by their number; images keep their resolution, which the caller sets.
    """
    return float(sharpness_of_each(images).mean())


def sharpness_of_each(images: Tensor) -> Tensor:
    """Compute the sharpness of each image, shape (N,), in double precision. Arguments and errors as for `sharpness`."""
    grey = _grey(images)
    centre = grey[:, 1:-1, 1:-1]
    # The filter as shifted slices, without padding: no pixel outside the image enters.
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return (neighbours - 4 * centre).flatten(1).var(1, correction=0)


def noise_to_signal(means: Tensor, variances: Tensor) -> Tensor:
    """Compute the noise-to-signal ratio of each latent dimension, shape (d_z,): mean_x Var[z | x] / Var_x E[z | x].

    ``means`` and ``variances`` belong to the posteriors of N images, shape (N, d_z), N >= 2. The ratio of a dimension
    without signal is infinite.
    """
    signal = means.var(0)
    # Infinite instead of 0/0: a dimension with neither noise nor signal carries no information about an image.
    return torch.where(signal > 0, variances.mean(0) / signal, math.inf)


def rate(means: Tensor, variances: Tensor, entropies: Tensor) -> float:
    """Compute the mean KL divergence of the posteriors from the nearest fixed normal law, in nats per image.

    The rate is an upper bound of the mutual information I(x; z). The law has independent dimensions with the mean and
    variance of all codes, which minimises the mean divergence. The rate does not change when codes are scaled or
    shifted, so models with different priors can be compared.

    Parameters
    ----------
    means, variances, entropies : Tensor
        The posteriors' means, variances and differential entropies for N images, each of shape (N, d_z). Entropies of
        shape (N,) are those of all dimensions together, which may be dependent.

    Notes
    -----
    With the aggregated variance s^2 = Var_x E[z | x] + E_x Var[z | x], the mean of KL(q(z | x) || N(m, s^2)) over x is
    exactly log(2 pi e s^2)/2 - E_x h(q(z | x)) in each dimension.
    """
    aggregated = means.double().var(0, correction=0) + variances.double().mean(0)
    of_the_law, of_the_posterior = 0.5 * (2 * math.pi * math.e * aggregated).log(), entropies.double().mean(0)
    if of_the_posterior.dim() == 0:
        return float(of_the_law.sum() - of_the_posterior)
    return float((of_the_law - of_the_posterior).sum())


def eight_bit(images: Tensor) -> Tensor:
    """Round floating-point images in [0, 1] to uint8 pixels.

    Raises
    ------
    InputError
        If they are of another type, or a value is outside [0, 1] or NaN, which would become an arbitrary pixel.
    """
    if not images.is_floating_point():
        raise InputError(f"images must be floating point in [0, 1], got {images.dtype}.")
    require_unit_range(images)
    return (images * 255).round().to(torch.uint8)


def require_unit_range(images: Tensor) -> None:
    """Raise `InputError` unless all pixels of a non-empty floating-point tensor lie in [0, 1]; waits for the device."""
    if images.numel() == 0:
        return
    lowest, highest = (float(value) for value in images.detach().aminmax())
    if math.isnan(lowest) or math.isnan(highest):
        raise InputError(f"pixels must lie in [0, 1], got {int(images.isnan().sum()):,} that are NaN. Leave them out.")
    if lowest < 0 or highest > 1:
        remedy = "Divide 8-bit values by 255." if lowest >= 0 and highest <= 255 else "Scale them first."
        raise InputError(f"pixels must lie in [0, 1], got values from {lowest:g} to {highest:g}. {remedy}")


def _grey(images: Tensor) -> Tensor:
    """Convert images to grey values in [0, 1] of shape (N, H, W), in double precision, rounded to 8 bits."""
    if images.ndim != 4 or images.shape[0] < 1 or images.shape[1] not in (1, 3) or min(images.shape[2:]) < 3:
        raise InputError(f"images must have shape (N, 1 or 3, H >= 3, W >= 3), got {tuple(images.shape)}.")
    if images.dtype != torch.uint8:
        if not images.is_floating_point():
            raise InputError(f"images must be uint8 or floating point, got {images.dtype}.")
        images = eight_bit(images)
    pixels = images.double() / 255
    if pixels.shape[1] == 1:
        return pixels[:, 0]
    weights = torch.tensor(GREY_WEIGHTS, dtype=pixels.dtype, device=pixels.device)
    return torch.einsum("nchw,c->nhw", pixels, weights)


def pareto_k(log_weights: Array) -> float:
    """Fit a generalised Pareto law to the largest of S weights, min(S/5, 3 sqrt(S)) of them; return its shape, k-hat.

    Weights with a tail of shape k have a finite variance if k < 1/2, and a finite mean if k < 1. Source: Vehtari,
    Simpson, Gelman, Yao and Gabry, Pareto smoothed importance sampling, 2024.

    Parameters
    ----------
    log_weights : array
        Shape (S,), up to a common constant; -inf for a weight of zero.

    Returns
    -------
    float
        0 if the largest weights are equal up to rounding; inf if fewer than five of the weights are in the tail, as
        with a single weight that is not zero.

    Examples
    --------
    >>> round(pareto_k(-0.4 * np.log((np.arange(1000) + 0.5) / 1000)), 2)
    0.41
    """
    size = len(log_weights)
    number = min(math.ceil(min(size / 5, 3 * math.sqrt(size))), size - 1)
    largest = np.sort(log_weights)[size - number - 1 :]
    if largest[-1] == -math.inf:
        return math.inf
    weights = np.exp(largest - largest[-1])
    if weights[0] > 1 - 1e-12:
        return 0.0
    exceedances = (weights - weights[0])[1:]
    exceedances = exceedances[exceedances > _TINY_WEIGHT]
    return pareto_shape(exceedances) if len(exceedances) >= _FEWEST_IN_TAIL else math.inf


def pareto_shape(exceedances: Array) -> float:
    """Estimate the shape k of a generalised Pareto law from five or more positive values in increasing order.

    The profile likelihood of k / scale is averaged over a grid, under a weak prior (Zhang and Stephens, A new and
    efficient estimation method for the generalized Pareto distribution, 2009), and the result is shrunk a little.
    """
    number = len(exceedances)
    points = 30 + math.isqrt(number)
    quartile = exceedances[int(number / 4 + 0.5) - 1]
    steps = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    # In the notation of Zhang and Stephens, theta is -k / scale, and less than the reciprocal of the largest value.
    theta = 1 / exceedances[-1] + steps / (3 * quartile)
    shapes = np.log1p(-theta[:, None] * exceedances).mean(1)
    log_likelihoods = number * (np.log(-theta / shapes) - shapes - 1)
    weights = np.exp(log_likelihoods - log_likelihoods.max())
    mean = (weights * theta).sum() / weights.sum()
    shape = float(np.log1p(-mean * exceedances).mean())
    return (number * shape + _PRIOR_OBSERVATIONS * _PRIOR_SHAPE) / (number + _PRIOR_OBSERVATIONS)
