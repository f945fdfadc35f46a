"""The headline of the ablation: whether the method works, and why, with the figures that say so."""

from __future__ import annotations

from dataclasses import dataclass

from evae.experiments.reports.attribution import Amounts
from evae.experiments.statistics.decomposition import Decomposition
from evae.experiments.statistics.digits import common_digits
from evae.experiments.statistics.estimates import Estimate
from evae.experiments.statistics.wording import on_evidence, show_interval, too_few

#: The reason of a gain, by the signs of the parts of the kernel and of the objective.
_REASONS = {
    (0, 0): "neither its kernel nor its objective accounts for it by itself",
    (0, 1): "because of its objective, not of its kernel",
    (0, -1): "in spite of its objective",
    (1, 0): "because of its kernel, not of its objective",
    (1, 1): "because of its objective and of its kernel",
    (1, -1): "because of its kernel, in spite of its objective",
    (-1, 0): "in spite of its kernel",
    (-1, 1): "because of its objective, in spite of its kernel",
}

UNKNOWN = "Not decided: the models that tell were not all trained"


@dataclass(frozen=True)
class Headline:
    """A verdict in a few words, and the sentence of figures on which it rests."""

    verdict: str
    evidence: str


def headline(split: Decomposition | None, autoencoder: Estimate | None, at_equal_rate: Estimate | None) -> Headline:
    """Return the headline on the reconstruction error, which the paper's objective has in common with VAE's.

    Parameters
    ----------
    split : Decomposition, optional
        Of EVAE's gain over VAE; None if no seed has the four models.
    autoencoder : Estimate, optional
        EVAE's gain over a plain autoencoder.
    at_equal_rate : Estimate, optional
        EVAE's gain over VAE at equal rate.
    """
    if split is None:
        return Headline(UNKNOWN, "")
    return Headline(_verdict(split), _evidence(split, autoencoder, at_equal_rate))


def _verdict(split: Decomposition) -> str:
    gain = split.gain
    if few := too_few(gain.n):
        return f"Not decided: {few}"
    if gain.sign > 0:
        return f"It reconstructs better than VAE, {_REASONS[split.kernel.sign, split.objective.sign]}"
    return (
        "It reconstructs worse than VAE" if gain.sign < 0 else "It reconstructs no better than VAE, as far as is known"
    )


def _evidence(split: Decomposition, autoencoder: Estimate | None, at_equal_rate: Estimate | None) -> str:
    amounts, n = Amounts.of(split), split.gain.n
    interval = on_evidence(amounts.gain.interval, n)
    sentences = [
        f"Gain in reconstruction error over VAE: {amounts.gain.mean} nats ({interval}), of which the objective has "
        f"{amounts.objective.mean} and the kernel {amounts.kernel.mean}."
    ]
    if at_equal_rate is not None:
        sentences.append(f"At equal rate the gain is {_amount(at_equal_rate)}.")
    if autoencoder is not None:
        sentences.append(f"Over a plain autoencoder, without kernel or regularisation, it is {_amount(autoencoder)}.")
    return " ".join(sentences)


def _amount(found: Estimate) -> str:
    digits = common_digits([found.mean, *(found.interval or ())])
    interval = show_interval(found, digits)
    doubt = ", which cannot be told from zero" if interval and not found.sign else ""
    return f"{digits.show(found.mean)} nats" + (f" ({interval})" if interval else "") + doubt
