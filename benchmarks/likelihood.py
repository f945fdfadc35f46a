"""Log-likelihood of binary digits under models of every kind, with paired differences from the VAE.

    python -m benchmarks.likelihood --runs-dir DIR [--json FILE] [--seeds 0-9] [--models vae,evae,...]

Every model is trained on scikit-learn's digits, 8x8 pixels within a border, made binary again in each epoch; hold-out
images are made binary once. The likelihood is that of the 8x8 pixels, by importance sampling, under the mixture of
normal laws that is fitted to the codes of the training images, and under the prior where there is one. Training is
short: what is compared are models of equal, small cost. Finished runs in DIR are used again, so that a stopped
benchmark continues. Half a minute of one core for each run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.shared.report import write
from evae import VAE, Configuration, Run, train
from evae.data import ImageData, load_for
from evae.evaluation.likelihood.estimate import estimate_likelihood
from evae.evaluation.likelihood.options import LikelihoodOptions
from evae.experiments.plan import whole_numbers
from foundation.files import read_json, write_json

#: The models, of which the first is the baseline.
MODELS = ("vae", "evae", "evae-exact", "evae-direct", "gaussian-kde", "ae")

#: Options of all runs.
SETTINGS: dict[str, Any] = {
    "dataset": "digits",
    "latent_dim": 8,
    "epochs": 5,
    "batch_size": 32,
    "lr": 3e-3,
    "binarise": "dynamic",
    "fit": "pad",
    "device": "cpu",
}

#: The estimates: codes for each image, and hold-out images.
SCORING = LikelihoodOptions(samples=200, likelihood_images=50)


def configuration(model: str, seed: int, runs_dir: str) -> Configuration:
    """Return the configuration of a run, whose name is the default one."""
    plain = Configuration(model=model, seed=seed, runs_dir=runs_dir, **SETTINGS)
    return Configuration(model=model, seed=seed, runs_dir=runs_dir, name=plain.default_name, **SETTINGS)


def score(config: Configuration, data: ImageData) -> dict[str, Any]:
    """Train and score a model, or read what was found before."""
    path = Path(config.runs_dir) / str(config.name)
    found = path / "likelihood.json"
    if not found.exists():
        run = Run.open(path) if (path / "model.safetensors").exists() else train(config)
        write_json(found, estimate_likelihood(VAE.load(run), config, data, SCORING))
    return {"model": config.model, "seed": config.seed, **read_json(found)}


def measure(models: Iterable[str], seeds: Iterable[int], runs_dir: str) -> Iterator[dict[str, Any]]:
    """Train and score every model, seed by seed."""
    data = None
    for seed in seeds:
        for model in models:
            config = configuration(model, seed, runs_dir)
            data = data or load_for(config)
            yield score(config, data)


def main() -> None:
    """Measure, show each run and write them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs-dir", required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", default="0-9")
    parser.add_argument("--models", default=",".join(MODELS))
    options = parser.parse_args()
    console, runs = Console(), []
    for found in measure(options.models.split(","), whole_numbers(options.seeds, "--seeds"), options.runs_dir):
        runs.append(found)
        laws = ", ".join(f"{name} {law['log_likelihood']:.2f}" for name, law in found["laws"].items())
        console.print(f"seed {found['seed']} {found['model']}: {laws} nats", highlight=False)
        write(options.json, {"settings": SETTINGS, "runs": runs}, ())


if __name__ == "__main__":
    main()
