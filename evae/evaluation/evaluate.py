"""Evaluation of a trained model: metrics of hold-out images, their reconstructions and new samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evae import features as feature_networks
from evae import metrics
from evae.compute.precision import full_precision_or_tf32, resolve_device
from evae.configuration.configuration import Configuration
from evae.configuration.domains import GIVEN
from evae.data import ImageData, as_images, load_for
from evae.data.arrays import GivenData, as_image_data
from evae.data.catalogue import load_labels
from evae.data.images import Labels, fingerprint
from evae.evaluation.code_laws import COMPONENTS, FITTED_TO, code_law, draw_images
from evae.evaluation.holdout import CHUNK, latent_summary, reconstructions
from evae.evaluation.likelihood.estimate import estimate_likelihood
from evae.evaluation.likelihood.options import LikelihoodOptions
from evae.evaluation.names import LIKELIHOODS
from evae.evaluation.pictures import COLUMNS, ImageRows, save_reconstructions, save_rows, walks
from evae.evaluation.references import error_before_training, find_autoencoder, sample_training_images
from evae.features.choice import choose_features, verify_weights
from evae.features.names import require_use_of_weights
from evae.features.network import FeatureNetwork
from evae.features.statistics import distance, few_images, load_or_compute_statistics, statistics_of
from evae.models.custom.functions import Builder
from evae.models.priors.prior import CodeSource
from evae.models.vae import VAE
from evae.runs.continuation import require_same_data
from evae.runs.epoch_record import LatentSummary
from evae.runs.fingerprints import tensors_sha256
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.files import read_json
from foundation.progress import ProgressCallback, ignore_progress
from foundation.validation import is_record, is_text

#: Pictures written into the run's folder.
PICTURES = ("reconstructions.png", "samples.png", "walks.png")

#: Name of the set of training images, independent of the originals: their distance is the floor for new images.
TRAINING_IMAGES = "training_images"

#: Number of rows of new images in ``samples.png`` for each sampler.
_SAMPLE_ROWS = 4


def evaluate(
    run: Run | str | Path,
    *,
    model: VAE | Builder | str | None = None,
    data: GivenData | None = None,
    device: str = "auto",
    weights: str | None = None,
    data_dir: str | Path | None = None,
    features: str = "auto",
    inception_weights: str | Path | None = None,
    likelihood: str | None = None,
    samples: int | None = None,
    chains: int | None = None,
    temperatures: int | None = None,
    leapfrog_steps: int | None = None,
    binarise: str | None = None,
    likelihood_images: int | None = None,
    two_stage: bool = False,
    progress: ProgressCallback = ignore_progress,
) -> dict[str, Any]:
    """Evaluate a trained model on its hold-out images and on as many new images.

    Writes ``evaluation.json``, ``reconstructions.png``, ``samples.png`` and ``walks.png`` into the run's folder.

    Parameters
    ----------
    run : Run, str or Path
        The run folder.
    model : VAE, callable or str, optional
        The network, if it is one of your own, as for `VAE.load`; it is not changed.
    data : ImageData or pair, optional
        The images, if they were given in Python, as for `evae.train`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    weights : str, optional
        ``best`` or ``last``: see `evae.VAE.load`. The result has their epoch as ``weights_of_epoch``.
    data_dir : str or Path, optional
        The folder of the data set; by default that of training.
    features : str
        The features whose Fréchet distance is reported, one of `evae.features.CHOICES`: with ``inception`` it is the
        FID; ``imagenet`` uses EfficientNet-Lite0, which needs no download; ``classifier`` a small classifier trained
        on the labels of the data set; ``none`` omits the distance. ``auto`` is ``inception`` if its weights are
        available, else ``imagenet`` with a warning.
    inception_weights : str or Path, optional
        pytorch-fid's file of weights; see `evae.features.inception`.
    likelihood : str, optional
        ``is``: estimate the log-likelihood by importance sampling (`evae.evaluation.likelihood`). ``ais``: by annealed
        importance sampling, which does not depend on the encoder's posterior and takes far longer. None: do not.
    samples : int, optional
        Codes drawn for each image by ``is``, by default 5,000.
    chains, temperatures, leapfrog_steps : int, optional
        Of ``ais``, by default 16, 500 and 2: chains for each image, their temperatures, and the leapfrog steps of a
        transition.
    binarise : str, optional
        ``threshold`` or ``static``: how grey pixels become binary for the likelihood (`evae.data.images.binarise`).
    likelihood_images : int, optional
        Number of hold-out images whose likelihood is estimated, the first ones; by default all.
    two_stage : bool
        Whether new images are also drawn from a second VAE trained on the codes (`evae.evaluation.two_stage`).
    progress : function, optional
        Callback (task, done, total).

    Returns
    -------
    dict
        The content of ``evaluation.json``. ``reconstruction_error`` in nats per image (binary cross-entropy summed over
        pixels, mean over images); ``sharpness`` and ``frechet_distance`` by set of images: ``originals``, their
        reconstructions from ``one_posterior_draw`` (the paper's reading) and from the ``posterior_mean``, and samples
        from the ``mixture``, from the ``prior`` if the model has a fixed one, and from ``two-stage`` if asked for. For
        comparison: ``training_images``, as many as originals (their distance is the floor for new images), the
        reconstruction error of the ``untrained`` model (not if it was given in Python with its weights), and
        ``autoencoder``, the metrics of the plain autoencoder (`evae.evaluation.references`).
        ``latent`` is `evae.evaluation.holdout.latent_summary`; ``likelihood`` has the estimates by method, with those
        that earlier evaluations of the same weights have left, and is None without any; ``clusters`` is
        `compare_clusters`.

    Raises
    ------
    InputError
        If the run, its weights, its data or the features' weights are missing or damaged, the shape of the data
        differs from training, there are too few images (`require_judgeable`), they have no likelihood
        (`LikelihoodOptions`), or another process is writing the run.
        Nothing is written in that case.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    config = run.configuration
    scoring = LikelihoodOptions.of(
        likelihood,
        samples=samples,
        chains=chains,
        temperatures=temperatures,
        leapfrog_steps=leapfrog_steps,
        binarise=binarise,
        likelihood_images=likelihood_images,
    )
    given = None if data is None else as_image_data(data)
    chosen = resolve_device(device)
    # Whatever can be refused is refused before images are decoded or a classifier is trained.
    with run.locked():
        trained = VAE.load(run, chosen, model=model, weights=weights)
        choice = choose_features(features, inception_weights, progress)
        verify_weights(choice, inception_weights, progress)
        place = config.data_dir if data_dir is None else str(data_dir)
        images = images_of(run, place, progress, given)
        require_judgeable(config, images, place, choice.features, given)
        if scoring is not None:
            scoring.require(config, images)
        side = images.image_shape[-1]
        network = network_for(
            config, chosen, place, choice.features, inception_weights, progress, side=side, given=given
        )
        before = error_before_training(config, images.holdout, chosen, model)
        rest: dict[str, Any] = {"scoring": scoring, "weights": weights, "data_dir": place, "before": before}
        rest["two_stage"] = two_stage
        return _judge(run, trained, images, network, progress, choice=choice.reason, **rest)


def images_of(
    run: Run,
    data_dir: str | Path | None = None,
    progress: ProgressCallback = ignore_progress,
    given: ImageData | None = None,
) -> ImageData:
    """Read the images of a run, by default from the data folder of training.

    Images that were given in Python must be ``given`` again.

    Raises
    ------
    InputError
        If they cannot be read, or their shape differs from training, or given images are others.
    """
    config = run.configuration
    data = load_for(config, data_dir, given=given, progress=progress)
    if given is not None:
        require_same_data([run], config, fingerprint(data))
    if data.image_shape != run.image_shape:
        now, then = ("x".join(map(str, shape)) for shape in (data.image_shape, run.image_shape))
        raise InputError(
            f"the images of {config.dataset} must have the shape {then} (channels, height, width) on which {run.name} "
            f"was trained, got {now}. Point --data-dir at the original images."
        )
    return data


def require_judgeable(
    config: Configuration, data: ImageData, data_dir: str | Path, features: str, given: ImageData | None = None
) -> None:
    """Check, before any computation, that a model of these data can be evaluated.

    Raises
    ------
    InputError
        If there are fewer than two hold-out images, or fewer training images than components of the mixture that new
        codes are drawn from; or if ``features`` is ``classifier``, and the data set has no valid labels.
    """
    if len(data.holdout) < 2:
        raise InputError(
            f"the number of hold-out images of {config.dataset} must be 2 or more for an evaluation, got "
            f"{len(data.holdout)}: the spread of codes and of features needs two. Add images, or train with a larger "
            "--limit-holdout."
        )
    if len(data.train) < COMPONENTS:
        raise InputError(
            f"the number of training images of {config.dataset} must be {COMPONENTS} or more for an evaluation, got "
            f"{len(data.train)}: a mixture of {COMPONENTS} normal laws is fitted to their codes. Add images, or train "
            "with a larger --limit-train."
        )
    if features == "classifier" and given is not None:
        from evae.features.classifier import require_labels

        require_labels(given)
    elif features == "classifier":
        from evae.features.classifier import read_labels

        read_labels(config.dataset, data_dir, image_size=config.image_size, skip_undecodable=config.skip_undecodable)


def network_for(
    config: Configuration,
    device: torch.device,
    data_dir: str | Path,
    features: str,
    inception_weights: str | Path | None = None,
    progress: ProgressCallback = ignore_progress,
    *,
    side: int | None = None,
    given: ImageData | None = None,
) -> FeatureNetwork | None:
    """Return the feature network, ready to use; None for ``none``.

    ``features`` is one of `evae.features.FEATURES` or ``none``; ``side`` of the images determines the resolution.
    A classifier of images ``given`` in Python is trained on these.

    Raises
    ------
    InputError
        If the features are unknown, or their weights are unavailable; the message gives the remedy.
    """
    require_use_of_weights(features, inception_weights)
    if features == "none":
        return None
    if features == "classifier" and given is not None:
        from evae.features.classifier import classifier_of, require_labels

        return classifier_of(given, require_labels(given), config.dataset, device, progress=progress)
    return feature_networks.feature_network(
        features,
        dataset=config.dataset,
        data_dir=data_dir,
        image_size=config.image_size,
        skip_undecodable=config.skip_undecodable,
        fit=config.fit,
        side=side,
        device=device,
        inception_weights=None if inception_weights is None else Path(inception_weights),
        progress=progress,
    )


def judge(
    run: Run,
    model: VAE,
    data: ImageData,
    network: FeatureNetwork | None,
    progress: ProgressCallback = ignore_progress,
    *,
    choice: str | None = None,
) -> dict[str, Any]:
    """Evaluate a loaded model on loaded data, as `evaluate` does; ``choice`` is the reason for these features.

    A network of the user's own must be named in the configuration; its code is run.
    """
    named = run.configuration.network if run.configuration.has_own_network else None
    before = error_before_training(run.configuration, data.holdout, model.device, named)
    with run.locked():
        return _judge(run, model, data, network, progress, choice=choice, before=before)


def _judge(
    run: Run,
    model: VAE,
    data: ImageData,
    network: FeatureNetwork | None,
    progress: ProgressCallback,
    *,
    choice: str | None,
    scoring: LikelihoodOptions | None = None,
    weights: str | None = None,
    data_dir: str | None = None,
    before: float | None = None,
    two_stage: bool = False,
) -> dict[str, Any]:
    """Evaluate a model; the caller holds the run's lock."""
    config = run.configuration
    # Compute all sets of images: reconstructions, training images, and samples of each law.
    laws = sampling_laws(model, config, data.train, progress, two_stage)
    errors, latent, sets = reconstruct_holdout(model, data.holdout, config.seed, progress)
    if before is not None:
        errors["untrained"] = before
    sets[TRAINING_IMAGES] = sample_training_images(data.train, len(data.holdout))
    for name, law in laws.items():
        sets[name] = draw_images(model, law, len(data.holdout), config.seed, progress)
    # Compute the metrics of each set.
    document = {
        **_describe(run, data, weights),
        "reconstruction_error": errors,
        "sharpness": {n: metrics.sharpness(images) for n, images in {"originals": data.holdout, **sets}.items()},
        **compare_features(network, data.holdout, sets, progress, choice=choice),
        "training_images": len(sets[TRAINING_IMAGES]),
        "samplers": {name: law.document() for name, law in laws.items()},
        "latent": latent.document(),
        "likelihood": _likelihoods(run, model, data, scoring, progress),
        "clusters": compare_clusters(model, config, data, config.data_dir if data_dir is None else data_dir),
    }
    # Reference values of another run, if there is one with the same settings and features.
    document["autoencoder"] = find_autoencoder(run, document["features"])
    save_reconstructions(run.path, run.name, model, data.holdout, config.seed)
    shown = [ImageRows(law.label, sets[name][: COLUMNS * _SAMPLE_ROWS]) for name, law in laws.items()]
    save_rows(shown, run.path / "samples.png", f"{run.name}: new images")
    save_rows(walks(model, data.holdout), run.path / "walks.png", f"{run.name}: walks between codes")
    # Written last: its presence implies that all pictures are complete.
    run.write_evaluation(document)
    return document


def _likelihoods(
    run: Run, model: VAE, data: ImageData, scoring: LikelihoodOptions | None, progress: ProgressCallback
) -> dict[str, Any] | None:
    """Return the estimates by method: the one that is requested, and earlier ones of the same weights.

    An estimate takes minutes or hours, and the next evaluation without it must not lose it.
    """
    weights = tensors_sha256(model.state_dict())
    kept = {name: one for name, one in earlier_likelihoods(run).items() if one["weights_sha256"] == weights}
    if scoring is not None:
        found = estimate_likelihood(model, run.configuration, data, scoring, progress)
        kept[scoring.method] = {**found, "weights_sha256": weights}
    return {name: kept[name] for name in LIKELIHOODS.words if name in kept} or None


def earlier_likelihoods(run: Run) -> dict[str, Any]:
    """Read the estimates by method of the evaluation that is about to be replaced; empty if it is damaged."""
    try:
        found = read_json(run.path / "evaluation.json")["likelihood"] or {}
        return {name: one for name, one in found.items() if _SCORED(one)}
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return {}


_SCORED = is_record({"weights_sha256": is_text, "laws": is_record({})})


def _describe(run: Run, data: ImageData, weights: str | None) -> dict[str, Any]:
    """Return the model and the images of the evaluation as a JSON document."""
    config = run.configuration
    return {
        "run": run.name,
        "model": config.model,
        "recipe": config.recipe.document(),
        "network": config.network,
        "pixels": config.pixels,
        "latent_dim": config.latent_dim,
        "weights_of_epoch": run.weights_file(weights).epoch,
        "dataset": config.dataset,
        "note": data.note,
        "split": "hold-out",
        "images": len(data.holdout),
        "resolution": list(data.holdout.shape[2:]),
    }


@torch.no_grad()
@full_precision_or_tf32("fp32")
def compare_clusters(
    model: VAE, config: Configuration, data: ImageData, data_dir: str | Path | None = None
) -> dict[str, Any] | None:
    """Compare the components of a mixture prior with the labels of the data set.

    An image belongs to the component of largest responsibility, by the moments of its posterior. Each component stands
    for the most frequent label of its images among the first training images, as many as a mixture is fitted to
    (`evae.evaluation.code_laws.FITTED_TO`), so that labels of hold-out images are not used to name components.

    Returns
    -------
    dict, optional
        ``components`` that have a hold-out image, and the ``accuracy``, the share of hold-out images with the label
        of their component, None without labels, for which the ``note`` gives the reason. None if the prior is not a
        mixture.
    """
    components = None if model.prior is None else model.prior.snapshot().components()
    if components is None:
        return None

    def assign(pixels: Tensor) -> Tensor:
        posteriors = (model.encode(as_images(chunk.to(model.device))) for chunk in pixels.split(CHUNK))
        return torch.cat([components.responsibilities(one.mean, one.variance)[0].argmax(1).cpu() for one in posteriors])

    found = assign(data.holdout)
    document: dict[str, Any] = {"components": len(found.unique()), "accuracy": None, "note": None}
    try:
        labels = _labels_of(config, data, data_dir or config.data_dir)
    except InputError as error:
        return {**document, "note": str(error)}
    train = assign(data.train[:FITTED_TO])
    accuracy = metrics.cluster_accuracy(train, labels.train[: len(train)], found, labels.holdout[: len(found)])
    return {**document, "accuracy": accuracy}


def _labels_of(config: Configuration, data: ImageData, data_dir: str | Path) -> Labels:
    if data.labels is not None:
        return data.labels
    if config.dataset == GIVEN:
        raise InputError("the images are given without labels. Give them by evae.data.from_arrays(…, labels=…).")
    return load_labels(config.dataset, data_dir, image_size=config.image_size, skip_undecodable=config.skip_undecodable)


def sampling_laws(
    model: VAE,
    config: Configuration,
    train_pixels: Tensor,
    progress: ProgressCallback = ignore_progress,
    two_stage: bool = False,
) -> dict[str, CodeSource]:
    """Return the laws of new codes by sampler: the prior if the model has one, the mixture, and a second stage."""
    names = (*(("prior",) if model.prior is not None else ()), "mixture", *(("two-stage",) if two_stage else ()))
    return {name: code_law(name, model, config.recipe, train_pixels, config.seed, progress=progress) for name in names}


@torch.no_grad()
@full_precision_or_tf32("fp32")
def reconstruct_holdout(
    model: VAE, pixels: Tensor, seed: int, progress: ProgressCallback = ignore_progress
) -> tuple[dict[str, float], LatentSummary, dict[str, Tensor]]:
    """Reconstruct images; return the errors, the summary of the codes, and the reconstructions as uint8 on the CPU."""
    errors: dict[str, list[Tensor]] = {"one_posterior_draw": [], "posterior_mean": []}
    images: dict[str, list[Tensor]] = {name: [] for name in errors}
    posteriors, done = [], 0
    for chunk in reconstructions(model, pixels.to(model.device), seed):
        posteriors.append(chunk.posterior)
        done += len(chunk.images)
        progress("reconstructing hold-out images", done, len(pixels))
        for name, logits in (("one_posterior_draw", chunk.drawn), ("posterior_mean", chunk.at_mean)):
            errors[name].append(model.pixels.error(logits, chunk.images).double())
            images[name].append(metrics.eight_bit(model.pixels.mean(logits)).cpu())
    means = {name: float(torch.cat(values).mean()) for name, values in errors.items()}
    return means, latent_summary(posteriors), {name: torch.cat(parts) for name, parts in images.items()}


def compare_features(
    network: FeatureNetwork | None,
    originals: Tensor,
    sets: dict[str, Tensor],
    progress: ProgressCallback = ignore_progress,
    *,
    choice: str | None = None,
) -> dict[str, Any]:
    """Compare the features of sets of uint8 images with the originals, whose statistics are cached on disk.

    Returns
    -------
    dict
        ``frechet_distance`` by set; ``features``, the network's identity with a ``warning`` if there are few images
        and the ``choice``, the reason for an automatic choice. Both are None without a network.
    """
    if network is None:
        return {"frechet_distance": None, "features": None}
    # The statistics of the originals are the same for all runs on the data set.
    real = load_or_compute_statistics(network, originals)
    done, total = 0, sum(len(images) for name, images in sets.items() if name != TRAINING_IMAGES)

    def count_chunks(images: Tensor) -> Iterator[Tensor]:
        nonlocal done
        for chunk in images.split(CHUNK):
            yield chunk
            done += len(chunk)
            progress("comparing features", done, total)

    # The statistics of training images are cached, since they are the same for all models of the data set.
    found = {
        name: load_or_compute_statistics(network, images, progress=progress)
        if name == TRAINING_IMAGES
        else statistics_of(network, count_chunks(images))
        for name, images in sets.items()
    }
    return {
        "frechet_distance": {name: distance(real, statistics) for name, statistics in found.items()},
        "features": {**network.document(), "warning": few_images(real, real), "choice": choice},
    }
