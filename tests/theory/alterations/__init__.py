"""For each claim, data that the paper does not print and the verdict that each must meet, by the claims' modules."""

from tests.theory.alterations import (
    beyond,
    bickel_rosenblatt,
    kernels,
    kl_bound,
    objective,
    optimal_kernel,
    posterior,
    published,
)

ALTERED: dict[str, list[tuple[str, str]]] = {
    **kl_bound.ALTERED,
    **kernels.ALTERED,
    **optimal_kernel.ALTERED,
    **bickel_rosenblatt.ALTERED,
    **objective.ALTERED,
    **posterior.ALTERED,
    **published.ALTERED,
    **beyond.ALTERED,
}
