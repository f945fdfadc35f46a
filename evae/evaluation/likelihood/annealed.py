"""Log-likelihood of single images by annealed importance sampling, and the gap between its bounds.

For the upper bound, images are simulated from the model's law of the pixels.

The noise of each image has streams of its own, and all chains of an image are decoded together and by themselves: an
image's estimate has the same bits whatever the other images are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from evae.compute.random_streams import Stream, generator
from evae.data import as_images
from evae.evaluation.likelihood.annealing import Bridge, sigmoid_schedule
from evae.evaluation.likelihood.coordinates import Coordinates
from evae.evaluation.likelihood.importance_sampling import log_mean_exp
from evae.evaluation.likelihood.scorer import Scorer, finite, mean_and_error
from foundation.progress import ProgressCallback, ignore_progress

#: Chains of the preliminary run that finds the steps.
SCOUTS = 4

#: Most simulated images for which both bounds are computed.
SIMULATED = 10


@dataclass(frozen=True)
class AnnealedEstimate:
    """The estimate of log p(x) in nats for one image.

    Attributes
    ----------
    log_likelihood : float
        From all chains; its expectation is a lower bound of log p(x).
    at_half : float
        From half of the chains, the mean of the two halves.
    acceptance : float
        Mean acceptance of the transitions.
    """

    log_likelihood: float
    at_half: float
    acceptance: float


@dataclass(frozen=True)
class Gap:
    """Both bounds of log p(x) in nats for one simulated image; lower minus upper is at most 0 on average."""

    lower: float
    upper: float


@dataclass(frozen=True)
class AnnealedScorer:
    """A model, the laws under which images are scored, and the settings of the chains.

    Attributes
    ----------
    scorer : Scorer
    chains, temperatures, leaps : int
        Even number of chains for each image and law, T, and leapfrog steps of a transition.
    """

    scorer: Scorer
    chains: int
    temperatures: int
    leaps: int

    def score(
        self, pixels: Tensor, progress: ProgressCallback = ignore_progress
    ) -> Iterator[dict[str, AnnealedEstimate]]:
        """Estimate log p(x) of each of N images, uint8 (N, C, S, S), under every law."""
        for number, image in enumerate(pixels.split(1)):
            noise, seen = partial(self._noise, Stream.ANNEALING, number), as_images(image.to(self.scorer.model.device))
            yield {name: self._estimate(name, seen.double(), noise) for name in self.scorer.laws}
            progress("annealing hold-out images", number + 1, len(pixels))

    def simulate(self, name: str, count: int, progress: ProgressCallback = ignore_progress) -> Iterator[Gap]:
        """Draw codes from a law and images from them; bound the log-likelihood of each image from both sides."""
        for number in range(count):
            yield self._bound(name, partial(self._noise, Stream.SIMULATION, number))
            progress(f"bounding simulated images of the {name}", number + 1, count)

    def _noise(self, stream: Stream, number: int, name: str, part: int, *, on_cpu: bool = False) -> torch.Generator:
        """Return the generator of one part of the work on an image under a law."""
        device = torch.device("cpu") if on_cpu else self.scorer.model.device
        return generator(self.scorer.seed, stream, number, device, batch=8 * list(self.scorer.laws).index(name) + part)

    def _estimate(self, name: str, image: Tensor, noise: Any) -> AnnealedEstimate:
        coordinates, bridge, matrix = self._bridge(name, image)
        _, log_weights, acceptance = self._anneal(coordinates, bridge, matrix, partial(noise, name))
        halves = log_mean_exp(log_weights.unflatten(0, (2, -1))).mean()
        return AnnealedEstimate(float(log_mean_exp(log_weights)), float(halves), acceptance)

    def _bound(self, name: str, noise: Any) -> Gap:
        model, own = self.scorer.model, partial(noise, name)
        like = next(model.parameters()).new_zeros(1, model.latent_dim)
        point = Coordinates.of(self.scorer.laws[name], like).draw(1, own(5, on_cpu=True))
        with torch.no_grad():
            logits = model.logits(Coordinates.of(self.scorer.laws[name], like).to_codes(point))
        levels = torch.rand(logits.shape, generator=own(6, on_cpu=True), dtype=logits.dtype)
        image = model.pixels.draw(logits, levels.to(logits.device))
        coordinates, bridge, matrix = self._bridge(name, image)
        steps, log_weights, _ = self._anneal(coordinates, bridge, matrix, own)
        end = torch.linalg.solve(matrix, point.T).T.expand(self.chains, -1)
        backwards, _ = bridge.backwards(end, steps, own(4))
        return Gap(float(log_mean_exp(log_weights)), -float(log_mean_exp(-backwards)))

    def _bridge(self, name: str, image: Tensor) -> tuple[Coordinates, Bridge, Tensor]:
        """Return the way from a law to the posterior of an image in double precision, (1, C, S, S)."""
        scorer = self.scorer
        with torch.no_grad():
            # Simulated normal pixels can lie outside [0, 1], which the encoder refuses. Its mean is only the start of
            # the search for the mode, and does not affect what is estimated.
            start = scorer.model.encode(image.clamp(0, 1)).mean
            coordinates = Coordinates.of(scorer.laws[name], start)
            bridge, matrix = coordinates.bridge(
                scorer.model.logits,
                scorer.model.pixels,
                image,
                partial(scorer.log_conditional, image),
                sigmoid_schedule(self.temperatures),
                self.leaps,
            )
        return coordinates, bridge, matrix

    def _anneal(
        self, coordinates: Coordinates, bridge: Bridge, matrix: Tensor, noise: Any
    ) -> tuple[tuple[float, ...], Tensor, float]:
        """Return the steps, found by chains of their own, the log-weights of the chains, and the mean acceptance."""
        scouts, start = (
            torch.linalg.solve(matrix, coordinates.draw(count, noise(part, on_cpu=True)).T).T
            for count, part in ((SCOUTS, 0), (self.chains, 2))
        )
        steps = bridge.adapt(scouts, noise(1))
        return steps, *bridge.forwards(start, steps, noise(3))


def summarise_annealed(scores: list[AnnealedEstimate]) -> dict[str, Any]:
    """Summarise the estimates of two or more images as a JSON document, in which an infinite number is None."""
    values, halves = ([getattr(score, name) for score in scores] for name in ("log_likelihood", "at_half"))
    mean, error = mean_and_error(values)
    return {
        "log_likelihood": mean,
        "standard_error": error,
        "at_half_the_chains": mean_and_error(halves)[0],
        "acceptance": sum(score.acceptance for score in scores) / len(scores),
        "by_image": [finite(value) for value in values],
    }


def summarise_gaps(gaps: list[Gap]) -> dict[str, Any]:
    """Summarise the bounds of two or more simulated images as a JSON document, in which an infinite number is None."""
    mean, error = mean_and_error([gap.upper - gap.lower for gap in gaps])
    return {
        "images": len(gaps),
        "lower_bound": mean_and_error([gap.lower for gap in gaps])[0],
        "upper_bound": mean_and_error([gap.upper for gap in gaps])[0],
        "gap": mean,
        "standard_error": error,
    }
