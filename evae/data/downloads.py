"""Downloads from torchvision's addresses, verified by its checksums. Downloaded files are never unpickled."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import sys
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

from evae.data.catalogue import source_for
from evae.data.published import CELEBA, CIFAR10, FASHION_MNIST, MNIST
from evae.data.source import Survey
from evae.data.sources import faces
from foundation.errors import InputError

#: Time-out of a server in seconds.
PATIENCE = 20.0

_FAILURES = (RuntimeError, urllib.error.URLError, http.client.HTTPException, OSError)


def get(dataset: str, data_dir: str | Path = "data", quiet: bool = False) -> Survey:
    """Download a named data set into ``data_dir`` unless it is present, and return a survey of it.

    torchvision shows its progress on standard error unless ``quiet``.

    Raises
    ------
    InputError
        If there is no download, or it fails; the message says which file to fetch and where to put it.
    """
    source = source_for(dataset, data_dir)
    before = source.survey()
    if before.state in ("embedded", "complete"):
        return before
    if dataset not in _DOWNLOADS:
        raise InputError(
            f"the data set must be one of {', '.join(_DOWNLOADS)}, got {dataset}. Files and folders need no download."
        )
    if before.state == "subset":
        raise InputError(f"{before.place} holds a subset of {dataset}. Move it away to download the complete data set.")
    root = Path(data_dir)
    download, by_hand = _DOWNLOADS[dataset]
    try:
        # torchvision prints messages to standard output, which belongs to the caller.
        with _limit_waiting(), contextlib.ExitStack() as printed:
            if quiet:
                printed.enter_context(contextlib.redirect_stderr(io.StringIO()))
            printed.enter_context(contextlib.redirect_stdout(sys.stderr))
            download(root)
    except _FAILURES as error:
        raise InputError(f"{dataset} could not be downloaded ({reason_of(error)}). {by_hand(root)}") from error
    return source.survey()


def _download_idx(root: Path, folder: str) -> None:
    """Fetch the files of torchvision's class of that name; the class itself could unpickle an old file."""
    from torchvision import datasets

    published = getattr(datasets, folder)
    for name, md5 in published.resources:
        _fetch_from_mirrors(published.mirrors, name, root / folder / "raw", md5)


def _fetch_from_mirrors(mirrors: list[str], name: str, folder: Path, md5: str) -> None:
    """Fetch and unpack a file from the first mirror that has it; raises the failure of the last mirror."""
    from torchvision.datasets.utils import download_and_extract_archive

    for index, mirror in enumerate(mirrors):
        try:
            with _remove_partial_file(folder / name, md5):
                download_and_extract_archive(f"{mirror}{name}", str(folder), filename=name, md5=md5)
            return
        except _FAILURES:
            if index == len(mirrors) - 1:
                raise


def _download_cifar10(root: Path) -> None:
    """Fetch and unpack the Python version; reading its files later checks them again and never unpickles them."""
    from torchvision.datasets import CIFAR10 as PUBLISHED
    from torchvision.datasets.utils import download_and_extract_archive

    with _remove_partial_file(root / PUBLISHED.filename, PUBLISHED.tgz_md5):
        download_and_extract_archive(PUBLISHED.url, str(root), filename=PUBLISHED.filename, md5=PUBLISHED.tgz_md5)


def _download_celeba(root: Path) -> None:
    """Fetch the archive, which is read without unpacking."""
    from torchvision.datasets import CelebA
    from torchvision.datasets.utils import download_file_from_google_drive

    archive = faces.Celeba(root).archive
    (file_id, md5), *_ = [(file_id, md5) for file_id, md5, name in CelebA.file_list if name == archive.name]
    with _remove_partial_file(archive, md5):
        download_file_from_google_drive(file_id, str(archive.parent), archive.name, md5)


@contextlib.contextmanager
def _remove_partial_file(path: Path, md5: str) -> Iterator[None]:
    """Remove the partial file if a download in the block fails."""
    from torchvision.datasets.utils import check_integrity

    try:
        yield
    finally:
        if path.exists() and not check_integrity(str(path), md5):
            path.unlink()


@contextlib.contextmanager
def _limit_waiting() -> Iterator[None]:
    """Set the socket time-out within the block; the default waits forever for a server that does not answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def reason_of(error: BaseException) -> str:
    """Return the reason why a download failed, in one line."""
    reason = str(getattr(error, "reason", "") or error) or type(error).__name__
    return reason.splitlines()[0].rstrip(".")


def _idx_by_hand(folder: str, page: str) -> Callable[[Path], str]:
    return lambda root: (
        "Fetch train-images-idx3-ubyte.gz and t10k-images-idx3-ubyte.gz on a machine with network access "
        f"(from {page}) and put them, without unpacking, into {root / folder / 'raw'}."
    )


def _cifar10_by_hand(root: Path) -> str:
    return (
        "Fetch cifar-10-python.tar.gz or cifar-10-binary.tar.gz on a machine with network access "
        f"(from {CIFAR10.page}) and unpack it in {root}."
    )


def _celeba_by_hand(root: Path) -> str:
    archive = faces.Celeba(root).archive
    return (
        f"Fetch {archive.name} on a machine with network access (from {CELEBA.page}) and put it, "
        f"without unpacking, into {archive.parent}."
    )


#: For each data set, its download function and the instructions for a manual download.
_DOWNLOADS: dict[str, tuple[Callable[[Path], None], Callable[[Path], str]]] = {
    "mnist": (lambda root: _download_idx(root, "MNIST"), _idx_by_hand("MNIST", MNIST.page)),
    "fashion-mnist": (
        lambda root: _download_idx(root, "FashionMNIST"),
        _idx_by_hand("FashionMNIST", FASHION_MNIST.page),
    ),
    "cifar10": (_download_cifar10, _cifar10_by_hand),
    "celeba": (_download_celeba, _celeba_by_hand),
}
