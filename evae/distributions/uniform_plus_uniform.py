"""Temporary."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import broadcast_all

from evae.distributions.closed_forms import uniform_entropy, uniform_roughness


class UniformPlusUniform(Distribution):
    """Temporary."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, loc: Any, scale: Any, half_width: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.half_width = broadcast_all(loc, scale, half_width)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return (self.scale.square() + self.half_width.square()) / 3

    def entropy(self) -> Tensor:
        return uniform_entropy(self.scale, self.half_width)

    @property
    def roughness(self) -> Tensor:
        return uniform_roughness(self.scale, self.half_width)
