"""The Fréchet distance against closed forms, high precision and SciPy's matrix square root."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from evae.metrics import frechet_distance
from foundation.errors import InputError
from foundation.types import Array


def covariance(rng: np.random.Generator, size: int, images: int | None = None) -> Array:
    factor = rng.standard_normal((size, images or 2 * size)) * rng.uniform(0.1, 3, size)[:, None]
    return factor @ factor.T / factor.shape[1]


def by_matrix_square_root(mu1: Array, sigma1: Array, mu2: Array, sigma2: Array) -> float:
    root = linalg.sqrtm(sigma1 @ sigma2)
    return float(np.sum((mu1 - mu2) ** 2) + np.trace(sigma1 + sigma2 - 2 * np.real(root)))


def in_high_precision(mu1: Array, sigma1: Array, mu2: Array, sigma2: Array) -> float:
    """The eigenvalues of the product of the covariances, with 60 digits."""
    with mpmath.workdps(60):
        product = mpmath.matrix(sigma1.tolist()) * mpmath.matrix(sigma2.tolist())
        eigenvalues, _ = mpmath.eig(product)
        trace = mpmath.fsum(mpmath.sqrt(abs(mpmath.re(value))) for value in eigenvalues)
        shift = mpmath.fsum((mpmath.mpf(a) - mpmath.mpf(b)) ** 2 for a, b in zip(mu1, mu2, strict=True))
        traces = mpmath.fsum(map(mpmath.mpf, np.diag(sigma1))) + mpmath.fsum(map(mpmath.mpf, np.diag(sigma2)))
        return float(shift + traces - 2 * trace)


@given(mean=st.floats(-5, 5), one=st.floats(0, 10), other=st.floats(0, 10), size=st.integers(1, 4))
def test_for_multiples_of_the_identity_it_is_the_distance_of_means_and_deviations(
    mean: float, one: float, other: float, size: int
) -> None:
    mu, identity = np.full(size, mean), np.eye(size)
    found = frechet_distance(mu, one**2 * identity, np.zeros(size), other**2 * identity)
    assert found == pytest.approx(size * (mean**2 + (one - other) ** 2), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("size", [2, 5, 12])
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_sixty_digits(size: int, seed: int) -> None:
    rng = np.random.default_rng([size, seed])
    laws = rng.standard_normal(size), covariance(rng, size), rng.standard_normal(size), covariance(rng, size)
    assert frechet_distance(*laws) == pytest.approx(in_high_precision(*laws), rel=1e-12)


def test_it_agrees_with_scipys_matrix_square_root() -> None:
    rng = np.random.default_rng(4)
    laws = rng.standard_normal(200), covariance(rng, 200), rng.standard_normal(200), covariance(rng, 200)
    assert frechet_distance(*laws) == pytest.approx(by_matrix_square_root(*laws), rel=1e-6)


@pytest.mark.parametrize("images", [1, 7, 29])
def test_singular_covariances_keep_full_precision(images: int) -> None:
    """Fewer images than dimensions. Both laws in one subspace, where the distance is that of regular laws."""
    rng = np.random.default_rng(images)
    basis = np.linalg.qr(rng.standard_normal((30, images)))[0]
    inner = [covariance(rng, images) for _ in range(2)]
    sigma1, sigma2 = (basis @ sigma @ basis.T for sigma in inner)
    zero = np.zeros(30)
    expected = frechet_distance(zero[:images], inner[0], zero[:images], inner[1])
    assert frechet_distance(zero, sigma1, zero, sigma2) == pytest.approx(expected, rel=1e-10)


def test_a_law_is_at_no_distance_from_itself_singular_or_not() -> None:
    rng = np.random.default_rng(6)
    for images in (10, 200):
        mu, sigma = rng.standard_normal(50), covariance(rng, 50, images)
        assert 0 <= frechet_distance(mu, sigma, mu, sigma) < 1e-11 * np.trace(sigma)


def test_it_is_symmetric_and_does_not_depend_on_the_axes() -> None:
    rng = np.random.default_rng(7)
    mu1, sigma1, mu2, sigma2 = rng.standard_normal(20), covariance(rng, 20), np.zeros(20), covariance(rng, 20, 5)
    rotation = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    found = frechet_distance(mu1, sigma1, mu2, sigma2)
    assert frechet_distance(mu2, sigma2, mu1, sigma1) == pytest.approx(found, rel=1e-12)
    turned = (rotation @ mu1, rotation @ sigma1 @ rotation.T, rotation @ mu2, rotation @ sigma2 @ rotation.T)
    assert frechet_distance(*turned) == pytest.approx(found, rel=1e-11)


@pytest.mark.parametrize(
    ("laws", "complaint"),
    [
        (([0.0, 1.0], np.eye(2), [0.0], np.eye(1)), "same length, got 2 and 1"),
        (([0.0], np.eye(2), [0.0], np.eye(1)), r"sigma1 must have shape \(1, 1\)"),
        (([[0.0]], np.eye(1), [0.0], np.eye(1)), "mu1 must be a non-empty vector"),
        (([np.nan], np.eye(1), [0.0], np.eye(1)), "mu1 must be finite, got 1 NaN or infinite values among 1"),
        (([0.0], [[np.inf]], [0.0], np.eye(1)), "sigma1 must be finite"),
        (
            ([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]], [0.0, 0.0], np.eye(2)),
            "sigma1 must be a covariance, got an asymmetric matrix",
        ),
        (
            ([0.0, 0.0], np.eye(2), [0.0, 0.0], np.diag([1.0, -0.5])),
            "sigma2 must be a covariance, got the negative eigenvalue -0.5",
        ),
    ],
)
def test_what_is_not_a_law_is_refused(laws: tuple[Array, Array, Array, Array], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        frechet_distance(*laws)
