"""A warning where training is too short for the running averages that batch normalisation uses on hold-out images."""

from __future__ import annotations

import math
import warnings

from torch import nn

from evae.exceptions import BatchStatisticsWarning

#: The share of their initial values that the running averages may keep, unnoticed.
NEGLIGIBLE = 0.01


def warn_of_few_steps(model: nn.Module, steps: int) -> None:
    """Warn where ``steps`` batches leave the running averages near their initial values (`BatchStatisticsWarning`).

    In training a layer normalises by the batch's own mean and variance; afterwards by running averages, which start at
    0 and 1 and keep a share (1 - momentum)^steps of that.
    """
    momenta = [layer.momentum for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    slowest = min((momentum for momentum in momenta if momentum is not None), default=1.0)
    share = (1 - slowest) ** steps
    if share > NEGLIGIBLE:
        enough = math.ceil(math.log(NEGLIGIBLE) / math.log(1 - slowest))
        warnings.warn(
            f"training has {steps} {'step' if steps == 1 else 'steps'}, after which the running averages of batch "
            f"normalisation still hold {share:.0%} of their initial values: hold-out figures, which use them, say "
            f"little of the model. Train for at least {enough} steps, by more --epochs or a smaller --batch-size.",
            BatchStatisticsWarning,
            stacklevel=2,
        )
