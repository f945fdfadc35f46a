"""Draws from the Laplace distribution, with an explicit generator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def standard_laplace(
    shape: Any,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Draw from the density :math:`e^{-|x|}/2`; the arguments are those of `torch.rand`.

    The draw is an exponential variable with a random sign, both from uniform numbers below 1, so that it is finite.
    """
    size, side = torch.rand((2, *shape), generator=generator, dtype=dtype, device=device).unbind()
    return torch.where(side < 0.5, 1.0, -1.0) * (-size).log1p()
