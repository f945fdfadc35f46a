"""The claims, one module for each part of the paper; what is on record about each is recomputed, never copied."""

from theory.claims import beyond, bickel_rosenblatt, kernels, kl_bound, objective, optimal_kernel, posterior, published

ALL_CLAIMS = (
    *kl_bound.CLAIMS,
    *kernels.CLAIMS,
    *optimal_kernel.CLAIMS,
    *bickel_rosenblatt.CLAIMS,
    *objective.CLAIMS,
    *posterior.CLAIMS,
    *published.CLAIMS,
    *beyond.CLAIMS,
)
"""Every claim, in the order of the ledger."""
