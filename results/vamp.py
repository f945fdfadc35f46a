"""A part of docs/kernels.md, and its figure: an Epanechnikov VampPrior is a kernel density estimate of the codes.

    python -m results.vamp --runs-dir DIR

collects the record from the run of `COMMAND` in a folder. The estimates are KDEpy's, which shares no code with the
prior.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from evae.data import as_images, load
from evae.models.posteriors import LocationScalePosterior
from evae.models.priors import EpanechnikovVampPrior, FixedEpanechnikovMixture, Kernels
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.figures import BLACK, BLUE, PALE, apply_style, create_figure, place_legend_on_top, save_figure
from results.records import write_record

RECORD, FIGURE = "vamp.json", "vamp.png"

#: The command of the run, and its folder.
COMMAND = (
    "train --dataset digits --network mlp --latent-dim 2 --epochs 40 --lr 1e-3 --model vamp-evae "
    "--vamp-components epanechnikov --divergence-by draws --pseudo-inputs frozen"
)
NAME = "digits-vamp-evae-by-draws-frozen-inputs-epanechnikov-components-mlp-d2-seed0"

#: Points of a coordinate at which densities are compared, of which every fifth is shown.
_POINTS, _SHOWN = 1201, 5

#: The standard deviation of the Epanechnikov kernel of radius 1, by which KDEpy measures bandwidths.
KERNEL_DEVIATION = 1 / math.sqrt(5)

Array = npt.NDArray[np.float64]


def collect(runs_dir: Path) -> dict[str, Any]:
    """Return the record of the run, which must be finished."""
    run = Run.open(runs_dir / NAME)
    model = VAE.load(run)
    prior = model.prior
    assert isinstance(prior, EpanechnikovVampPrior)
    with torch.no_grad():
        posterior = model.encode(as_images(load(run.configuration.dataset).train))
        pseudo = Kernels(*(each.double() for each in prior.kernels()))
    assert isinstance(posterior, LocationScalePosterior)
    codes = Kernels(*(each.double()[None] for each in (posterior.mu, posterior.scale)))
    return {
        "command": COMMAND,
        "environment": run.environment,
        "images": codes.centres.shape[1],
        "components": pseudo.centres.shape[1],
        "share": prior.share,
        "coordinates": [compare(pseudo, codes, prior.share, number) for number in range(2)],
    }


def compare(pseudo: Kernels, codes: Kernels, share: float, number: int) -> dict[str, Any]:
    """Compare the densities of one coordinate: the prior's, KDEpy's estimate, and that of the aggregated posterior.

    Parameters
    ----------
    pseudo, codes : Kernels
        The posteriors of the pseudo-inputs and of all training images, in double precision.
    share : float
        That of N(0, I) in the prior.
    number : int
        The coordinate. A marginal of a product of Epanechnikov kernels is one of them.
    """
    centres, bandwidths = (each[0, :, number].numpy() for each in codes)
    # Wide enough for all but 4e-5 of the normal law, and for all kernels.
    ends = min(-4.0, float((centres - bandwidths).min())), max(4.0, float((centres + bandwidths).max()))
    points = np.linspace(*ends, _POINTS)
    prior = _marginal(pseudo, share, number, points)
    estimate = (1 - share) * _estimate(pseudo, number, points) + share * np.exp(-0.5 * points**2) / math.sqrt(
        2 * math.pi
    )
    aggregated = _estimate(codes, number, points)
    shown = slice(None, None, _SHOWN)
    return {
        "largest_difference": float(np.abs(prior - estimate).max()),
        "largest_density": float(prior.max()),
        "total_variation": float(0.5 * np.abs(prior - aggregated).sum() * (points[1] - points[0])),
        "points": _rounded(points[shown]),
        "prior": _rounded(prior[shown]),
        "estimate": _rounded(estimate[shown]),
        "aggregated_posterior": _rounded(aggregated[shown]),
    }


def _marginal(kernels: Kernels, share: float, number: int, points: Array) -> Array:
    """Compute the prior's density of a coordinate by the class that training uses."""
    of_coordinate: list[Tensor] = [each[:, :, number : number + 1] for each in kernels]
    law = FixedEpanechnikovMixture(Kernels(*of_coordinate), share, "a marginal of the prior")
    density: Array = law.log_prob(torch.from_numpy(points)[:, None]).exp().numpy()
    return density


def _estimate(kernels: Kernels, number: int, points: Array) -> Array:
    """Compute KDEpy's estimate, whose bandwidths are the kernels' standard deviations."""
    from KDEpy import NaiveKDE

    centres, bandwidths = (each[0, :, number].numpy() for each in kernels)
    found: Array = NaiveKDE(kernel="epa", bw=KERNEL_DEVIATION * bandwidths).fit(centres).evaluate(points)
    return found


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def parts(path: Path) -> dict[str, str]:
    """Return the part of the page by name."""
    record = json.loads(path.read_text(encoding="utf-8"))
    found = record["coordinates"]
    difference = max(one["largest_difference"] / one["largest_density"] for one in found)
    distances = " and ".join(f"{one['total_variation']:.3f}" for one in found)
    words = (
        f"With {record['components']} training images as pseudo-inputs and the share {record['share']:g}, the prior's "
        f"density and KDEpy's estimate from the codes of these images, in the same mixture with N(0, 1), differ by "
        f"{difference:.0e} of the largest density at most, at {_POINTS:,} points of either coordinate. Their distance "
        f"in total variation from the codes of all {record['images']:,} training images, the aggregated posterior, is "
        f"{distances}."
    )
    return {"vamp": f"{words}\n\n```sh\npython cli.py {record['command']}\n```\n"}


def draw(folder: Path) -> None:
    """Write the figure of the record in a folder there."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    save_figure(densities_figure(record["coordinates"], record["components"]), folder / FIGURE, dots_per_inch=120)


@apply_style
def densities_figure(coordinates: Sequence[Mapping[str, Any]], components: int) -> Figure:
    """Draw the densities of each coordinate in a panel; the estimate is from this number of components."""
    figure = create_figure(6.4, 3.0)
    panels = figure.subplots(1, len(coordinates), sharey=True)
    for number, (axes, found) in enumerate(zip(panels, coordinates, strict=True), start=1):
        points = found["points"]
        axes.fill_between(points, found["aggregated_posterior"], color=PALE, label="codes of all training images")
        axes.plot(points, found["prior"], color=BLUE, label="prior")
        axes.plot(
            *(values[::6] for values in (points, found["estimate"])),
            color=BLACK,
            linestyle="",
            marker="o",
            markersize=2.5,
            label=f"estimate from {components} codes, by KDEpy",
        )
        axes.set(xlabel=f"$z_{number}$", ylim=(0, None))
    panels[0].set_ylabel("density")
    place_legend_on_top(panels[0], 0.4)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Write the record of the run in a folder."""
    write_record("results.vamp", "Collect the densities of codes.", RECORD, collect, arguments)


if __name__ == "__main__":
    main()
