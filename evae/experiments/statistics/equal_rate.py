"""The comparison of two models at equal rate: the reconstruction error of one at the other's rate, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from evae.experiments.statistics.digits import common_digits
from evae.experiments.statistics.estimates import Estimate, estimate
from evae.experiments.statistics.wording import on_evidence, on_left_out, show_interval, too_few

#: Rate in nats and reconstruction error, by the weight of the regularisation term.
Curve = Mapping[float, tuple[float, float]]

#: The curve of each model, for one seed.
Curves = Mapping[str, Curve]

OWN = 1.0
"""The default weight of a model's regularisation term."""


@dataclass(frozen=True)
class EqualRate:
    """EVAE, and VAE with the weight at which its rate equals EVAE's.

    Attributes
    ----------
    vae, evae : (float, float) or None
        Mean rate and error over seeds, each at its default weight. None without a seed.
    reach : (float, float) or None
        The smallest and the largest rate on VAE's curves.
    gain : Estimate or None
        VAE's error at EVAE's rate minus EVAE's. None if EVAE's rate lies outside VAE's curve on some seed.
    left_out : tuple of int
        Seeds that lack EVAE, or a weight of VAE that other seeds have.
    """

    vae: tuple[float, float] | None
    evae: tuple[float, float] | None
    reach: tuple[float, float] | None
    gain: Estimate | None
    left_out: tuple[int, ...]

    @property
    def words(self) -> str:
        """The comparison in plain words, with one verdict."""
        if self.vae is None or self.evae is None or self.reach is None:
            return "What the codes carry cannot be compared: no seed has EVAE and all weights of VAE."
        sentences = [
            f"EVAE's codes carry {self.evae[0]:.1f} nats per image at a reconstruction error of {self.evae[1]:.2f}, "
            f"VAE's {self.vae[0]:.1f} at {self.vae[1]:.2f}.",
            self._outside(*self.reach) if self.gain is None else _at_equal_rate(self.gain),
        ]
        left_out = on_left_out(self.left_out, "these models")
        return " ".join([*sentences, left_out] if left_out else sentences)

    def _outside(self, low: float, high: float) -> str:
        return (
            f"As its weight varies, VAE's curve reaches from {low:.1f} to {high:.1f} nats, and not to EVAE's rate on "
            "every seed: at equal rate they are not compared."
        )


def _at_equal_rate(gain: Estimate) -> str:
    beginning = "At equal rate, with a weight at which VAE's codes carry as much,"
    if not gain.mean:
        return f"{beginning} the errors are the same on average."
    sign = 1 if gain.mean > 0 else -1
    digits = common_digits([gain.mean, *(gain.interval or ())])
    if too_few(gain.n):
        doubt = f"; {too_few(gain.n)} to tell this from chance"
    elif gain.interval is None:
        doubt = ", the same on every seed, so that it cannot be tested"
    else:
        doubt = "" if gain.sign else ", which cannot be told from zero"
    return (
        f"{beginning} EVAE's error is {digits.show(abs(gain.mean))} nats {'lower' if sign > 0 else 'higher'} "
        f"({on_evidence(show_interval(gain, digits, sign), gain.n)}){doubt}."
    )


def compare_at_equal_rate(curves: Mapping[int, Curves]) -> EqualRate:
    """Compare EVAE's reconstruction error with VAE's at EVAE's rate.

    VAE's error is interpolated linearly, seed by seed, between the points of its curve. Where the curve is convex, the
    interpolation lies above it, so that its error favours EVAE.

    Parameters
    ----------
    curves : mapping of int to Curves
        By seed, the curves of ``"vae"`` and ``"evae"``.
    """
    weights = {OWN}.union(*(seed.get("vae", {}) for seed in curves.values()))
    # Only seeds with the whole curve of VAE count: else each seed would be compared over another range.
    whole = [
        seed
        for seed, found in sorted(curves.items())
        if weights <= set(found.get("vae", {})) and OWN in found.get("evae", {})
    ]
    left_out = tuple(sorted(set(curves) - set(whole)))
    if not whole:
        return EqualRate(None, None, None, None, left_out)
    vae, evae = [curves[seed]["vae"] for seed in whole], [curves[seed]["evae"][OWN] for seed in whole]
    rates = [rate for curve in vae for rate, _ in curve.values()]
    errors = [_error_at(curve, rate) for curve, (rate, _) in zip(vae, evae, strict=True)]
    return EqualRate(
        _mean([curve[OWN] for curve in vae]),
        _mean(evae),
        (min(rates), max(rates)),
        _gain([error for error in errors if error is not None], [error for _, error in evae]),
        left_out,
    )


def _error_at(curve: Curve, rate: float) -> float | None:
    """Interpolate the error at a rate; return None outside the curve."""
    rates, errors = zip(*sorted(curve.values()), strict=True)
    return float(np.interp(rate, rates, errors)) if rates[0] <= rate <= rates[-1] else None


def _mean(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    rates, errors = zip(*points, strict=True)
    return fmean(rates), fmean(errors)


def _gain(interpolated: Sequence[float], own: Sequence[float]) -> Estimate | None:
    """Estimate the mean difference over seeds; return None if it is undefined for some seed."""
    if len(interpolated) < len(own):
        return None
    gains = [theirs - ours for theirs, ours in zip(interpolated, own, strict=True)]
    return estimate(gains, max(map(abs, (*interpolated, *own))))
