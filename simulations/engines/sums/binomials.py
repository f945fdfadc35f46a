"""Binomial counts in constant time, exact for up to 10^15 trials, compiled.

A mean of at least `LARGE` is drawn by transformed rejection with a squeeze, Hörmann's BTRS, which accepts most
proposals after a multiplication and a comparison; a smaller one by inversion. The ratio of probabilities in the
rejection is evaluated by Loader's deviances, which do not cancel: with logarithms of factorials all digits are lost
from about 10^12 trials.

Sources: Hörmann (1993), The generation of binomial random variates; Loader (2000), Fast and accurate computation of
binomial probabilities.
"""

from __future__ import annotations

import math

import numpy as np

from foundation.types import Array, Indices
from simulations.compiled import compiled, vectorised
from simulations.sampling.philox import WORDS_IN_A_BLOCK, Whole, Words, fill

LARGE = 10.0
"""Smallest mean that is drawn by rejection."""

MOST_TRIALS = 10**15
"""Largest number of trials: whole numbers and their products with a probability are then exact enough in doubles."""

WORDS_OF_A_PROPOSAL = 4

SQUEEZE = 0.07
"""Distance of the first uniform number from 0 and 1 above which a comparison with the second one decides."""

REJECTED = -1.0

NEGLIGIBLE = 1e-18
"""Probability of a count above the mean at which the search for a level stops."""

NEAR = 0.1
"""Relative difference from the mean up to which a few terms of a series give the logarithm of a probability."""

_SERIES, _EXACT, _TERMS = 16, 60, 14

#: Coefficients of ((1 + e) log(1 + e) - e) / e^2 and log(1 + e) / e.
_DEVIANCES = np.array([(-1.0) ** j / (j * (j - 1)) for j in range(2, _TERMS + 2)])
_LOGARITHMS = np.array([-((-1.0) ** j) / j for j in range(1, _TERMS + 1)])

#: log n! less Stirling's approximation, for n from 0 to 15, where the series below is not exact to rounding.
_REMAINDERS = np.array(
    [0.0, *(math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi) for n in range(1, _SERIES))]
)

_ONE_BITS, _HALF_STEP = np.uint64(0x3FF0000000000000), 2.0**-53


@compiled
def uniform_from(words: Words, at: Whole) -> float:
    """Return the number in (0, 1), of 52 bits, that two of the words stand for."""
    # The word's leading bits become those of a double from 1 to 2, which needs no conversion and runs in vector lanes.
    word = (np.uint64(words[at]) << np.uint64(32)) | np.uint64(words[at + 1])
    return np.uint64((word >> np.uint64(12)) | _ONE_BITS).view(np.float64) - (1.0 - _HALF_STEP)


@vectorised
def propose(counts: Array, trials: Array, shares: Array, words: Words) -> None:
    """Draw binomial counts as far as the squeeze decides, in vector lanes; set the others to `REJECTED`.

    Parameters
    ----------
    counts : array, shape (n,)
        Changed.
    trials, shares : array, shape (n,)
        Whole numbers up to `MOST_TRIALS`, and probabilities up to 1/2.
    words : array of uint32, shape (4 n,) or longer
    """
    for i in range(counts.size):
        u, v = uniform_from(words, 4 * i) - 0.5, uniform_from(words, 4 * i + 2)
        # The proposal: the table mountain hat of the density, transformed to the uniform numbers.
        mean = trials[i] * shares[i]
        spread = math.sqrt(mean * (1.0 - shares[i]))
        b = 1.15 + 2.53 * spread
        a = -0.0873 + 0.0248 * b + 0.01 * shares[i]
        near = 0.5 - abs(u)
        proposed = math.floor((2.0 * a / near + b) * u + mean + 0.5)
        accepted = mean >= LARGE and near >= SQUEEZE and v <= 0.92 - 4.2 / b
        counts[i] = proposed if accepted else REJECTED


@compiled
def settle(trials: float, share: float, words: Words, at: Whole) -> float:
    """Decide on the proposal of the words from ``at`` that `propose` left open; return `REJECTED` if it is rejected."""
    u, v = uniform_from(words, at) - 0.5, uniform_from(words, at + 2)
    mean = trials * share
    spread = math.sqrt(mean * (1.0 - share))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * share
    near = 0.5 - abs(u)
    proposed = math.floor((2.0 * a / near + b) * u + mean + 0.5)
    if proposed < 0.0 or proposed > trials:
        return REJECTED
    if near >= SQUEEZE and v <= 0.92 - 4.2 / b:
        return proposed
    # The exact test: the hat at the proposal against the ratio of its probability to that of the mode.
    mode = math.floor((trials + 1.0) * share)
    height = math.log(v * (2.83 + 5.1 / b) * spread / (a / (near * near) + b))
    return proposed if height <= log_ratio(proposed, mode, trials, share) else REJECTED


