"""Clipping of gradients by their norm, network by network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

#: Added to a norm before it divides, as PyTorch does.
_LEAST = 1e-6


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], most: float, networks: int = 1) -> Tensor:
    """Scale the gradients of each network to a norm of at most ``most``; return the norms before, (networks,).

    The norm is the Euclidean one over all parameters of a network, as in `torch.nn.utils.clip_grad_norm_`. Nothing
    waits for the device, so that a step with it can be captured.

    Parameters
    ----------
    parameters : iterable of nn.Parameter
        Those of a stack of ``networks`` networks have its parts along their first axis. One without gradient is left
        out.
    most : float
    networks : int
    """
    found = [_by_network(one.grad, networks) for one in parameters if one.grad is not None]
    each = [torch.linalg.vector_norm(gradient, dim=tuple(range(1, gradient.dim()))) for gradient in found]
    norms = torch.linalg.vector_norm(torch.stack(each), dim=0)
    factors = (most / (norms + _LEAST)).clamp(max=1.0)
    for gradient in found:
        gradient.mul_(factors.view(networks, *[1] * (gradient.dim() - 1)))
    return norms


def _by_network(gradient: Tensor, networks: int) -> Tensor:
    """Return a view whose first axis is that of the networks, and which has another one at least."""
    return gradient.view(1, 1) if gradient.dim() == 0 else gradient.unflatten(0, (networks, -1))
