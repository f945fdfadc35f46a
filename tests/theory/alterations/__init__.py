"""For each claim, data that the paper does not print and the verdict that each must meet, by the claims' modules."""

from tests.theory.alterations import (
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

ALTERED: dict[str, list[tuple[str, str]]] = {
    **sections_1_2.ALTERED,
    **lemma_2_1.ALTERED,
    **kernels.ALTERED,
    **lemma_3_2.ALTERED,
    **theorem_3_1.ALTERED,
    **equation_6.ALTERED,
    **section_4.ALTERED,
    **posterior.ALTERED,
    **sections_5_6.ALTERED,
    **appendices.ALTERED,
    **beyond.ALTERED,
}
