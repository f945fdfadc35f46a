"""Log-likelihood of hold-out images under the decoder and a law of codes, in double precision.

The Bernoulli likelihood is one of binary pixels only: the cross-entropy of grey pixels is not the log-probability of
anything. For a model with this law, images with other pixels than 0 and 255 are therefore made binary first, or
refused. The other laws of `evae.models.pixels` are densities, under which grey images are scored as they are.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from evae.compute.precision import keep_freed_memory
from evae.configuration.configuration import Configuration
from evae.data import ImageData
from evae.data.binarisation import binarise_split
from evae.evaluation.code_laws import FITTED_TO, draw_posterior_codes, fit_mixture
from evae.evaluation.likelihood.annealed import SIMULATED, AnnealedScorer, summarise_annealed, summarise_gaps
from evae.evaluation.likelihood.options import LikelihoodOptions
from evae.evaluation.likelihood.scorer import Scorer, summarise
from evae.models.priors import CodeLaw
from evae.models.vae import VAE
from foundation.progress import ProgressCallback, ignore_progress


def estimate_likelihood(
    model: VAE,
    config: Configuration,
    data: ImageData,
    options: LikelihoodOptions,
    progress: ProgressCallback = ignore_progress,
) -> dict[str, Any]:
    """Estimate the log-likelihood of hold-out images under the model's fixed prior, if any, and a fitted mixture.

    ``model`` must be in evaluation mode, and the ``options`` allow these data (`LikelihoodOptions.require`).

    Returns
    -------
    dict
        ``laws``, by name: the mean over images of log p(x) in nats with its standard error over images, the same from
        half of the codes, and the Pareto shape of the weights; and all that determines them.
    """
    keep_freed_memory(model.device)
    seed = config.seed
    holdout = _binary(data.holdout[: options.likelihood_images], options.binarise, "holdout")
    train = _binary(data.train[:FITTED_TO], options.binarise, "train")
    codes = draw_posterior_codes(model, train, seed, progress)
    mixture = fit_mixture(codes, seed)
    laws: dict[str, CodeLaw] = {} if model.prior is None else {"prior": model.prior.snapshot()}
    laws["mixture"] = mixture
    scorer = Scorer.of(model, laws, seed, data.inner)
    estimate = _sample if options.method == "is" else _anneal
    settings, found = estimate(scorer, holdout, options, progress)
    return {
        "method": options.method,
        "images": len(holdout),
        "pixels": list(data.inner or data.image_shape[1:]),
        "pixel_law": config.pixels,
        "binarise": options.binarise or config.binarise,
        **settings,
        "laws": {name: {**law.document(), **found[name]} for name, law in laws.items()},
    }


def _sample(
    scorer: Scorer, holdout: Tensor, options: LikelihoodOptions, progress: ProgressCallback
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Estimate by importance sampling; return the settings, and the results by law."""
    scores = list(scorer.score(holdout, options.samples, progress))
    settings = {
        "samples": options.samples,
        "posterior_share": 0.0 if scorer.is_point else 0.5,
        "normal_width": scorer.width,
    }
    return settings, {name: summarise([score[name] for score in scores]) for name in scorer.laws}


def _anneal(
    scorer: Scorer, holdout: Tensor, options: LikelihoodOptions, progress: ProgressCallback
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Estimate by annealed importance sampling; return the settings, and the results by law."""
    annealed = AnnealedScorer(scorer, options.chains, options.temperatures, options.leapfrog_steps)
    scores = list(annealed.score(holdout, progress))
    simulated = min(SIMULATED, len(holdout))
    found = {
        name: {
            **summarise_annealed([score[name] for score in scores]),
            "simulated": summarise_gaps(list(annealed.simulate(name, simulated, progress))),
        }
        for name in scorer.laws
    }
    settings = {name: getattr(options, name) for name in ("chains", "temperatures", "leapfrog_steps")}
    return settings, found


def _binary(pixels: Tensor, how: str | None, split: str) -> Tensor:
    return pixels if how is None else binarise_split(pixels, how, split)
