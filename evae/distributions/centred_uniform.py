"""The uniform distribution by its centre and half-width, which stay accurate where the ends would lose digits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Uniform
from torch.distributions.utils import broadcast_all


class CentredUniform(Uniform):
    """Uniform distribution on [loc - scale, loc + scale].

    Parameters
    ----------
    loc : Tensor or float
        The centre. Any shape.
    scale : Tensor or float
        Half the length of the support, positive. Broadcast against ``loc``.
    validate_args : bool, optional
        As for `torch.distributions.Uniform`, the base class: the ends are rounded, the moments are not.

    Examples
    --------
    >>> CentredUniform(0.0, 3.0).variance
    tensor(3.)
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc - self.scale, self.loc + self.scale, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> CentredUniform:
        """Return the same distribution with ``batch_shape``, without copying memory."""
        new = self._get_checked_instance(CentredUniform, _instance)  # type: ignore[no-untyped-call]
        new.loc, new.scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        super().expand(batch_shape, _instance=new)  # type: ignore[no-untyped-call]
        return new

    @property
    def mean(self) -> Tensor:
        """The mean, loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance, scale^2 / 3."""
        return self.scale.square() / 3

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, scale / sqrt(3)."""
        return self.scale / 3**0.5

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats: log(2 scale)."""
        return (2 * self.scale).log()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw loc + scale * U with U uniform on [-1, 1], differentiable in both."""
        shape = self._extended_shape(sample_shape)
        return self.loc + self.scale * standard_uniform(shape, dtype=self.loc.dtype, device=self.loc.device)


def standard_uniform(
    shape: Any,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw from the uniform distribution on [-1, 1]; the arguments are those of `torch.rand`."""
    return 2 * torch.rand(tuple(shape), generator=generator, dtype=dtype, device=device) - 1
