"""A table of features next to Pythae and PyTorch-VAE: ours from the tables of options, theirs from their sources."""

from __future__ import annotations

from collections.abc import Sequence

from evae.configuration.options import BINARISATIONS, FITS, OPTIMIZER_NAMES, PIXELS, PRECISIONS, SCHEDULES
from evae.configuration.recipe import PRESETS
from evae.evaluation.names import LIKELIHOODS, SAMPLERS
from evae.features.names import FEATURES


def parts() -> dict[str, str]:
    """Return the table; a peer's cell that this toolkit does not match is bold."""
    rows = [
        (
            "your network",
            "any two modules, or `--network module:FUNCTION`, for images of any size; config.json names it",
            "subclasses of its base encoder and decoder, for **inputs of any shape**, pickled with the model",
            "an edit of the model's class",
        ),
        (
            "your data",
            "arrays and tensors, `npz:FILE`, `folder:DIR`: 8-bit images, checked before training",
            "**any array, tensor or data set of numbers**",
            "an edit of dataset.py; its data module reads CelebA",
        ),
        (
            "preparation of images",
            f"resizing or a border ({_either(FITS)}); binarisation {_either(BINARISATIONS)}",
            "**any transform of a data set**",
            "flips, a crop, resizing",
        ),
        (
            "law of the pixels",
            f"{_listed(PIXELS)}; the scale of the last fixed or learned",
            "Bernoulli, or squared error",
            "squared error; **perceptual and structural losses** in some models",
        ),
        (
            "models",
            f"{len(PRESETS)} presets, and every pair of posterior and objective with an exact formula",
            "**more than 25, with normalising flows, adversarial, hyperbolic and discrete latents**",
            "**more than 20, with discrete latents and conditions**",
        ),
        ("samplers of codes", _listed(SAMPLERS), "**10, with autoregressive flows and PixelCNN**", "the prior"),
        (
            "optimizers",
            f"{_listed(OPTIMIZER_NAMES)}, with clipping",
            "**all of torch.optim by name**, without clipping",
            "Adam; clipping by an option of Lightning",
        ),
        (
            "schedules of the learning rate",
            _listed(SCHEDULES),
            "**all of torch's by name**",
            "exponential",
        ),
        (
            "callbacks",
            "hooks; early stopping, a progress bar and TensorBoard built in; other loggers in three lines",
            "**Weights & Biases, MLflow and Comet built in**, a progress bar; no early stopping",
            "**all of Lightning's**",
        ),
        (
            "weights of the best epoch",
            "`--keep best:METRIC`, in addition to the last ones",
            "by the loss, on evaluation or training data",
            "the two best by the validation loss, in addition to the last ones",
        ),
        (
            "seeds",
            "one starting point for all models of a seed; several seeds in one run; paired differences with intervals",
            "one seed",
            "one seed",
        ),
        (
            "several GPUs for one model",
            "torchrun, with the same result for any number of processes to rounding",
            "DistributedDataParallel",
            "Lightning's",
        ),
        ("precision", _listed(PRECISIONS), "float32, **float16 with loss scaling**", "**Lightning's**"),
        (
            "test log-likelihood",
            f"{_listed(LIKELIHOODS.words)}: defensive proposals, standard errors, Pareto k̂, a gap between bounds; "
            "models without a prior under a stated law",
            "importance sampling from the posterior, without an error; grey pixels as if binary",
            "none",
        ),
        (
            "other figures of a trained model",
            f"sharpness; Fréchet distances in features {_listed(tuple(FEATURES))}",
            "none",
            "none",
        ),
        (
            "export",
            "`torch.export` of encoder and decoder; safetensors without code",
            "**upload to a model hub**; weights and code in pickles",
            "Lightning's checkpoints",
        ),
    ]
    head = ["| | this toolkit | Pythae 0.1.2 | PyTorch-VAE |", "|---|---|---|---|"]
    return {"features": "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _either(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]])
