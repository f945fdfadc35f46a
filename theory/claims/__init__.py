"""The claims, one module for each part of the paper; every finding is recomputed, never copied.

The first part of an id is a place in the paper and determines the module: ``lemma-2.1`` is in `lemma_2_1`,
``section-4`` in `section_4`. Parts without a module follow the paper: equations (1), (2) and (4) are with Sections 1
and 2, the rest of Section 3 with equation (6), (7) and (8) with Section 4, the tables with Section 5, the binomial test
with the appendices. Equations (9) and (10) and the algorithms that sample them are in `posterior`. What the paper lacks
is in the package `beyond`.
"""

from theory.claim import Claim
from theory.claims import (
    appendices,
    beyond,
    equation_6,
    kernels,
    lemma_2_1,
    lemma_3_2,
    posterior,
    section_4,
    sections_1_2,
    sections_5_6,
    theorem_3_1,
)

MODULES = (
    sections_1_2,
    lemma_2_1,
    kernels,
    lemma_3_2,
    theorem_3_1,
    equation_6,
    section_4,
    posterior,
    sections_5_6,
    appendices,
    beyond,
)
"""The modules of claims, in the order of the paper."""

_ORDER = (
    # The bound of the divergence, the optimal kernel, and the paper's conclusions from it.
    *("lemma-2.1", "kernel", "lemma-3.2"),
    *("section-3.gain", "section-3.scale", "section-2.mise", "section-6.uniform-minimises-j"),
    # The limit theorem, and how the paper uses it: the bandwidth, the weight, the prior, the kernel, the assumptions.
    *("theorem-3.1", "section-4.step-size", "section-3.weight", "section-3.weight-window"),
    *("section-4.uniform-prior", "section-4.shifted-kernel"),
    *("section-2.a1-a4", "section-2.a3-wording", "section-2.citation"),
    # The objective, from the model to equation (8), and statements about it.
    *("section-1", "eq-1", "eq-2", "section-2", "eq-4", "eq-6", "section-3", "eq-7"),
    *("section-4.upper-bound", "section-4.n-choice", "eq-8", "section-4", "section-6"),
    # The posterior and its sampling; the tables, the tests on them, the networks, the splits, the sharpness.
    *("eq-9", "eq-10", "algorithm-1", "algorithm-2"),
    *("table", "section-5", "binomial", "appendix-b", "appendix-c"),
    "beyond",
)
"""Groups of claims in the order of the ledger, by subject; some claims precede the rest of their group."""


def _place(claim: Claim) -> int:
    """Return the place of a claim in the order of the ledger: that of the claim if listed, else that of its group."""
    group, _, _ = claim.id.rpartition(".")
    return _ORDER.index(claim.id if claim.id in _ORDER else group)


ALL_CLAIMS = tuple(sorted((claim for module in MODULES for claim in module.CLAIMS), key=_place))
"""Every claim, in the order of the ledger."""
