"""Beyond the paper: true statements that it does not make, on what it does.

`divergences` has the divergence of posteriors from a prior, `kernel_families` the optimal kernel in several dimensions
and between the uniform and the normal one, `sampling` what a bounded support does to importance weights and to
gradients, `objective` what equation (8) leaves free.
"""

from theory.claims.beyond import divergences, kernel_families, objective, sampling

CLAIMS = (*divergences.CLAIMS, *kernel_families.CLAIMS, *sampling.CLAIMS, *objective.CLAIMS)
"""The claims, in the order of the ledger."""
