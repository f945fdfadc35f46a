"""``folder:DIR``: a user's image files in DIR/train and DIR/test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evae.data.cache import DecodePlan, DecodeRequest, cache_folder, fetch
from evae.data.decoding import BATCH, Framing, decode_files, inspect_image
from evae.data.images import ImageData, Labels, as_tensor, default_side, number_classes
from evae.data.source import Check, Survey
from evae.data.sources.image_files import Folder, folder_stamp
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress

#: Suffixes of the files that are read; others are ignored.
SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"))

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
        32 or 64; by default 64 if the shorter side of every image has at least 64 pixels, else 32.
    """

    path: Path
    data_dir: Path
    image_size: int | None = None

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
            train, holdout = (len(names) for names in self._names())
        except InputError as error:
            return Survey(self.name, "damaged", str(self.place), remark=str(error))
        return Survey(self.name, "present", str(self.place), train, holdout)

    def checksums(self) -> Iterator[Check]:
        """Yield nothing: no checksums are published."""
        yield from ()

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:
        """Read the images, decoded once and then cached."""
        train, holdout = self._names()
        parameters = {"side": self.image_size, "splits": list(SPLITS)}
        request = DecodeRequest("folder", folder_stamp(self.place, SUFFIXES), parameters)

        def plan() -> DecodePlan:
            framing = self._framing([*train, *holdout], progress)
            batches = decode_files(Folder(self.place), [*train, *holdout], framing, progress)
            return DecodePlan(len(train), len(holdout), (framing.channels, framing.side, framing.side), batches)

        images = fetch(cache_folder(self.data_dir), request, plan, fresh=fresh)
        return ImageData(as_tensor(images.train), as_tensor(images.holdout))

    def labels(self) -> Labels:
        """Take the first folder below ``train`` and ``test`` as the class; both splits must have the same classes."""
        train, holdout = (self._classes(names) for names in self._names())
        if alone := sorted({*train} ^ {*holdout}):
            raise InputError(
                f"{self.place} has the class {alone[0]} in only one of its folders train and test. Both must hold the "
                "same classes, each as a folder."
            )
        return number_classes(np.array(train), np.array(holdout), str(self.place))

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

    def _names(self) -> tuple[list[str], list[str]]:
        """Return the names of the training and test images, relative to `place`."""
        if not self.place.is_dir():
            raise InputError(
                f"folder:DIR must name a folder with images in DIR/train and DIR/test, got {self.path}, which is "
                f"neither a folder nor one in {self.data_dir}."
            )
        names = Folder(self.place).names(SUFFIXES)
        train, holdout = ([name for name in names if name.startswith(f"{split}/")] for split in SPLITS)
        for split, found in zip(SPLITS, (train, holdout), strict=True):
            if not found:
                kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
                raise InputError(f"{self.place / split} holds no images ({kinds}), not even in nested folders.")
        return train, holdout

    def _framing(self, names: list[str], progress: ProgressCallback) -> Framing:
        """Read the headers of all files to choose the colours and, unless it is given, the resolution."""
        folder = Folder(self.place)
        all_grey, sides = True, []
        for number, name in enumerate(names, 1):
            try:
                grey, side = inspect_image(self.place / name)
            except ValueError as error:
                raise InputError(f"{folder.place(name)} cannot be decoded ({error}).") from error
            # One coloured file makes all images RGB, since the network has one number of channels.
            all_grey = all_grey and grey
            sides.append(side)
            if number % BATCH == 0 or number == len(names):
                progress("looking at images", number, len(names))
        return Framing(self.image_size or default_side(min(sides)), 1 if all_grey else 3, upright=True)
