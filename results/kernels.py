"""Parts of docs/kernels.md, and the figure: the shapes of kernels that training chose.

    python -m results.kernels --runs-dir DIR

collects the record from the runs of `COMMANDS` in a folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from evae.data import as_images, load
from evae.models.objectives import objective_for
from evae.models.posteriors import Draw
from evae.models.symmetric_beta import SymmetricBetaPosterior
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.figures import BLACK, BLUE, GREEN, GREY, VERMILION, apply_style, create_figure, save_figure
from results.records import write_record

RECORD, FIGURE = "kernels.json", "kernels.png"

_TRAIN = "train --dataset digits --latent-dim 8 --epochs 30 --lr 1e-3 --model"

#: The options of the runs, after those that they share.
COMMANDS = (
    f"{_TRAIN} evae-beta",
    f"{_TRAIN} evae-beta --initial-shape 5",
    f"{_TRAIN} evae-beta-repaired --divergence kl",
    f"{_TRAIN} evae-beta-repaired",
    f"{_TRAIN} evae-beta-repaired --initial-shape 5",
    f"{_TRAIN} evae-beta-repaired --beta 0.1 --divergence kl",
    f"{_TRAIN} evae-beta-repaired --beta 0.1 --initial-shape 5",
)

#: The folders of these runs.
NAMES = (
    "digits-evae-beta-d8-seed0",
    "digits-evae-beta-from5-d8-seed0",
    "digits-evae-beta-repaired-kl-d8-seed0",
    "digits-evae-beta-repaired-d8-seed0",
    "digits-evae-beta-repaired-from5-d8-seed0",
    "digits-evae-beta-repaired-beta0.1-kl-d8-seed0",
    "digits-evae-beta-repaired-from5-beta0.1-d8-seed0",
)

#: Training images and draws from which the derivatives are computed.
_IMAGES, _DRAWS = 600, 40


#: By the objective and the divergence: words and a colour.
_OBJECTIVES = {
    ("elbo", None): ("KL to N(0, 1)", VERMILION),
    ("uniform-prior", "kl"): ("KL to the uniform prior", GREEN),
    ("uniform-prior", "renyi2"): ("Rényi-2 to the uniform prior", BLUE),
}


def collect(runs_dir: Path) -> dict[str, Any]:
    """Return the record of the runs, which must be finished."""
    return {
        "runs": [_describe(Run.open(runs_dir / name), command) for name, command in zip(NAMES, COMMANDS, strict=True)]
    }


def _describe(run: Run, command: str) -> dict[str, Any]:
    config = run.configuration
    return {
        "command": command,
        "recipe": config.recipe.document(),
        "seed": config.seed,
        "environment": run.environment,
        "derivatives": _differentiate(run),
        "epochs": [
            {
                "epoch": record.epoch,
                "a": record.latent.spreads["a"],
                "sigma": record.latent.spreads["sigma"],
                "active_dimensions": record.latent.active_dimensions,
                "holdout": dict(record.holdout),
            }
            for record in run.require_records(config.epochs)
        ],
    }


def _differentiate(run: Run) -> dict[str, float]:
    """Return the derivatives of both terms of the loss with respect to a, at equal mean and variance of every code."""
    config = run.configuration
    model, objective = VAE.load(run), objective_for(config)
    images = as_images(load(config.dataset).train[:_IMAGES])
    with torch.no_grad():
        posterior = model.encode(images)
    assert isinstance(posterior, SymmetricBetaPosterior)
    shape = posterior.shape[:1].clone().requires_grad_()
    other = replace(posterior, shape=shape.expand(len(images), 1))
    found = []
    for seed in range(_DRAWS):
        logits, drawn = _decode(model, other, seed)
        terms = objective.terms(logits, images, other, drawn, model.prior).values()
        found.append([float(torch.autograd.grad(term.mean(), shape, retain_graph=True)[0]) for term in terms])
    error, divergence = torch.tensor(found, dtype=torch.float64).unbind(1)
    return {
        "error": float(error.mean()),
        "standard_error": float(error.std()) / math.sqrt(_DRAWS),
        "divergence": float(divergence.mean()),
    }


def _decode(model: VAE, posterior: SymmetricBetaPosterior, seed: int) -> tuple[Tensor, Draw]:
    drawn = posterior.draw(torch.Generator().manual_seed(seed))
    return model.decoder(drawn.codes), drawn


def parts(path: Path) -> dict[str, str]:
    """Return the parts of the page by name."""
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    head = ["divergence", "β", "a at first", "after 10 epochs", "after 20", "after 30", "active", "error", "term"]
    head += ["d error/da", "d term/da"]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1), *map(_row, runs)]
    commands = [f"python cli.py {run['command']}" for run in runs]
    return {"kernels": "\n".join([*lines, "", "```sh", *commands, "```", ""])}


def _row(run: Mapping[str, Any]) -> str:
    recipe, epochs = run["recipe"], run["epochs"]
    shapes = [recipe["initial_shape"], *(epochs[number - 1]["a"] for number in (10, 20, 30))]
    last = epochs[-1]
    term = last["holdout"]["loss"] - last["holdout"]["reconstruction"]
    cells = [
        _OBJECTIVES[recipe["objective"], recipe.get("divergence")][0],
        f"{recipe['beta']:g}",
        *(f"{shape:.2f}" for shape in shapes),
        str(last["active_dimensions"]),
        f"{last['holdout']['reconstruction']:.2f}",
        f"{term:.2f}",
        "{error:+.4f} ± {standard_error:.4f}".format(**run["derivatives"]),
        f"{run['derivatives']['divergence']:+.4f}",
    ]
    return f"| {' | '.join(cells)} |"


def draw(folder: Path) -> None:
    """Write the figure of the record in a folder there."""
    runs = json.loads((folder / RECORD).read_text(encoding="utf-8"))["runs"]
    save_figure(shapes_figure(runs), folder / FIGURE, dots_per_inch=120)


@apply_style
def shapes_figure(runs: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the shape over the epochs of each run whose divergence has weight 1."""
    figure = create_figure(6.4, 3.2)
    axes = figure.add_subplot()
    shown: set[str] = set()
    for run in runs:
        recipe = run["recipe"]
        if recipe["beta"] != 1:
            continue
        words, colour = _OBJECTIVES[recipe["objective"], recipe.get("divergence")]
        shapes = [recipe["initial_shape"], *(epoch["a"] for epoch in run["epochs"])]
        label = None if words in shown else words
        dashes = "--" if recipe["initial_shape"] != 2 else "-"
        axes.plot(range(len(shapes)), shapes, color=colour, linestyle=dashes, label=label)
        shown.add(words)
    axes.axhline(2, color=GREY, linestyle=":", linewidth=1)
    axes.annotate("Epanechnikov", (30, 2), xytext=(0, 3), textcoords="offset points", ha="right", color=BLACK)
    axes.set(title="shape of the kernel that training chooses", xlabel="epoch", ylabel="$a$", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper left")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Write the record of the runs in a folder."""
    write_record("results.kernels", "Collect the shapes of kernels.", RECORD, collect, arguments)


if __name__ == "__main__":
    main()
