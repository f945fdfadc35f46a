"""The published data sets, and the comparison of images with them: by content, in any order and any container."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.errors import InputError

SPLITS = ("train", "holdout")

#: The splits in sentences.
WORDS = {"train": "training images", "holdout": "hold-out images"}

#: Hexadecimal digits of the digests in `Published.beginnings`.
_SHORT = 16


@dataclass(frozen=True)
class Content:
    """What images were found to be.

    Attributes
    ----------
    title : str
        The published data set.
    complete : bool
        Whether they are all of its training and validation or test images, as their checksums show.
    checksums : mapping of str to str
        Of each split, `content_sha256` of the images as published, before they are resized; or of an archive its MD5.
    """

    title: str
    complete: bool
    checksums: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """Return the fields, for a JSON file."""
        return {"title": self.title, "complete": self.complete, "checksums": dict(self.checksums)}


@dataclass(frozen=True)
class Published:
    """A published data set.

    Attributes
    ----------
    title, page : str
        Its name and its web page.
    train, holdout : int
        Numbers of images.
    shape : tuple of int
        Of an image as it is published: (height, width) if grey, else (height, width, 3). Empty if no digests are known.
    pixels, labelled : mapping of str to str
        By split, `content_sha256` of the images, and of the images with their labels.
    beginnings : frozenset of str
        First digits of the SHA-256 of the first eight images of each split, which reveal the origin of a subset.
    """

    title: str
    page: str
    train: int
    holdout: int
    shape: tuple[int, ...] = ()
    pixels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    labelled: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    beginnings: frozenset[str] = frozenset()

    def count(self, split: str) -> int:
        """Return the number of images of ``train`` or ``holdout``."""
        return self.train if split == "train" else self.holdout

    def note(self, train: int, holdout: int) -> str | None:
        """Return a note that these are fewer images than published, or None if they are as many.

        Raises
        ------
        InputError
            If they are more.
        """
        for split, found in zip(SPLITS, (train, holdout), strict=True):
            if found > self.count(split):
                raise InputError(
                    f"{self.title} has {self.count(split):,} {WORDS[split]}, got {found:,}: these are not {self.title}."
                )
        if (train, holdout) == (self.train, self.holdout):
            return None
        return (
            f"a subset of {self.title}: {train:,} of {self.train:,} training and {holdout:,} of {self.holdout:,} "
            "hold-out images"
        )

    def state(self, train: int, holdout: int) -> str:
        """Return ``complete`` or ``subset``; raises `InputError` as `note` does."""
        return "complete" if self.note(train, holdout) is None else "subset"

    def verify(self, images: Mapping[str, NDArray[np.uint8]], place: str) -> Content:
        """Compare images with the published ones, in any order, and return what they are.

        A split with fewer images than published is a subset: of it only images of another published data set are
        recognised, among the first ones of that data set.

        Parameters
        ----------
        images : mapping of str to array
            By split, uint8 of shape (N, ...).
        place : str
            Where they are, for messages.

        Raises
        ------
        InputError
            If there are more images than published, or they are others.
        """
        try:
            complete = self.note(len(images["train"]), len(images["holdout"])) is None
        except InputError as error:
            raise InputError(f"{place}: {error} {self._remedy}") from error
        checksums = {}
        for split, pixels in images.items():
            digests = image_digests(pixels)
            checksums[split] = combine_digests(digests)
            whole = len(pixels) == self.count(split)
            if checksums[split] != self.pixels[split] if whole else self._stranger(digests) is not None:
                raise self._other_images(split, digests, place)
        return Content(self.title, complete, checksums)

    def verify_labels(
        self, images: Mapping[str, NDArray[np.uint8]], labels: Mapping[str, NDArray[Any]], place: str
    ) -> None:
        """Raise `InputError` if all published images are there, but not with their published labels.

        ``images`` are as in `verify`, and ``labels`` of shape (N,) from 0 to 9.
        """
        for split, pixels in images.items():
            if len(pixels) != self.count(split):
                continue
            found = content_sha256(pixels, labels[split])
            if found != self.labelled[split]:
                raise InputError(
                    f"{place}: the labels of the {WORDS[split]} are not those of {self.title}: the SHA-256 of images "
                    f"with labels must be {self.labelled[split]}, got {found}. Fetch the labels again from {self.page}."
                )

    def _stranger(self, digests: list[bytes]) -> Published | None:
        """Return another data set that some of the images belong to."""
        found = {digest.hex()[:_SHORT] for digest in digests}
        return next((other for other in KNOWN if other.title != self.title and found & other.beginnings), None)

    def _other_images(self, split: str, digests: list[bytes], place: str) -> InputError:
        other = self._stranger(digests)
        if other is not None:
            return InputError(
                f"{place} must hold {self.title}, got {other.title}, as the content of its {WORDS[split]} shows. "
                f"{self._remedy}"
            )
        return InputError(
            f"{place} must hold {self.title}, got other {WORDS[split]}: the SHA-256 of their content, in any order, is "
            f"{combine_digests(digests)}, and {self.pixels[split]} is published. {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        return (
            f"Point --data-dir at the files of {self.title} (from {self.page}), or train on images of your own as "
            "--dataset npz:FILE or folder:DIR."
        )


def image_digests(images: NDArray[np.uint8], labels: NDArray[Any] | None = None) -> list[bytes]:
    """Return the SHA-256 of each image: of its label as one byte, if there are labels, and its pixels row by row."""
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    if labels is None:
        return [hashlib.sha256(row.data).digest() for row in rows]
    return [
        hashlib.sha256(bytes((int(label),)) + row.tobytes()).digest() for label, row in zip(labels, rows, strict=True)
    ]


def combine_digests(digests: list[bytes]) -> str:
    """Return the SHA-256 (hexadecimal) of the sorted digests, which does not depend on their order."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def content_sha256(images: NDArray[np.uint8], labels: NDArray[Any] | None = None) -> str:
    """Return a checksum of images, and their labels, that depends neither on their order nor on the container.

    Parameters
    ----------
    images : array
        uint8, shape (N, height, width) or (N, height, width, 3).
    labels : array, optional
        Integers from 0 to 255 of shape (N,).
    """
    return combine_digests(image_digests(images, labels))


