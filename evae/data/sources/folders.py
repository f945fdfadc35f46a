"""``folder:DIR``: a user's image files in DIR/train and DIR/test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evae.data.cache import DecodedImages, DecodePlan, DecodeRequest, cache_folder, fetch
from evae.data.decoding import BATCH, SUFFIXES, Decoder, Framing, decoding_failure, inspect_image, report_of
from evae.data.images import ImageData, Labels, as_tensor, default_side, number_classes
from evae.data.inventory import Decoded, Inventory, undecodable_error
from evae.data.source import Check, Survey
from evae.data.sources.image_files import Folder, Listing
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress

SPLITS = ("train", "test")


@dataclass(frozen=True)
class ImageFolder:
    """Images of any size, in nested folders too, sorted by path; the largest centred square is resized.

    They are grey if every file is, else RGB; transparent pixels are composited over white, and photographs are rotated
    upright.

    Parameters
    ----------
    path : Path
        Tried as given, then relative to ``data_dir``.
    data_dir : Path
        Its folder ``decoded`` is the cache of decoded images.
    image_size : int, optional
        The side of the images; by default 64 if the shorter side of every image has at least 64 pixels, else 32.
    skip_undecodable : bool
        Leave out files that cannot be decoded. By default they are an error.
    """

    path: Path
    data_dir: Path
    image_size: int | None = None
    skip_undecodable: bool = False

    @property
    def name(self) -> str:
        """``folder:`` followed by the path as given."""
        return f"folder:{self.path}"

    @property
    def place(self) -> Path:
        """Path of the folder."""
        return next((path for path in (self.path, self.data_dir / self.path) if path.is_dir()), self.path)

    def survey(self) -> Survey:
        """Count the image files."""
        if not self.place.is_dir():
            return Survey(self.name, "missing", str(self.place))
        try:
            train, holdout = (len(names) for names in self._split(self._listing().names))
        except InputError as error:
            return Survey(self.name, "damaged", str(self.place), remark=str(error))
        return Survey(self.name, "present", str(self.place), train, holdout)

    def checksums(self) -> Iterator[Check]:
        """Yield nothing: no checksums are published."""
        yield from ()

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:
        """Read the images, decoded once and then cached."""
        listing = self._listing()
        images = self._fetch(listing, progress, fresh=fresh)
        inventory = self._inventory(listing, images.decoded)
        train, holdout = as_tensor(images.train), as_tensor(images.holdout)
        return ImageData(train, holdout, inventory=inventory, known_sha256=images.sha256)

    def labels(self) -> Labels:
        """Take the first folder below ``train`` and ``test`` as the class; both splits must have the same classes."""
        listing = self._listing()
        left_out: Mapping[str, str] = {}
        if self.skip_undecodable:
            left_out = self._fetch(listing, ignore_progress, fresh=False).decoded.undecodable
        loaded = [name for name in listing.names if name not in left_out]
        train, holdout = (self._classes(names) for names in self._split(loaded))
        if alone := sorted({*train} ^ {*holdout}):
            raise InputError(
                f"{self.place} has the class {alone[0]} in only one of its folders train and test. Both must hold the "
                "same classes, each as a folder."
            )
        return number_classes(np.array(train), np.array(holdout), str(self.place))

    def _fetch(self, listing: Listing, progress: ProgressCallback, *, fresh: bool) -> DecodedImages:
        """Return the images from the cache, or decode them."""
        parameters: dict[str, object] = {"side": self.image_size, "splits": list(SPLITS)}
        if self.skip_undecodable:
            parameters["skip_undecodable"] = True
        request = DecodeRequest("folder", listing.stamp(self.place), parameters)
        known: dict[str, str] = {}
        while True:
            try:
                return fetch(
                    cache_folder(self.data_dir), request, lambda: self._plan(listing, known, progress), fresh=fresh
                )
            except _FramingChanged as changed:
                # Decode again, as if the undecodable files were not there.
                known.update(changed.failures)

    def _plan(self, listing: Listing, known: Mapping[str, str], progress: ProgressCallback) -> DecodePlan:
        """Plan the decoding of all files but those that are ``known`` to be undecodable, each with its reason."""
        headers, failures = self._headers([name for name in listing.names if name not in known], progress)
        failures = {**known, **failures}
        if not headers:
            raise undecodable_error(failures, len(listing.names))
        framing = self._framing(headers.values())
        train, holdout = ([name for name in names if name in headers] for names in self._split(listing.names))
        decoder = Decoder(Folder(self.place), [*train, *holdout], framing, progress)

        def batches() -> Iterator[NDArray[np.uint8]]:
            yield from decoder.batches()
            failures.update(decoder.failures)
            self._require_decoded(listing, failures)
            rest = [header for name, header in headers.items() if name not in decoder.failures]
            if self._framing(rest) != framing:
                raise _FramingChanged(failures)

        shape = (framing.channels, framing.side, framing.side)
        return DecodePlan(len(train), len(holdout), shape, batches(), lambda: report_of(decoder, train, failures))

    def _require_decoded(self, listing: Listing, failures: Mapping[str, str]) -> None:
        """Raise `InputError` if files cannot be decoded, unless they may be skipped and others are left."""
        if not failures:
            return
        loaded = [name for name in listing.names if name not in failures]
        if not self.skip_undecodable or not all(self._in_split(loaded, split) for split in SPLITS):
            raise undecodable_error(failures, len(listing.names))

    def _inventory(self, listing: Listing, decoded: Decoded) -> Inventory:
        loaded = [name for name in listing.names if name not in decoded.undecodable]
        classes = {folder for folder in listing.folders if folder.count("/") == 1}
        classes -= {"/".join(name.split("/")[:2]) for name in loaded}
        return Inventory(len(loaded), listing.skipped, listing.suffixes, listing.links, tuple(sorted(classes)), decoded)

    def _classes(self, names: list[str]) -> list[str]:
        """Return the class of each image, which must be in a subfolder of its split."""
        parts = [name.split("/") for name in names]
        if loose := [name for name, part in zip(names, parts, strict=True) if len(part) < 3]:
            split = loose[0].partition("/")[0]
            raise InputError(
                f"{self.place / loose[0]} has no class label. Put the images of a class into "
                f"{self.place / split}/CLASS."
            )
        return [part[1] for part in parts]

    def _listing(self) -> Listing:
        """Return the files in both splits, with names relative to `place`; raises `InputError` if one is empty."""
        if not self.place.is_dir():
            raise InputError(
                f"folder:DIR must name a folder with images in DIR/train and DIR/test, got {self.path}, which is "
                f"neither a folder nor one in {self.data_dir}."
            )
        listing = Folder(self.place).scan(SUFFIXES, SPLITS)
        # Both splits must hold images.
        self._split(listing.names)
        return listing

    def _split(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the names of the training and test images; raises `InputError` if there are none of either."""
        train, holdout = (self._in_split(names, split) for split in SPLITS)
        for split, found in zip(SPLITS, (train, holdout), strict=True):
            if not found:
                kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
                raise InputError(f"{self.place / split} holds no images ({kinds}), not even in nested folders.")
        return train, holdout

    @staticmethod
    def _in_split(names: Sequence[str], split: str) -> list[str]:
        return [name for name in names if name.startswith(f"{split}/")]

    def _headers(
        self, names: Sequence[str], progress: ProgressCallback
    ) -> tuple[dict[str, tuple[bool, int]], dict[str, str]]:
        """Read the headers of files; return `inspect_image` of each, and why others cannot be decoded."""
        folder = Folder(self.place)
        headers, failures = {}, {}
        for number, name in enumerate(names, 1):
            try:
                headers[name] = inspect_image(self.place / name)
            except InputError as error:
                failures[name] = str(error).rstrip(".")
            except ValueError as error:
                failures[name] = decoding_failure(folder, name, str(error))
            if number % BATCH == 0 or number == len(names):
                progress("looking at images", number, len(names))
        return headers, failures

    def _framing(self, headers: Iterable[tuple[bool, int]]) -> Framing:
        """Choose the colours and, unless it is given, the resolution."""
        # One coloured file makes all images RGB, since the network has one number of channels.
        greys, sides = zip(*headers, strict=True)
        return Framing(self.image_size or default_side(min(sides)), 1 if all(greys) else 3, upright=True)


class _FramingChanged(Exception):
    """Files that turned out to be undecodable had determined the framing; ``failures`` are all such files."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__()
        self.failures = failures
