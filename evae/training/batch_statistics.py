"""A check that training is long enough for the running averages of batch normalisation."""

from __future__ import annotations

import math
import warnings

from torch import nn

from evae.exceptions import BatchStatisticsWarning

#: The largest share of their initial values that the running averages may retain without a warning.
NEGLIGIBLE = 0.01


def warn_of_few_steps(model: nn.Module, steps: int) -> None:
    """Warn (`BatchStatisticsWarning`) if the running averages are near their initial values after ``steps`` batches.

    In training, a layer normalises by the mean and variance of the batch; in evaluation, by running averages, which
    start at 0 and 1 and retain a share (1 - momentum)^steps of these values.
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
