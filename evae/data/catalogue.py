"""Catalogue of data sets: lookup by name, reading, survey and checks."""

from __future__ import annotations

from pathlib import Path

from evae.configuration.configuration import Configuration, require_fit
from evae.configuration.domains import GIVEN
from evae.configuration.options import DATASETS, OPTIONS
from evae.data.binarisation import binarise_data
from evae.data.images import ImageData, Labels, require_full_range
from evae.data.published import FASHION_MNIST, MNIST, SPLITS
from evae.data.source import Check, DataSource, Survey
from evae.data.sources.cifar import Cifar10
from evae.data.sources.digits import Digits
from evae.data.sources.faces import Celeba
from evae.data.sources.folders import ImageFolder
from evae.data.sources.idx import IdxPair
from evae.data.sources.npz import ArrayFile
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress


def load(
    dataset: str,
    data_dir: str | Path = "data",
    *,
    limit_train: int | None = None,
    limit_holdout: int | None = None,
    image_size: int | None = None,
    skip_undecodable: bool = False,
    fit: str = "resize",
    progress: ProgressCallback = ignore_progress,
) -> ImageData:
    """Read a data set.

    Parameters
    ----------
    dataset : str
        ``digits``: scikit-learn's 1,797 digits, embedded. ``mnist``, ``fashion-mnist``, ``cifar10``: the files that
        torchvision keeps in ``data_dir``, or else an .npz file there with all images in any order, at 32 x 32 (Appendix
        B.1); their content is compared with the published one. ``celeba``: the official archive
        ``celeba/img_align_celeba.zip`` or its folder, at 64 x 64 (Appendix B.3), the validation faces held out.
        ``npz:FILE`` and ``folder:DIR``: see `evae.data.sources.npz.ArrayFile` and
        `evae.data.sources.folders.ImageFolder`.
    data_dir : str or Path
        The folder that torchvision calls ``root``.
    limit_train, limit_holdout : int, optional
        Keep only the first training images, or the first hold-out images, up to this number.
    image_size : int, optional
        The side of the images. By default that of Appendix B, and for ``npz:FILE`` and ``folder:DIR`` 32 or 64.
    skip_undecodable : bool
        Leave out the image files of ``folder:DIR`` and ``celeba`` that cannot be decoded, and count them.
    fit : str
        ``resize``, or ``pad``: smaller images within a border of zeros (`evae.data.images.pad`), in place of
        interpolation; not for ``cifar10``, ``celeba`` and ``folder:DIR``.
    progress : function, optional
        Callback (task, done, total), called while images are decoded.

    Raises
    ------
    InputError
        If the data set is unknown; a file is missing, truncated or not in the expected format; the images are not
        those of the data set, or so dark that their values must be on another scale. The message names the file or the
        value, and the remedy.

    Warns
    -----
    DataWarning
        If the images are dark.
    """
    data = source_for(dataset, data_dir, image_size, skip_undecodable=skip_undecodable, fit=fit).read(progress)
    require_full_range(data, dataset)
    return data.limited(limit_train, limit_holdout)


def load_for(
    config: Configuration,
    data_dir: str | Path | None = None,
    *,
    given: ImageData | None = None,
    progress: ProgressCallback = ignore_progress,
) -> ImageData:
    """Read the images that a configuration names, by default from its ``data_dir``, as its model sees them.

    They are binary if the configuration says so (`evae.data.binarisation.binarise_data`); otherwise see `load`. Images
    that the configuration calls given must be ``given``, and no others can be.
    """
    if (config.dataset == GIVEN) != (given is not None):
        raise InputError(
            "the images were given in Python, and must be given again there, as data=."
            if given is None
            else f"the data set is {config.dataset}, and no images can be given for it. Leave data out."
        )
    if given is None:
        data = _read_for(config, data_dir, progress)
    else:
        data = given.limited(config.limit_train, config.limit_holdout)
    return data if config.binarise is None else binarise_data(data, config.binarise, config.dataset)


