"""What the claims on posteriors of bounded support assert, against samples and quadrature."""

import mpmath
import numpy as np
import pytest
import sympy
from scipy.special import logsumexp

from theory.kernels import x
from theory.posterior import posterior_law


def median_of_three(random: np.random.Generator, size: int) -> np.ndarray:
    """Draw from the Epanechnikov kernel as Algorithm 2 does."""
    return np.median(random.uniform(-1, 1, (size, 3)), axis=1)


def hill(weights: np.ndarray, tail: int) -> float:
    """Return Hill's estimate of the tail index from the largest weights; its standard error is index/sqrt(tail)."""
    largest = np.sort(weights)[-tail - 1 :]
    return float(1 / np.mean(np.log(largest[1:] / largest[0])))


def test_importance_weights_have_the_tail_indices_2_and_3_halves() -> None:
    """For a flat p(x, z): with one that changes over the support, far more draws reach the same tail."""
    random, size, tail = np.random.default_rng(0), 400_000, 2_000
    direct = median_of_three(random, size)
    summed = direct + random.uniform(-1, 1, size)
    pieces = posterior_law(1, 1).pieces
    # Both regimes meet at b r = B, where the density has two pieces.
    left, right = (sympy.lambdify(x, piece.density, "numpy") for piece in (pieces[0], pieces[-1]))
    posterior = np.where(summed < 0, left(summed), right(summed))
    for density, index in ((0.75 * (1 - direct**2), 2.0), (posterior, 1.5)):
        assert hill(1 / density, tail) == pytest.approx(index, abs=4 * index / np.sqrt(tail))


@pytest.mark.parametrize("dimension", [1, 4])
def test_an_estimated_likelihood_stays_below_the_likelihood_by_what_the_support_leaves_out(dimension: int) -> None:
    """A normal p(z|x) with p(x) = 1, and the Epanechnikov proposal of equal variance, in every dimension."""
    draws = np.sqrt(5) * median_of_three(np.random.default_rng(1), 400_000 * dimension).reshape(-1, dimension)
    log_p = -(draws**2 + np.log(2 * np.pi)).sum(1) / 2
    log_q = np.log(0.75 * (1 - draws**2 / 5) / np.sqrt(5)).sum(1)
    estimate = float(logsumexp(log_p - log_q) - np.log(len(draws)))
    assert estimate == pytest.approx(-0.025674 * dimension, abs=0.005 * dimension)
    assert estimate < -0.01 * dimension


def test_the_mean_score_of_the_scale_is_0_for_the_epanechnikov_posterior_alone() -> None:
    """E of d log q(z)/dr at fixed z, by a difference in r of the law's logarithm, inside both supports."""
    step = mpmath.mpf(10) ** -8

    def mean_score(log_density: object, density: object) -> float:
        def score(z: mpmath.mpf) -> mpmath.mpf:
            return (log_density(z, 1 + step) - log_density(z, 1)) / step  # type: ignore[operator]

        return float(mpmath.quad(lambda z: density(z) * score(z), [-1, -0.9, 0, 0.9, 1]))  # type: ignore[operator]

    def epanechnikov(z: mpmath.mpf, r: mpmath.mpf) -> mpmath.mpf:
        return mpmath.log(0.75 * (1 - (z / r) ** 2) / r)

    with mpmath.workdps(30):
        assert mean_score(epanechnikov, lambda z: 0.75 * (1 - z**2)) == pytest.approx(0, abs=1e-5)
        assert mean_score(lambda _, r: -mpmath.log(2 * r), lambda _: mpmath.mpf("0.5")) == pytest.approx(-1, abs=1e-5)


def test_the_information_of_location_grows_as_a_logarithm_for_the_epanechnikov_posterior_alone() -> None:
    def information(density: object, slope: object, start: float, end: mpmath.mpf) -> float:
        return float(mpmath.quad(lambda u: slope(u) ** 2 / density(u), [start, (start + end) / 2, end]))  # type: ignore[operator]

    ends = [mpmath.mpf(10) ** -k for k in (4, 5, 6)]
    direct = [information(lambda u: 0.75 * (1 - u**2), lambda u: -1.5 * u, 0, 1 - end) for end in ends]
    assert np.diff(direct) == pytest.approx(1.5 * np.log(10), rel=1e-3)
    edge = [
        information(lambda w: w**2 * (3 - w), lambda w: 6 * w - 3 * w**2, float(end), mpmath.mpf(1)) for end in ends
    ]
    assert np.diff(edge) == pytest.approx(0, abs=2e-3)


def test_a_posterior_tends_to_its_prior_whatever_the_kernel() -> None:
    """The total variation between q and p = N(0, 1) falls in proportion to b, for mu = 3 and r = 5."""
    grid = np.linspace(-12, 12, 4_001)
    noise = np.linspace(-1, 1, 801)
    weights = 0.75 * (1 - noise**2)
    weights /= weights.sum()

    def distance(b: float) -> float:
        posterior = np.exp(-((grid[:, None] - b * (3 + 5 * noise)) ** 2) / 2) @ weights
        return float(np.abs(posterior - np.exp(-(grid**2) / 2)).sum() * (grid[1] - grid[0]) / np.sqrt(8 * np.pi))

    distances = [distance(b) for b in (0.3594, 0.036, 0.0036)]
    assert distances[0] > 0.3
    assert distances[2] < 0.006
    assert distances[1] / distances[2] == pytest.approx(10, rel=0.05)
