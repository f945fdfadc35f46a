"""Updates of the weights: optimizers, schedules of the learning rate, and clipping of gradients."""
