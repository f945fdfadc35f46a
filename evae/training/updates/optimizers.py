"""Optimizers by name, and the state of each that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evae.configuration.configuration import Configuration

#: Momentum of stochastic gradient descent, the usual one.
MOMENTUM = 0.9


@dataclass(frozen=True)
class OptimizerKind:
    """An optimizer of PyTorch.

    Attributes
    ----------
    make : callable
        Takes the parameters, the learning rate (a number or a tensor) and the weight decay.
    weight_decay : float
        The default.
    moments : tuple of str
        Its state for a weight, each a tensor of the weight's shape.
    counts : bool
        Whether it also counts its steps in a scalar ``step``, which all networks of a stack share.
    """

    make: Callable[[Iterable[nn.Parameter], Any, float], torch.optim.Optimizer]
    weight_decay: float
    moments: tuple[str, ...]
    counts: bool

    @property
    def state(self) -> tuple[str, ...]:
        """The names of the whole state for a weight."""
        return (*(("step",) if self.counts else ()), *self.moments)


# Fused kernels: 2,280 against 2,050 images/s on the machine of `VAE.place_on`, and one launch on CUDA. They are
# element by element, so that the networks of a stack are trained as each would be alone.
OPTIMIZERS = {
    "adam": OptimizerKind(
        lambda weights, lr, _: torch.optim.Adam(weights, lr=lr, fused=True), 0.0, ("exp_avg", "exp_avg_sq"), counts=True
    ),
    "adamw": OptimizerKind(
        lambda weights, lr, decay: torch.optim.AdamW(weights, lr=lr, weight_decay=decay, fused=True),
        0.01,
        ("exp_avg", "exp_avg_sq"),
        counts=True,
    ),
    "sgd": OptimizerKind(
        lambda weights, lr, decay: torch.optim.SGD(weights, lr=lr, momentum=MOMENTUM, weight_decay=decay, fused=True),
        0.0,
        ("momentum_buffer",),
        counts=False,
    ),
}


def make_optimizer(config: Configuration, model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimizer of a model on a device.

    A learning rate that changes is a tensor on the device (`set_learning_rate`): a captured step, whose numbers are
    those of its capture, then reads the current one. One that does not is a number.
    """
    kind = OPTIMIZERS[config.optimizer]
    decay = kind.weight_decay if config.weight_decay is None else config.weight_decay
    # Fused kernels on CUDA read single precision.
    constant = config.schedule == "constant"
    rate: float | Tensor = config.lr if constant else torch.tensor(config.lr, dtype=torch.float32, device=device)
    return kind.make(model.parameters(), rate, decay)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set a learning rate that changes; one that is a number stays as it is."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
