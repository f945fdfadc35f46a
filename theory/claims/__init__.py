"""The claims, one module for each part of the paper; what is on record about each is recomputed, never copied."""

from theory.claims import kernels, kl_bound, optimal_kernel, posterior

ALL_CLAIMS = (*kl_bound.CLAIMS, *kernels.CLAIMS, *optimal_kernel.CLAIMS, *posterior.CLAIMS)
"""Every claim, in the order of the ledger."""
