"""Standard noises of a code z = mu + scale * noise: one row each, with the constants that do not need torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Noise:
    """A standard noise, symmetric about 0. Every constant is that of scale 1.

    Attributes
    ----------
    draw : str
        The function that draws it, as ``module:function``; it is called as `torch.randn` is.
    law : str
        The `torch.distributions.Distribution` with this noise, as ``module:class``; it takes a location and a scale.
        Empty for a kernel that no posterior has as its only noise.
    variance : float
    entropy : float
        Differential entropy in nats.
    roughness : float
        I(K), the integral of the squared density.
    reach : float, optional
        Half the length of the support; None if it is unbounded.
    scale : str
        The name of the scale, in the encoder's head and in the metrics.
    """

    draw: str
    law: str
    variance: float
    entropy: float
    roughness: float
    reach: float | None = None
    scale: str = "r"


#: The noises by the name of their posterior.
NOISES: Mapping[str, Noise] = {
    "gaussian": Noise(
        "torch:randn",
        "torch.distributions:Normal",
        variance=1.0,
        entropy=0.5 * math.log(2 * math.pi * math.e),
        roughness=1 / (2 * math.sqrt(math.pi)),
        scale="sigma",
    ),
    # Lemma 3.2: among all densities with this variance, the one of least roughness.
    "epanechnikov": Noise(
        "evae.distributions:standard_epanechnikov",
        "evae.distributions:Epanechnikov",
        variance=1 / 5,
        entropy=5 / 3 - math.log(3),
        roughness=3 / 5,
        reach=1.0,
    ),
    "uniform": Noise(
        "evae.distributions:standard_uniform",
        "evae.distributions:CentredUniform",
        variance=1 / 3,
        entropy=math.log(2),
        roughness=1 / 2,
        reach=1.0,
    ),
    "laplace": Noise(
        "evae.distributions:standard_laplace",
        "torch.distributions:Laplace",
        variance=2.0,
        entropy=1 + math.log(2),
        roughness=1 / 4,
        scale="scale",
    ),
}


#: K of Algorithm 1 by name: noises of posteriors, and kernels that serve there alone, whose sum with a uniform variable
#: has no entropy in closed form. Their constants are those of `theory.kernels`.
KERNEL_NOISES: Mapping[str, Noise] = {
    **{name: NOISES[name] for name in ("epanechnikov", "gaussian", "uniform")},
    "triangular": Noise(
        "evae.models.kernel_noises:standard_triangular", "", variance=1 / 6, entropy=1 / 2, roughness=2 / 3, reach=1.0
    ),
    "biweight": Noise(
        "evae.models.kernel_noises:standard_biweight",
        "",
        variance=1 / 7,
        entropy=47 / 15 - math.log(15),
        roughness=5 / 7,
        reach=1.0,
    ),
    "triweight": Noise(
        "evae.models.kernel_noises:standard_triweight",
        "",
        variance=1 / 9,
        entropy=319 / 70 - math.log(70),
        roughness=350 / 429,
        reach=1.0,
    ),
    "cosine": Noise(
        "evae.models.kernel_noises:standard_cosine",
        "",
        variance=1 - 8 / math.pi**2,
        entropy=1 + math.log(2 / math.pi),
        roughness=math.pi**2 / 16,
        reach=1.0,
    ),
}
