"""``folder:DIR``: image files of one's own, in DIR/train and DIR/test."""

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
from foundation.progress import ProgressCallback, silent

#: What is read; other files are passed over.
SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"))

SPLITS = ("train", "test")


@dataclass(frozen=True)
class ImageFolder:
    """Images of any size, in nested folders too, sorted by path; the largest centred square is resized.

    They are grey where every file is, else red, green and blue; what is transparent is laid over white, and a
    photograph is turned upright.

    Parameters
    ----------
    path : Path
        Looked for as it is given, then in ``data_dir``.
    data_dir : Path
        Its folder ``decoded`` keeps the decoded images.
    image_size : int, optional
        32 or 64; by default 64 where every image has 64 pixels and more on its shorter side, else 32.
    """

    path: Path
    data_dir: Path
    image_size: int | None = None

    @property
    def name(self) -> str:
        """``folder:`` and the path as it was given."""
        return f"folder:{self.path}"

    @property
    def place(self) -> Path:
        """Where the folder is."""
        return next((path for path in (self.path, self.data_dir / self.path) if path.is_dir()), self.path)

    def survey(self) -> Survey:
        """Count the files."""
        if not self.place.is_dir():
            return Survey(self.name, "missing", str(self.place))
        try:
            train, holdout = (len(names) for names in self._names())
        except InputError as error:
            return Survey(self.name, "damaged", str(self.place), remark=str(error))
        return Survey(self.name, "present", str(self.place), train, holdout)

    def checksums(self) -> Iterator[Check]:
        """Nobody publishes any."""
        yield from ()

    def read(self, progress: ProgressCallback = silent, *, fresh: bool = False) -> ImageData:
        """Decode the images once, and read them from the cache from then on."""
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
        """Take the first folder below ``train`` and ``test`` as the class; both must have the same ones."""
        train, holdout = (self._classes(names) for names in self._names())
        if alone := sorted({*train} ^ {*holdout}):
            raise InputError(
                f"{self.place} has the class {alone[0]} in only one of its folders train and test; both must hold the "
                "same classes, each as a folder."
            )
        return number_classes(np.array(train), np.array(holdout), str(self.place))

    def _classes(self, names: list[str]) -> list[str]:
        """Return the class of every image, which must lie in a folder of its split."""
        parts = [name.split("/") for name in names]
        if loose := [name for name, part in zip(names, parts, strict=True) if len(part) < 3]:
            split = loose[0].partition("/")[0]
            raise InputError(
                f"{self.place / loose[0]} has no class label: images of a class lie in {self.place / split}/CLASS."
            )
        return [part[1] for part in parts]

    def _names(self) -> tuple[list[str], list[str]]:
        """Return the names of the training and of the test images, from `place`."""
        if not self.place.is_dir():
            raise InputError(
                f"there is no folder {self.path}, nor one of that name in {self.data_dir}. folder:DIR holds images in "
                "DIR/train and DIR/test."
            )
        names = Folder(self.place).names(SUFFIXES)
        train, holdout = ([name for name in names if name.startswith(f"{split}/")] for split in SPLITS)
        for split, found in zip(SPLITS, (train, holdout), strict=True):
            if not found:
                kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
                raise InputError(f"{self.place / split} holds no images ({kinds}), in nested folders neither.")
        return train, holdout

    def _framing(self, names: list[str], progress: ProgressCallback) -> Framing:
        """Look at the headers of all files, to decide on colours and, where it is not given, on the resolution."""
        folder = Folder(self.place)
        all_grey, sides = True, []
        for number, name in enumerate(names, 1):
            try:
                grey, side = inspect_image(self.place / name)
            except ValueError as error:
                raise InputError(f"{folder.place(name)} cannot be decoded ({error}).") from error
            all_grey = all_grey and grey
            sides.append(side)
            if number % BATCH == 0 or number == len(names):
                progress("looking at images", number, len(names))
        return Framing(self.image_size or default_side(min(sides)), 1 if all_grey else 3, upright=True)
