"""The claims, one module for each part of the paper; what is on record about each is recomputed, never copied."""

from theory.claims import beyond, kernels, lemma_2_1, lemma_3_2, posterior, section_4, sections_5_6, theorem_3_1

ALL_CLAIMS = (
    *lemma_2_1.CLAIMS,
    *kernels.CLAIMS,
    *lemma_3_2.CLAIMS,
    *theorem_3_1.CLAIMS,
    *section_4.CLAIMS,
    *posterior.CLAIMS,
    *sections_5_6.CLAIMS,
    *beyond.CLAIMS,
)
"""Every claim, in the order of the ledger."""
