"""Batch normalisation over a batch that is distributed over several processes.

Each process holds some rows of a batch. If it normalised by their mean and variance, the model would depend on the
number of processes: 2 processes with batches of 100 would train as with batches of 50. Therefore the mean and the
variance are those of the whole batch, in the forward pass and in the gradient, and all processes keep the same running
statistics. `torch.nn.SyncBatchNorm` does this on CUDA only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from evae.compute.processes import Processes

#: The dimensions of (N, C, H, W) over which the moments of a channel are computed.
_WITHIN_CHANNEL = (0, 2, 3)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` over the whole batch, for a process that holds some or none of its rows.

    Parameters, buffers, their names and evaluation mode are those of ``layer``.

    Parameters
    ----------
    layer : torch.nn.BatchNorm2d
        A layer with learned weights and running statistics with a fixed momentum.
    processes : Processes
        The processes that hold the rows; all must call the layer equally often.
    """

    def __init__(self, layer: nn.BatchNorm2d, processes: Processes) -> None:
        weight = layer.weight
        super().__init__(layer.num_features, layer.eps, layer.momentum, device=weight.device, dtype=weight.dtype)
        self.load_state_dict(layer.state_dict())
        self.train(layer.training)
        self._processes = processes

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W), where N may differ between processes and be 0."""
        if not self.training:
            return super().forward(input)
        mean, variance, values = _moments(input.detach().to(self.weight.dtype), self._processes)
        self._follow(mean, variance * (values / (values - 1)))
        normalised: Tensor = _Normalisation.apply(
            input, self.weight, self.bias, mean, variance, values, self.eps, self._processes
        )
        return normalised

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked.add_(1)


def share_batch_normalisation(model: nn.Module, processes: Processes) -> None:
    """Replace every `torch.nn.BatchNorm2d` of the model by `SharedBatchNorm2d`."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, SharedBatchNorm2d(child, processes))


def _moments(rows: Tensor, processes: Processes) -> tuple[Tensor, Tensor, Tensor]:
    """Compute mean and variance (uncorrected) of each channel over all processes, and the number of its values.

    Each process contributes its number of values, mean and sum of squared deviations, which avoids the cancellation in
    E[x^2] - E[x]^2. Source: Chan, Golub and LeVeque (1979).
    """
    values = rows.numel() // rows.shape[1]
    if values == 0:
        mean = squares = torch.zeros(rows.shape[1], dtype=rows.dtype, device=rows.device)
    else:
        # On the CPU, torch.var_mean takes 16 times as long.
        mean = rows.mean(_WITHIN_CHANNEL)
        squares = (rows - _along_channels(mean)).square().sum(_WITHIN_CHANNEL)
    number = torch.full((1,), values, dtype=rows.dtype, device=rows.device)
    # Combine the moments of the processes, of which some may have no values.
    every = processes.all_gather(torch.cat([mean, squares, number]))
    means, squares, counts = every.split([len(mean), len(mean), 1], dim=1)
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    return mean, (squares + counts * (means - mean).square()).sum(0) / total, total


class _Normalisation(torch.autograd.Function):
    """(input - mean) / sqrt(variance + eps) * weight + bias, with moments that depend on the input of all processes."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        values: Tensor,
        eps: float,
        processes: Processes,
    ) -> Tensor:
        ctx.save_for_backward(input, weight, mean, (variance + eps).rsqrt(), values)
        ctx.processes = processes
        return functional.batch_norm(input, mean, variance, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, mean, scale, values = ctx.saved_tensors
        centred = images.to(mean.dtype) - _along_channels(mean)
        gradient = gradients[0].to(mean.dtype)
        sum_of_gradients = gradient.sum(_WITHIN_CHANNEL)
        product = (gradient * centred).sum(_WITHIN_CHANNEL)
        # Mean and variance propagate gradients between all values of a channel, in all processes.
        everywhere = ctx.processes.all_reduce_sum(torch.cat([sum_of_gradients, product])) / values
        of_mean, of_variance = everywhere.split(len(mean))
        # Combine the direct gradient with those through the mean and the variance.
        slope = _along_channels(-of_variance * scale.square())
        inner = torch.addcmul(gradient - _along_channels(of_mean), centred, slope)
        of_input = inner.mul_(_along_channels(weight * scale)).to(images.dtype)
        return of_input, product * scale, sum_of_gradients, None, None, None, None, None


def _along_channels(values: Tensor) -> Tensor:
    return values[:, None, None]
