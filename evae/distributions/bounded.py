"""The common base of distributions that are symmetric about a point and have a bounded support."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import broadcast_all


class BoundedSymmetric(Distribution):
    """Law on [loc - reach, loc + reach], symmetric about loc.

    A subclass names its parameters in ``arg_constraints``, ``loc`` first, and passes them by name; they are broadcast
    against each other and become attributes.
    """

    has_rsample = True

    loc: Tensor
    scale: Tensor

    def __init__(self, validate_args: bool | None = None, **parameters: Tensor | float) -> None:
        for name, value in zip(parameters, broadcast_all(*parameters.values()), strict=True):
            setattr(self, name, value)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Distribution | None = None) -> Self:
        """Return the same distribution with ``batch_shape``, without copying memory."""
        # A subclass that has an __init__ without naming its parameters must define this as well: it is told so.
        naming = next(kind for kind in type(self).__mro__ if "arg_constraints" in vars(kind))
        new = self._get_checked_instance(naming, _instance)  # type: ignore[no-untyped-call]
        shape = torch.Size(batch_shape)
        for name in self.arg_constraints:
            setattr(new, name, getattr(self, name).expand(shape))
        Distribution.__init__(new, shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        """Return the closed interval [low, high]."""
        return constraints.interval(self.low, self.high)

    @property
    def low(self) -> Tensor:
        """Lower end of the support, loc - scale."""
        return self.loc - self.scale

    @property
    def high(self) -> Tensor:
        """Upper end of the support, loc + scale."""
        return self.loc + self.scale

    @property
    def reach(self) -> Tensor:
        """Half the length of the support, scale."""
        return self.scale

    @property
    def mean(self) -> Tensor:
        """The mean, loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """A mode, loc; if the density has a plateau, every point of it is a mode."""
        return self.loc
