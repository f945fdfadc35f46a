"""Coordinates of codes without bounds, in which a law of codes and its image's posterior are about round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evae.evaluation.likelihood.annealing import Bridge, LogDensity
from evae.evaluation.likelihood.laplace import Decoder, Normal, approximate_posterior
from evae.models.pixels import PixelLaw
from evae.models.priors import CodeLaw, NormalPrior, UniformPrior

#: How far from the middle, in standard deviations, the search for the mode starts at most.
_FARTHEST_START = 3.0


@dataclass(frozen=True)
class Coordinates:
    """Points v in place of codes z = z(v).

    Attributes
    ----------
    to_codes : callable
        Maps points (N, d_z) to codes (N, d_z), differentiably.
    log_base : callable
        The log-density of v that makes z(v) have the law, up to a constant.
    draw : callable
        Draws points (N, d_z) from it, given N and a generator on the CPU.
    normal : Normal
        A normal law that is like it near ``start``.
    start : Tensor
        The point of a code that is given, (1, d_z).
    """

    to_codes: Callable[[Tensor], Tensor]
    log_base: LogDensity
    draw: Callable[[int, torch.Generator], Tensor]
    normal: Normal
    start: Tensor

    @classmethod
    def of(cls, law: CodeLaw, code: Tensor) -> Coordinates:
        """Return the coordinates for a law, starting at a code (1, d_z) in double precision.

        A code from a uniform law is Phi(v) on its interval, with v standard normal: v has no bounds at which a
        trajectory would end. For every other law v is the code itself.
        """
        if not isinstance(law, UniformPrior):

            def draw(number: int, random: torch.Generator) -> Tensor:
                # Drawn on the CPU, so that the codes are the same on every device.
                return law.in_double(torch.device("cpu")).draw(number, random).to(code)

            given = _draw_normal(code) if isinstance(law, NormalPrior) else draw
            return cls(lambda points: points, law.log_prob, given, Normal.of(*law.moments_near(code[0])), code)
        length = law.length
        # At the ends of the interval v would be infinite.
        start = torch.special.ndtri((code / length + 0.5).clamp(0, 1)).clamp(-_FARTHEST_START, _FARTHEST_START)
        return cls(
            lambda points: length * (torch.special.ndtr(points) - 0.5),
            lambda points: -0.5 * points.square().sum(1),
            _draw_normal(code),
            Normal(torch.zeros_like(code), torch.eye(code.shape[1]).to(code)),
            start,
        )

    def bridge(
        self,
        decoder: Decoder,
        pixels: PixelLaw,
        image: Tensor,
        log_conditional: LogDensity,
        schedule: tuple[float, ...],
        leaps: int,
    ) -> tuple[Bridge, Tensor]:
        """Return the bridge from the law to an image's posterior, and the matrix A, (d_z, d_z), of its points.

        The points of the bridge are u with v = A u, in which ``normal`` is isotropic and the normal approximation of
        the posterior has independent dimensions.

        Parameters
        ----------
        decoder : callable
            Maps codes to logits.
        pixels : PixelLaw
            p(x | z) given the logits.
        image : Tensor
            Of shape (1, C, S, S), in double precision.
        log_conditional : callable
            log p(x | z) at codes (N, d_z).
        schedule, leaps
            As for `Bridge`.
        """
        found = approximate_posterior(
            lambda points: decoder(self.to_codes(points)), pixels, image, self.start, self.normal
        )
        # v = F^-T u has the precision F F^T of the normal law where u has I.
        inverse = torch.linalg.solve_triangular(
            self.normal.factor, torch.eye(len(found.factor)).to(found.factor), upper=False
        )
        whitened = inverse @ (found.precision - self.normal.precision) @ inverse.T
        curvature, rotation = torch.linalg.eigh(0.5 * (whitened + whitened.T))
        matrix = inverse.T @ rotation
        bridge = Bridge(
            lambda points: self.log_base(points @ matrix.T),
            lambda points: log_conditional(self.to_codes(points @ matrix.T)),
            curvature.clamp(min=0),
            schedule,
            leaps,
        )
        return bridge, matrix


def _draw_normal(like: Tensor) -> Callable[[int, torch.Generator], Tensor]:
    """Return the function that draws standard normal points of the type and on the device of ``like`` (1, d_z)."""

    def draw(number: int, random: torch.Generator) -> Tensor:
        return torch.randn(number, like.shape[1], generator=random, dtype=like.dtype).to(like.device)

    return draw