def known_checksum(images: NDArray[np.uint8]) -> str:
    """Return `content_sha256` of images of shape (N, C, H, W), if some published split has as many of this shape.

    Otherwise the result is empty, because the images are not a published split.
    """
    shaped = as_published(images) if any(_alike(images, published) for published in KNOWN) else None
    return "" if shaped is None else content_sha256(shaped)


def _alike(images: NDArray[np.uint8], published: Published) -> bool:
    height, width, *channels = published.shape
    counts = (published.train, published.holdout)
    return images.shape[0] in counts and images.shape[1:] == (*(channels or (1,)), height, width)


def identify(train: str, holdout: str) -> Content | None:
    """Return the published data set of which these are the `known_checksum`; None if there is none."""
    checksums = dict(zip(SPLITS, (train, holdout), strict=True))
    for published in KNOWN:
        if published.pixels == checksums:
            return Content(published.title, True, checksums)
    return None


def as_published(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (N, C, H, W) in the axes of `Published.shape`: (N, H, W) if C is 1, else (N, H, W, C)."""
    return images[:, 0] if images.shape[1] == 1 else np.ascontiguousarray(np.moveaxis(images, 1, 3))


def _published(
    title: str,
    page: str,
    counts: tuple[int, int],
    shape: tuple[int, ...],
    pixels: tuple[str, str],
    labelled: tuple[str, str],
    beginnings: str,
) -> Published:
    by_split = [MappingProxyType(dict(zip(SPLITS, digests, strict=True))) for digests in (pixels, labelled)]
    return Published(title, page, *counts, shape, by_split[0], by_split[1], frozenset(beginnings.split()))


# The files from which these digests were computed have the MD5 sums that torchvision publishes; CIFAR-10's are those of
# the files that its page offers.
MNIST = _published(
    "MNIST",
    "yann.lecun.com/exdb/mnist",
    (60_000, 10_000),
    (28, 28),
    (
        "03a8a048601ebb4610dcd79cd759c718bed893982a4c153c4f33a41885101c0b",
        "e2842441ab1468bab7eeaa886875a3a7662245f3768610c4b4ca84d7ac309c70",
    ),
    (
        "3655811c0e1223700a4714a92a51f55bd215ed7dc1fa2baa4326a2b58042d82d",
        "634538fb34c5277fce98470b8b285d1e8419eb87f328da42ef1faf690d2c3911",
    ),
    "23ceaef5eb61f0e7 2d1c3087ac5f2bed 0eb473f604ef38a5 73463094414ad1e5 ff08e0539e6fed67 84b8940d9a8573c0 "
    "89d56e39868e3210 711f4f3d22ed05d2 8f6a418c9a639f9e 3f8c3b265b6083fb 202fbd31d4b64a8f d469b96b1201daeb "
    "f3351a8e0127fe9f edf650ef1b50d392 f217ce27183b61d1 d6fc219c748f35bd",
)

FASHION_MNIST = _published(
    "Fashion-MNIST",
    "github.com/zalandoresearch/fashion-mnist",
    (60_000, 10_000),
    (28, 28),
    (
        "aa670e63ae523d8fb206db0595287cd9ecee8f29b1b8ea690da7712c7444eb56",
        "f966ad9a453e7d5ef297476fd4939780e707ce15a852b67597069832263d31bd",
    ),
    (
        "0c69d5cdeb902b69084012f812f066de080317bb3c64f43ca87f910d8ec86906",
        "90c92c0507755a7d443edde8297ce4d0f131e42884e2e87e7fc9b81ffe215258",
    ),
    "5bd44e331a6d6998 9cf80d28fd40cb6b 0220e64fde1e1762 593ff8e28c45d2d3 72e921479f0364fa c3b03cc77d3a5c27 "
    "4261dd3217331e2f 3f9de7941c3e507e ffc7351ed0f8bae5 25138519f4c25d3d 2914aef93f1fce9f be63d6d14e0b3ddd "
    "ac3cdb4088e8057c 8f9ab268c63c4145 c52ddd1d808fa185 9c1785cb1e2898e6",
)

CIFAR10 = _published(
    "CIFAR-10",
    "www.cs.toronto.edu/~kriz/cifar.html",
    (50_000, 10_000),
    (32, 32, 3),
    (
        "6bebf6967ad9d2d12d9cf95f54164bd95a0954d3177f1285fa8dd3673671ca76",
        "eb97bdfceb97fec3832a6abdbbf9f16340a510375c77ce1b32c45de1e6d88318",
    ),
    (
        "d59acf989e068e709ce686cda292672c7b212c08d29d3d3e6d8c3aa99eba6a85",
        "899683d46c3a8c66fd56e1af12202e69fe5a4517be10b0f68e04c78fe585c57c",
    ),
    "7cbda40c52a00fdb 633ac182f33d6681 c8eb544dc3faca43 bf8cfa71500157bf 7d9ab25d5f0549a3 f487ca7335a5377a "
    "3e0385f30d89ea36 07ecd76673c75cd0 e5fcaa9fcb576b0b b5f3208ae1e44485 92329e7a23c326d3 af12e1241a1e7a0c "
    "bf508685de95147c 3dc597d07305887d 1a0f09360e4f0848 0f4e4314cb4faf47",
)

#: Its archive has a published MD5 sum; its images are known by their file numbers.
CELEBA = Published("CelebA", "mmlab.ie.cuhk.edu.hk/projects/CelebA.html", 162_770, 19_867)

#: The data sets whose content is known.
KNOWN = (MNIST, FASHION_MNIST, CIFAR10)
