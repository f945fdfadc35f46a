"""What ``--features auto`` takes: FID's network where its weights can be had, else the one that needs no download."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from evae.exceptions import FeaturesWarning
from evae.features.inception import SHORT_PATIENCE, WeightsUnavailable, find_weights, is_named
from evae.features.names import require_features
from foundation.progress import ProgressCallback, silent


@dataclass(frozen=True)
class Choice:
    """The features by which images are compared.

    Attributes
    ----------
    features : str
        One of `evae.features.FEATURES`, or ``none``.
    reason : str, optional
        In a sentence, what ``auto`` took and why; None where the features were named.
    """

    features: str
    reason: str | None = None


def choose_features(
    features: str = "auto", inception_weights: str | Path | None = None, progress: ProgressCallback = silent
) -> Choice:
    """Choose the features for ``auto``, and leave any other name as it is.

    Parameters
    ----------
    features : str
        One of `evae.features.CHOICES`. ``auto`` is ``inception`` where the file of its weights is named or there, or
        can be downloaded; otherwise it is ``imagenet``, and a `FeaturesWarning` says why.
    inception_weights : str or Path, optional
        Names the file.
    progress : function, optional
        Called with (what is done, bytes, of how many) during a download.

    Raises
    ------
    InputError
        If there are no such features.
    """
    require_features(features)
    if features != "auto":
        return Choice(features)
    if is_named(None if inception_weights is None else Path(inception_weights)):
        # Wrong or not: what somebody asked for by name is never replaced.
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
