"""The record of an epoch: one line of ``metrics.jsonl``, and its curves in TensorBoard."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from foundation.errors import InputError
from foundation.validation import (
    is_any_of,
    is_count,
    is_finite_number,
    is_mapping_of,
    is_not_negative,
    is_null,
    is_positive,
    is_record,
)

#: A number; JSON has null where it is infinite or undefined.
_VALUE = is_any_of(is_finite_number, is_null)

_RATIO = is_any_of(is_not_negative, is_null)

_QUANTILES = is_record({"min": _RATIO, "median": _RATIO, "max": _RATIO})

#: The beginning of a spread's name in a document.
_SPREAD_PREFIX = "mean_"

_LATENT = is_record({}, {"noise_to_signal": _QUANTILES, "active_dimensions": is_count, "rate": _VALUE})


def _is_latent(document: Any) -> bool:
    return _LATENT(document) and all(
        is_not_negative(value) for name, value in document.items() if name.startswith(_SPREAD_PREFIX)
    )


_TERMS = is_mapping_of(is_finite_number)

_EPOCH = is_record(
    {
        "epoch": is_count,
        "train": _TERMS,
        "holdout": is_record({"reconstruction": is_finite_number}),
        "seconds": is_not_negative,
    },
    {
        "latent": _is_latent,
        "images_per_second": is_not_negative,
        "learning_rate": is_not_negative,
        "pixel_scale": is_positive,
    },
)


def _is_epoch(document: Any) -> bool:
    return _EPOCH(document) and _TERMS(document["holdout"])


@dataclass(frozen=True)
class NoiseToSignal:
    """Quantiles over the latent dimensions of the noise's variance divided by the variance of the codes' means.

    Attributes
    ----------
    min, median, max : float or None
        From 0, without unit; None where infinite, as in a dimension without signal.
    """

    min: float | None
    median: float | None
    max: float | None


@dataclass(frozen=True)
class LatentSummary:
    """A summary of the codes of all hold-out images. What a line of an early version lacks is empty or None.

    Attributes
    ----------
    spreads : mapping of str to float
        Means over images and dimensions of sigma, r and B, where the posterior has them, in units of the code.
    noise_to_signal : NoiseToSignal or None
    active_dimensions : int or None
        The number of latent dimensions whose ratio of noise to signal is below `evae.metrics.ACTIVE_BELOW`.
    rate : float or None
        `evae.metrics.rate` in nats per image; None where the posterior's entropy has no closed form.
    """

    spreads: Mapping[str, float] = field(default_factory=dict)
    noise_to_signal: NoiseToSignal | None = None
    active_dimensions: int | None = None
    rate: float | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> LatentSummary:
        """Return the summary that a valid document holds."""
        ratios = document.get("noise_to_signal")
        return cls(
            {
                name.removeprefix(_SPREAD_PREFIX): value
                for name, value in document.items()
                if name.startswith(_SPREAD_PREFIX)
            },
            None if ratios is None else NoiseToSignal(ratios["min"], ratios["median"], ratios["max"]),
            document.get("active_dimensions"),
            document.get("rate"),
        )

    def document(self) -> dict[str, Any]:
        """Return the summary as ``metrics.jsonl`` and ``evaluation.json`` hold it."""
        document: dict[str, Any] = {f"{_SPREAD_PREFIX}{name}": value for name, value in self.spreads.items()}
        if self.noise_to_signal is not None:
            document["noise_to_signal"] = dataclasses.asdict(self.noise_to_signal)
        if self.active_dimensions is not None:
            document["active_dimensions"] = self.active_dimensions
        return {**document, "rate": self.rate}


@dataclass(frozen=True)
class EpochRecord:
    """What training measured in one epoch and on hold-out images after it.

    Attributes
    ----------
    epoch : int
        From 1.
    train : mapping of str to float
        ``loss`` and its terms by name, ``reconstruction`` first, in nats per image: means over the training images.
    holdout : mapping of str to float
        The same terms as means over the hold-out images, from one draw of the posterior; and
        ``reconstruction_at_mean``, the reconstruction error from the posterior's mean.
    seconds : float
        Duration of the epoch's training.
    latent : LatentSummary
        Of the hold-out images.
    images_per_second : float or None
        Training images of this run divided by ``seconds``; None where a line of an early version lacks it.
    learning_rate : float or None
        That of the epoch; None where it is the configuration's.
    pixel_scale : float or None
        The standard deviation of a pixel after the epoch, if it is learned (`evae.models.pixels.GaussianPixels`).
    """

    epoch: int
    train: Mapping[str, float]
    holdout: Mapping[str, float]
    seconds: float
    latent: LatentSummary = field(default_factory=LatentSummary)
    images_per_second: float | None = None
    learning_rate: float | None = None
    pixel_scale: float | None = None

    @property
    def reconstruction(self) -> float:
        """The reconstruction error on hold-out images from one draw of the posterior, in nats per image."""
        return self.holdout["reconstruction"]

    @property
    def reconstruction_at_mean(self) -> float | None:
        """The reconstruction error on hold-out images from the posterior's mean, in nats per image."""
        return self.holdout.get("reconstruction_at_mean")

    def metric(self, name: str) -> float:
        """Return one of `evae.configuration.hold_out.METRICS` of the hold-out images.

        Raises
        ------
        InputError
            If the line of an earlier version lacks it.
        """
        value = self.latent.active_dimensions if name == "active_dimensions" else self.holdout.get(name)
        if value is None:
            raise InputError(f"the record of epoch {self.epoch}, by an earlier version, lacks {name}. Train a new run.")
        return float(value)

    @property
    def penalties(self) -> tuple[str, ...]:
        """The names of the loss's terms other than the reconstruction error."""
        return tuple(name for name in self.train if name not in ("loss", "reconstruction"))

    @classmethod
    def read(cls, document: Any) -> EpochRecord:
        """Return the record that a parsed line of ``metrics.jsonl`` holds.

        Raises
        ------
        ValueError
            If the line is damaged.
        """
        if not _is_epoch(document):
            raise ValueError("the line must be the record of an epoch")
        return cls(
            document["epoch"],
            document["train"],
            document["holdout"],
            document["seconds"],
            LatentSummary.read(document.get("latent", {})),
            document.get("images_per_second"),
            document.get("learning_rate"),
            document.get("pixel_scale"),
        )

    def document(self) -> dict[str, Any]:
        """Return the record as a line of ``metrics.jsonl`` and the JSON of ``train`` hold it."""
        document: dict[str, Any] = {"epoch": self.epoch, "train": dict(self.train), "holdout": dict(self.holdout)}
        if self.latent != LatentSummary():
            document["latent"] = self.latent.document()
        document["seconds"] = self.seconds
        if self.images_per_second is not None:
            document["images_per_second"] = self.images_per_second
        if self.learning_rate is not None:
            document["learning_rate"] = self.learning_rate
        if self.pixel_scale is not None:
            document["pixel_scale"] = self.pixel_scale
        return document

    def scalars(self) -> Iterator[tuple[str, float]]:
        """Yield tag and value of each curve in TensorBoard; an infinite ratio (None) has no point in its curve."""
        yield from ((f"train/{name}", value) for name, value in self.train.items())
        yield from ((f"holdout/{name}", value) for name, value in self.holdout.items())
        for name, value in self.latent.document().items():
            parts = {f"{name}_{part}": one for part, one in value.items()} if isinstance(value, dict) else {name: value}
            yield from ((f"latent/{tag}", float(one)) for tag, one in parts.items() if one is not None)
        if self.images_per_second is not None:
            yield "speed/images_per_second", self.images_per_second
        if self.learning_rate is not None:
            yield "speed/learning_rate", self.learning_rate
        if self.pixel_scale is not None:
            yield "pixels/scale", self.pixel_scale
