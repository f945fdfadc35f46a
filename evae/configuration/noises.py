"""Standard noises of codes by the names of their posteriors, with the constants that do not need torch."""

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


#: The posterior whose noise is a symmetric beta kernel, with a shape that may be learned.
BETA = "beta"

#: Largest shape of a symmetric beta kernel, whose divergence from the normal law of equal variance is 2e-9 nats.
LARGEST_SHAPE = 1e4

#: Smallest initial value of a learned shape, which stays above 1.
SMALLEST_INITIAL_SHAPE = 1.001


@dataclass(frozen=True)
class JointNoise:
    """A noise of all dimensions together, of which each has variance 1.

    Attributes
    ----------
    radial : bool
        Whether it is the radial Epanechnikov law, which has bounded support; otherwise the normal law.
    full : bool
        Whether the posterior has a full covariance matrix; otherwise its dimensions are uncorrelated.
    """

    radial: bool
    full: bool


#: The joint noises by the name of their posterior. The normal law with uncorrelated dimensions is that of `NOISES`.
JOINT_NOISES: Mapping[str, JointNoise] = {
    "radial": JointNoise(radial=True, full=False),
    "radial-full": JointNoise(radial=True, full=True),
    "gaussian-full": JointNoise(radial=False, full=True),
}

#: Most latent dimensions of a posterior with a full covariance, whose encoder has d_z (d_z - 1)/2 outputs for it.
MOST_FULL_DIMENSIONS = 512


def is_bounded(posterior: str) -> bool:
    """Return whether the posterior of this name, except kde and none, has bounded support."""
    if posterior in JOINT_NOISES:
        return JOINT_NOISES[posterior].radial
    return posterior == BETA or NOISES[posterior].reach is not None


#: K of Algorithm 1 by name: noises of posteriors, and kernels that serve there alone, whose sum with a uniform variable
#: has no entropy in closed form. Their constants are those of `theory.kernels`.
KERNEL_NOISES: Mapping[str, Noise] = {
    **{name: NOISES[name] for name in ("epanechnikov", "gaussian", "uniform")},
    "triangular": Noise(
        "evae.distributions.kernels.noises:standard_triangular",
        "",
        variance=1 / 6,
        entropy=1 / 2,
        roughness=2 / 3,
        reach=1.0,
    ),
    "biweight": Noise(
        "evae.distributions.kernels.noises:standard_biweight",
        "",
        variance=1 / 7,
        entropy=47 / 15 - math.log(15),
        roughness=5 / 7,
        reach=1.0,
    ),
    "triweight": Noise(
        "evae.distributions.kernels.noises:standard_triweight",
        "",
        variance=1 / 9,
        entropy=319 / 70 - math.log(70),
        roughness=350 / 429,
        reach=1.0,
    ),
    "cosine": Noise(
        "evae.distributions.kernels.noises:standard_cosine",
        "",
        variance=1 - 8 / math.pi**2,
        entropy=1 + math.log(2 / math.pi),
        roughness=math.pi**2 / 16,
        reach=1.0,
    ),
}