@compiled
def log_ratio(count: float, mode: float, trials: float, share: float) -> float:
    """Compute the logarithm of the ratio of two binomial probabilities, the second near the mean."""
    mean, rest = trials * share, trials * (1.0 - share)
    if abs(count - mean) <= NEAR * mean and NEAR * mean >= 1.0:
        return _log_near(count, trials, mean, rest) - _log_near(mode, trials, mean, rest)
    return log_probability(count, trials, share) - log_probability(mode, trials, share)


@compiled
def _log_near(count: float, trials: float, mean: float, rest: float) -> float:
    """Compute the logarithm of a binomial probability near the mean, up to a constant, by series."""
    first, second = (count - mean) / mean, (mean - count) / rest
    # The deviance, mean ((1 + e) log(1 + e) - e), and log(1 + e), for the relative differences e of both classes.
    deviance_of_first = deviance_of_second = 0.0
    for term in range(_TERMS - 1, -1, -1):
        deviance_of_first = _DEVIANCES[term] + first * deviance_of_first
        deviance_of_second = _DEVIANCES[term] + second * deviance_of_second
    logarithm_of_first = logarithm_of_second = 0.0
    for term in range(_TERMS - 1, -1, -1):
        logarithm_of_first = _LOGARITHMS[term] + first * logarithm_of_first
        logarithm_of_second = _LOGARITHMS[term] + second * logarithm_of_second
    logarithms = first * logarithm_of_first + second * logarithm_of_second
    deviances = mean * (first * first) * deviance_of_first + rest * (second * second) * deviance_of_second
    return -deviances - 0.5 * logarithms - _first_remainder(count) - _first_remainder(trials - count)


@compiled
def _first_remainder(n: float) -> float:
    """Compute the first terms of `stirling_remainder`, which are enough near a mean of at least 1 / `NEAR`."""
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / n


@compiled
def log_probability(count: float, trials: float, share: float) -> float:
    """Compute the logarithm of a binomial probability, by Loader's method: accurate for any number of trials."""
    other = 1.0 - share
    if count == 0.0:
        return trials * math.log1p(-share)
    if count == trials:
        return trials * math.log(share)
    rest = trials - count
    remainders = stirling_remainder(trials) - stirling_remainder(count) - stirling_remainder(rest)
    deviances = deviance(count, trials * share) + deviance(rest, trials * other)
    return remainders - deviances - 0.5 * math.log(2.0 * math.pi * count * (rest / trials))


@compiled
def stirling_remainder(n: float) -> float:
    """Compute log n! - (n + 1/2) log n + n - log(2 pi) / 2, for a whole number n of at least 1."""
    if n < _SERIES:
        return _REMAINDERS[int(n)]
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / n


@compiled
def deviance(count: float, mean: float) -> float:
    """Compute count log(count / mean) + mean - count, without cancellation."""
    difference = count - mean
    if abs(difference) >= 0.1 * (count + mean):
        return count * math.log(count / mean) - difference
    # Near the mean, the series of the logarithm in the relative difference.
    v = difference / (count + mean)
    total, term = difference * v, 2.0 * count * v
    for j in range(1, _EXACT):
        term *= v * v
        following = total + term / (2 * j + 1)
        if following == total:
            break
        total = following
    return total


@compiled
def invert(trials: float, share: float, u: float) -> float:
    """Find the binomial count at the level ``u`` by adding probabilities from 0 upwards; the mean is below `LARGE`."""
    odds, mean = share / (1.0 - share), trials * share
    probability = math.exp(trials * math.log1p(-share))
    count = 0.0
    while u > probability and count < trials:
        u -= probability
        count += 1.0
        probability *= ((trials + 1.0) / count - 1.0) * odds
        # Rounding may leave u above the sum of all probabilities that matter.
        if probability < NEGLIGIBLE and count > mean:
            break
    return count


@compiled
def complete(
    counts: Array,
    trials: Array,
    shares: Array,
    words: Words,
    more: Words,
    state: Indices,
    stream: tuple[Whole, Whole, Whole],
) -> None:
    """Draw the counts that `propose` has set to `REJECTED`: by its own words first, then by further ones.

    Parameters
    ----------
    counts, trials, shares, words
        As `propose` takes them.
    more : array of uint32
        Batch of further words, a multiple of 4 of them.
    state : array of int64, shape (2,)
        Changed: number of used words of ``more``, and its next block.
    stream : tuple
        Seed, replicate and purpose of the further words.
    """
    for i in range(counts.size):
        if counts[i] != REJECTED:
            continue
        n, p = trials[i], shares[i]
        if n * p < LARGE:
            counts[i] = invert(n, p, uniform_from(words, 4 * i)) if n * p > 0.0 else 0.0
            continue
        counts[i] = settle(n, p, words, 4 * i)
        while counts[i] == REJECTED:
            if state[0] == more.size:
                fill(more, stream[0], stream[1], stream[2], np.uint64(state[1]))
                state[0], state[1] = 0, state[1] + more.size // WORDS_IN_A_BLOCK
            counts[i] = settle(n, p, more, state[0])
            state[0] += WORDS_OF_A_PROPOSAL
