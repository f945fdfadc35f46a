"""Figures that illustrate the claims."""

from __future__ import annotations

from collections.abc import Iterator

from report.elements import Drawing, drawing
from theory import figures as plots


def theory_drawings() -> Iterator[Drawing]:
    """Draw the kernels, both lemmas, many dimensions, the theorem's bandwidths and the effect of a uniform prior."""
    yield drawing(
        "kernels",
        plots.kernels_figure(),
        caption="The paper's Figure S1, kernels of equal variance, and what each is worth: at equal variance no kernel "
        "is far from the best.",
        description="Densities of six kernels at equal variance, and a chart of their efficiencies: by roughness the "
        "Epanechnikov kernel has 100 percent, the Gaussian 95 percent, the uniform 93 percent.",
        source="notebooks/kernels.ipynb",
    )
    yield drawing(
        "kl-bound",
        plots.kl_bound_figure(),
        caption="Lemma 2.1: the sharp constant and the printed series, and pairs of laws against the bound.",
        description="The constant of Lemma 2.1 as a function of the bound C on the relative difference of the "
        "densities, with random pairs of laws all below the sharp constant.",
        source="notebooks/kl_bound.ipynb",
    )
    yield drawing(
        "optimal-kernel",
        plots.optimal_kernel_figure(),
        caption="Lemma 3.2: the roughness of rivals of equal variance. The Epanechnikov kernel is the minimum of each "
        "family, and no random rival comes below.",
        description="Four panels of the excess of the roughness over its minimum: two families of kernels, both least "
        "at the Epanechnikov kernel, named kernels up to seven percent above, and random densities, all above.",
        source="notebooks/optimal_kernel.ipynb",
    )
    yield drawing(
        "many-dimensions",
        plots.many_dimensions_figure(),
        caption="The optimal kernel of many dimensions is radial, not EVAE's product: at 64 dimensions the product has "
        "189 times its roughness. By KL, which the evidence lower bound contains, the Gaussian is better than both.",
        description="Roughness and KL of the radial kernel and of the product of Epanechnikov kernels against the "
        "dimension, relative to the Gaussian; both criteria along the beta kernels; and the marginal densities, of "
        "which the radial one is nearly normal at 64 dimensions.",
        source="notebooks/many_dimensions.ipynb",
    )
    yield drawing(
        "bandwidth-window",
        plots.bandwidth_window_figure(),
        caption="Theorem 3.1's window for the bandwidth, with constants 1. At every sample size in use it is empty.",
        description="Lower and upper side of the window against the sample size: the lower side is above the upper one "
        "from m = 5 to 10 to the 41.",
        source="notebooks/statistic.ipynb",
    )
    yield drawing(
        "uniform-prior",
        plots.uniform_prior_figure(),
        caption="With a uniform prior, as EVAE has it, E T_m does not tend to the theorem's limit but grows without "
        "bound; with a normal density it tends to it.",
        description="The exact mean of T_m against the sample size: for the uniform prior it grows with m at every "
        "bandwidth of the theorem, for the normal density it approaches its limit.",
        source="notebooks/uniform_prior.ipynb",
    )
