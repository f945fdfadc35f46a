"""Choice of ``--features auto``: the network of FID if its weights are available, else one without download."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from evae.exceptions import FeaturesWarning
from evae.features.inception import SHORT_PATIENCE, WeightsUnavailable, find_weights, is_named
from evae.features.names import require_features, require_use_of_weights
from foundation.progress import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class Choice:
    """The chosen features for the comparison of images.

    Attributes
    ----------
    features : str
        One of `evae.features.FEATURES`, or ``none``.
    reason : str, optional
        A sentence that says which features ``auto`` took, and why; None if the features were named.
    """

    features: str
    reason: str | None = None


def choose_features(
    features: str = "auto", inception_weights: str | Path | None = None, progress: ProgressCallback = ignore_progress
) -> Choice:
    """Choose the features for ``auto``; return any other name unchanged.

    Parameters
    ----------
    features : str
        One of `evae.features.CHOICES`. ``auto`` is ``inception`` if the file of its weights is named, is present or
        can be downloaded; otherwise it is ``imagenet``, and a `FeaturesWarning` gives the reason.
    inception_weights : str or Path, optional
        The file of the weights.
    progress : function, optional
        Callback (task, bytes done, total), called during a download.

    Raises
    ------
    InputError
        If the name is unknown, or weights are given for features that do not use them.
    """
    require_features(features)
    require_use_of_weights(features, inception_weights)
    if features != "auto":
        return Choice(features)
    if is_named(None if inception_weights is None else Path(inception_weights)):
        # Valid or not: an explicit request is never replaced by another network.
        return Choice("inception", "--features auto took inception: the file of its weights was named.")
    try:
        find_weights(patience=SHORT_PATIENCE, progress=progress)
    except WeightsUnavailable as error:
        reason = f"--features auto took imagenet: the weights of FID's network {error.reason}."
        warnings.warn(
            f"{reason} The distance is not FID. For FID, name the file of weights with --inception-weights; for no "
            "distance, use --features none.",
            FeaturesWarning,
            stacklevel=2,
        )
        return Choice("imagenet", reason)
    return Choice("inception", "--features auto took inception: its weights are at hand.")


def verify_weights(
    choice: Choice, inception_weights: str | Path | None = None, progress: ProgressCallback = ignore_progress
) -> None:
    """Find or download Inception's weights if they are needed; raises an error if they cannot be used.

    To be called before long work, such as decoding images; the arguments are those of `choose_features`.
    """
    if choice.features == "inception":
        find_weights(None if inception_weights is None else Path(inception_weights), progress=progress)
