"""Catalogue of the feature networks by name."""

from __future__ import annotations

from pathlib import Path

import torch

from evae.data import load
from evae.features.names import FEATURES, require_use_of_weights
from evae.features.network import FeatureNetwork
from foundation.errors import InputError, suggest
from foundation.progress import ProgressCallback, ignore_progress


def feature_network(
    name: str,
    *,
    dataset: str,
    data_dir: str | Path = "data",
    image_size: int | None = None,
    skip_undecodable: bool = False,
    fit: str = "resize",
    side: int | None = None,
    device: torch.device | str = "cpu",
    inception_weights: Path | None = None,
    progress: ProgressCallback = ignore_progress,
) -> FeatureNetwork:
    """Return a feature network, ready to use.

    Parameters
    ----------
    name : str
        ``inception``: pytorch-fid's network, whose distance is FID. ``imagenet``: EfficientNet-Lite0, trained on
        ImageNet. ``classifier``: a small network trained on the labels of the data set.
    dataset, data_dir, image_size, skip_undecodable, fit
        As for `evae.data.load`; the classifier is trained on this data set.
    side : int, optional
        Side of the images, which determines the resolution of ``imagenet``. By default the data set is read to find
        it.
    device : torch.device or str
        Where the features are computed.
    inception_weights : Path, optional
        The file with Inception's weights; by default it is searched for, and downloaded if missing.
    progress : function, optional
        Callback (task, done, total), called during a download or training.

    Raises
    ------
    InputError
        If the name is unknown, the weights are unavailable, the data set has no class labels, or ``inception_weights``
        is given for another network.
    """
    # Networks are imported only when needed: each has its own heavy dependencies.
    device = torch.device(device)
    if name not in FEATURES:
        raise InputError(f"--features {name!r} is not known. {suggest(name, FEATURES)}")
    if name == "inception":
        from evae.features.inception import inception_network

        return inception_network(inception_weights, device, progress=progress)
    require_use_of_weights(name, inception_weights)
    if name == "imagenet":
        from evae.features.imagenet import imagenet_network, resolution_for

        if side is None:
            images = load(
                dataset,
                data_dir,
                image_size=image_size,
                skip_undecodable=skip_undecodable,
                fit=fit,
                progress=progress,
            )
            side = images.image_shape[-1]
        return imagenet_network(resolution_for(side), device)
    from evae.features.classifier import classifier_network

    return classifier_network(
        dataset,
        data_dir,
        image_size=image_size,
        skip_undecodable=skip_undecodable,
        fit=fit,
        device=device,
        progress=progress,
    )
