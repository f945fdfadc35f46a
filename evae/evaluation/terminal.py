"""Report of ``evaluate`` for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from foundation.terminal import FittingTable
from foundation.typography import format_printable

#: Labels of the sets of images, in the order of the table.
SETS = {
    "originals": "originals",
    "training_images": "training images",
    "one_posterior_draw": "reconstructed from a posterior draw",
    "posterior_mean": "reconstructed from the posterior mean",
    "prior": "new, from the prior",
    "mixture": "new, from a mixture",
    "two-stage": "new, from a second VAE",
}


def evaluation_report(document: dict[str, Any]) -> RenderableType:
    """Format ``evaluation.json`` as a table of the sets of images, followed by remarks."""
    features = document["features"]
    height, width = document["resolution"]
    columns = ["images", "error\n(nats)", "sharpness"]
    if features is not None:
        columns.append("FID" if features["title"] == "FID" else "Fréchet\ndistance")
    rows = [(label, *_figures(document, name)) for name, label in SETS.items() if name in document["sharpness"]]
    if document["autoencoder"] is not None:
        rows.append(("reconstructed by the plain autoencoder", *_of_autoencoder(document)))
    table = FittingTable(
        tuple(columns),
        rows,
        figures=range(1, len(columns)),
        title=f"{document['run']} after epoch {document['weights_of_epoch']}: {document['images']:,} hold-out images "
        f"of {document['dataset']} at {height}x{width}, and as many new ones",
    )
    parts: list[RenderableType] = [table, *(Text(format_printable(sentence)) for sentence in _remarks(document))]
    for found in (document["likelihood"] or {}).values():
        report = sampling_report if found["method"] == "is" else annealing_report
        parts += report(found, document["dataset"])
    return Group(*parts)


#: Labels of the ways to make pixels binary.
_BINARISED = {
    "threshold": "binarised at one half",
    "static": "binarised by one seeded draw",
    "dynamic": "binarised by one seeded draw",
    None: "binary as they are",
}


def sampling_report(found: dict[str, Any], dataset: str) -> list[RenderableType]:
    """Format the log-likelihoods by importance sampling as a table by law, followed by what they are."""
    samples = found["samples"]
    columns = (
        "codes from",
        "log-likelihood\n(nats)",
        f"from {samples // 2:,}\ncodes",
        "Pareto k\n(median)",
        "k above\n0.7",
    )
    rows = []
    for name, law in found["laws"].items():
        shape = law["pareto_k"]
        numbers = (law["log_likelihood"], law["standard_error"], law["at_half_the_samples"], shape["median"])
        value, error, half, median = map(_format_finite, numbers)
        rows.append((f"the {name}", f"{value} ± {error}", half, median, f"{shape['share_above_0.7']:.0%}"))
    table = FittingTable(
        columns,
        rows,
        figures=range(1, len(columns)),
        title=f"{_scored_images(found, dataset)}: importance sampling with {samples:,} codes for each",
    )
    sentences = [_scored_pixels(found)]
    if any(law["pareto_k"]["share_above_0.7"] > 0 for law in found["laws"].values()):
        sentences.append(
            "Where k is above 0.7, the estimate is unreliable, and too low as a rule: compare it with that from half "
            "of the codes, or take more --samples."
        )
    return [table, *(Text(sentence) for sentence in sentences)]


def annealing_report(found: dict[str, Any], dataset: str) -> list[RenderableType]:
    """Format the log-likelihoods by annealed importance sampling as a table by law, followed by what they are."""
    chains = found["chains"]
    columns = (
        "codes from",
        "log-likelihood\n(nats)",
        f"from {chains // 2:,}\nchains",
        "gap of the\nbounds (nats)",
        "accept-\nance",
    )
    rows = []
    for name, law in found["laws"].items():
        gaps = law["simulated"]
        numbers = (law["log_likelihood"], law["standard_error"], law["at_half_the_chains"])
        value, error, half, gap, gap_error = map(_format_finite, (*numbers, gaps["gap"], gaps["standard_error"]))
        rows.append((f"the {name}", f"{value} ± {error}", half, f"{gap} ± {gap_error}", f"{law['acceptance']:.0%}"))
    table = FittingTable(
        columns,
        rows,
        figures=range(1, len(columns)),
        title=f"{_scored_images(found, dataset)}: annealed importance sampling, {chains:,} chains with "
        f"{found['temperatures']:,} temperatures for each",
    )
    simulated = next(iter(found["laws"].values()))["simulated"]["images"]
    sentences = [
        _scored_pixels(found),
        f"gap: of {simulated} images that the model simulates, upper minus lower bound. Where it is large, take more "
        "--temperatures.",
    ]
    return [table, *(Text(sentence) for sentence in sentences)]


def _scored_images(found: dict[str, Any], dataset: str) -> str:
    law = _pixel_law(found)
    pixels = _BINARISED[found["binarise"]] if law == "bernoulli" else f"{law} pixels"
    return f"log-likelihood of {found['images']:,} hold-out images of {dataset}, {pixels}"


def _pixel_law(found: dict[str, Any]) -> str:
    # An estimate of an earlier version has none, and was by this one.
    return str(found.get("pixel_law", "bernoulli"))


def _scored_pixels(found: dict[str, Any]) -> str:
    height, width = found["pixels"]
    law = _pixel_law(found)
    kind, density = ("binary", "") if law == "bernoulli" else ("grey", f" by the {law} density")
    return (
        f"log-likelihood: of {height}x{width} {kind} pixels{density}, mean over images ± standard error over images; "
        "on average a lower bound."
    )


def _format_finite(value: float | None) -> str:
    """Format a number to two decimals; None if it is infinite."""
    return "infinite" if value is None else f"{value:.2f}"


def _figures(document: dict[str, Any], name: str) -> list[str]:
    error = document["reconstruction_error"].get(name)
    figures = ["" if error is None else f"{error:.2f}", f"{document['sharpness'][name]:.4f}"]
    if document["frechet_distance"] is not None:
        distance = document["frechet_distance"].get(name)
        figures.append("" if distance is None else f"{distance:.4g}")
    return figures


def _of_autoencoder(document: dict[str, Any]) -> list[str]:
    found = document["autoencoder"]
    figures = [f"{found['reconstruction_error']:.2f}", f"{found['sharpness']:.4f}"]
    return figures if found["frechet_distance"] is None else [*figures, f"{found['frechet_distance']:.4g}"]


#: What the error is, by the law of the pixels.
_ERRORS = {
    "bernoulli": "binary cross-entropy",
    "continuous-bernoulli": "-log p(x | z) of the continuous Bernoulli density",
    "gaussian": "-log p(x | z) of the Gaussian density",
}


def _remarks(document: dict[str, Any]) -> list[str]:
    """Return remarks on the distance, the laws of the new images, the noise of the codes and the references."""
    features, latent = document["features"], document["latent"]
    remarks = [f"error: {_ERRORS[document['pixels']]}, sum over pixels, mean over images."]
    # The distance: its features, and their limits.
    if features is not None and features["name"] == "imagenet":
        resolution = features["resolution"]
        remarks.append(
            f"The Fréchet distance is one of the features of EfficientNet-Lite0, trained on ImageNet, of the images at "
            f"{resolution}x{resolution}. It is not FID, and is comparable only with itself."
        )
    if features is not None and features["name"] == "classifier":
        remarks.append(
            "The Fréchet distance is one of the features of a small classifier, trained on the labels of "
            f"{document['dataset']} (accuracy {features['holdout_accuracy']:.2%} on hold-out images). It is not FID, "
            "and is comparable only with itself."
        )
    if features is not None and features["choice"]:
        remarks.append(features["choice"])
    if features is not None and features["warning"]:
        remarks.append(f"Warning: {features['warning']}")
    # The reference sets and the laws of the new images.
    remarks.append(f"training images: {document['training_images']:,}, chosen at random.")
    if features is not None:
        remarks.append(
            "Their distance is the floor for new images; reconstructions are made from the originals and can be nearer."
        )
    remarks += [f"{name}: {law['law']}." for name, law in document["samplers"].items()]
    if (clusters := document["clusters"]) is not None and clusters["accuracy"] is not None:
        remarks.append(
            f"Of the prior's components, {clusters['components']} have hold-out images; {clusters['accuracy']:.1%} of "
            "these have the label that is most frequent among the training images of their component."
        )
    # The codes, the untrained model and the plain autoencoder.
    ratio, rate = latent["noise_to_signal"]["median"], latent["rate"]
    noise = "infinite" if ratio is None else f"{ratio:.3g}"
    rate_text = "" if rate is None else f", rate {rate:.1f} nats per image"
    remarks.append(
        f"codes: {latent['active_dimensions']} of {document['latent_dim']} dimensions active, median noise-to-signal "
        f"ratio {noise}{rate_text}."
    )
    if "untrained" in document["reconstruction_error"]:
        remarks.append(f"before training: error {document['reconstruction_error']['untrained']:.2f}.")
    if document["autoencoder"] is not None:
        remarks.append(f"plain autoencoder: run {document['autoencoder']['run']}, of the same settings.")
    elif document["recipe"]["objective"] != "reconstruction":
        remarks.append(
            "plain autoencoder: not in the same folder, or not evaluated with the same features. To compare with it, "
            "train --model ae with the settings of this run and evaluate it first."
        )
    return remarks