def _read_for(config: Configuration, data_dir: str | Path | None, progress: ProgressCallback) -> ImageData:
    return load(
        config.dataset,
        config.data_dir if data_dir is None else data_dir,
        limit_train=config.limit_train,
        limit_holdout=config.limit_holdout,
        image_size=config.image_size,
        skip_undecodable=config.skip_undecodable,
        fit=config.fit,
        progress=progress,
    )


def load_labels(
    dataset: str, data_dir: str | Path = "data", *, image_size: int | None = None, skip_undecodable: bool = False
) -> Labels:
    """Read a data set's class labels, in the order of the images that `load` returns for the same arguments.

    Parameters
    ----------
    dataset, data_dir, image_size, skip_undecodable
        As for `load`. The labels of ``npz:FILE`` are arrays in the same file, those of ``folder:DIR`` are the names of
        the folders below ``train`` and ``test``; CelebA has none.

    Raises
    ------
    InputError
        If the data set is unknown or has no class labels, or if the labels are missing, truncated, invalid, do not
        match the number of images, or are not those of the data set; the message names the file and the remedy.
    """
    return source_for(dataset, data_dir, image_size, skip_undecodable=skip_undecodable).labels()


def source_for(
    dataset: str,
    data_dir: str | Path = "data",
    image_size: int | None = None,
    *,
    skip_undecodable: bool = False,
    fit: str = "resize",
) -> DataSource:
    """Return the source of a data set; raises `InputError` if the name is unknown or its images have another fit."""
    if OPTIONS["dataset"].require(dataset) == GIVEN:
        raise InputError("the images were given in Python, and must be given again there, as data=.")
    require_fit(dataset, fit)
    root = Path(data_dir)
    kind, _, path = dataset.partition(":")
    side = image_size or 32
    named: dict[str, DataSource] = {
        "digits": Digits(fit, side),
        "mnist": IdxPair("mnist", "MNIST", MNIST, root, fit, side),
        "fashion-mnist": IdxPair("fashion-mnist", "FashionMNIST", FASHION_MNIST, root, fit, side),
        "cifar10": Cifar10(root, side=side),
        "celeba": Celeba(root, skip_undecodable, side=image_size or 64),
        "npz": ArrayFile(Path(path), root, image_size, fit),
        "folder": ImageFolder(Path(path), root, image_size, skip_undecodable),
    }
    return named[kind]


def survey(data_dir: str | Path = "data") -> list[Survey]:
    """Survey all named data sets without decoding image files."""
    return [source_for(name, data_dir).survey() for name in DATASETS]


def check(dataset: str, data_dir: str | Path = "data", *, progress: ProgressCallback = ignore_progress) -> list[Check]:
    """Compare a data set with published checksums, and decode every training and hold-out image.

    Raises
    ------
    InputError
        If the name is unknown. Missing or damaged files are reported as failed checks.
    """
    source = source_for(dataset, data_dir)
    checks = list(source.checksums())
    try:
        data = source.read(progress, fresh=True)
        require_full_range(data, dataset)
    except InputError as error:
        return [*checks, Check("images", False, str(error))]
    channels, height, width = data.image_shape
    counts = f"{len(data.train):,} training and {len(data.holdout):,} hold-out images of {height}x{width}"
    detail = f"{counts}, {channels} channel{'s' if channels > 1 else ''}"
    sentences = [] if data.inventory is None else data.inventory.sentences()
    content = data.content
    if content is not None and content.complete and len(content.checksums) == len(SPLITS):
        found = f"the images of {content.title}, by their SHA-256 in any order: those that are published"
        checks.append(Check("content", True, found))
    detail = f"{detail} ({data.note})" if data.note else detail
    return [*checks, Check("images", True, " ".join([f"{detail}.", *sentences] if sentences else [detail]))]
