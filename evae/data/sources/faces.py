"""CelebA: aligned faces, read from the official archive without unpacking, or from its folder.

The split is by file number, as published; the hold-out images are the validation images (Appendix C), and the test
images are not used. Appendix B.3: the centred 140 x 140 pixels of 178 x 218, resized to 64 x 64.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evae.data.cache import DecodePlan, DecodeRequest, cache_folder, fetch
from evae.data.decoding import Framing, decode_files
from evae.data.images import ImageData, Labels, as_tensor
from evae.data.source import Check, Official, Survey, get_command, md5_check
from evae.data.sources.image_files import Archive, Folder, ImageFiles, file_stamp, folder_stamp
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress

OFFICIAL = Official("CelebA", 162_770, 19_867, "mmlab.ie.cuhk.edu.hk/projects/CelebA.html")

#: File numbers of the training and the validation images; those from 182,638 to 202,599 are for tests.
TRAIN, VALIDATION = range(1, 162_771), range(162_771, 182_638)

FRAMING = Framing(side=64, channels=3, crop=140, expected=(178, 218))

_FILE = re.compile(r"(?:img_align_celeba/)?(\d{6})\.jpg")


@dataclass(frozen=True)
class Celeba:
    """``data_dir/celeba/img_align_celeba.zip``, or else the folder ``img_align_celeba`` next to it."""

    data_dir: Path
    name: str = "celeba"

    @property
    def archive(self) -> Path:
        """Path of the archive."""
        return self.data_dir / "celeba" / "img_align_celeba.zip"

    @property
    def folder(self) -> Path:
        """Path of the folder, which is read if there is no archive."""
        return self.data_dir / "celeba" / "img_align_celeba"

    def survey(self) -> Survey:
        """Count the images by their file names."""
        try:
            place = self._place()
        except InputError:
            return Survey(self.name, "missing", str(self.archive))
        size = place.stat().st_size if place == self.archive else None
        try:
            with self._files() as (_, names):
                train, holdout = (len(numbers) for numbers in split(names))
        except InputError as error:
            return Survey(self.name, "damaged", str(place), bytes=size, remark=str(error))
        return Survey(self.name, OFFICIAL.state(train, holdout), str(place), train, holdout, size)

    def checksums(self) -> Iterator[Check]:
        """Compare a complete archive with torchvision's checksum; a subset has only those within its archive."""
        from torchvision.datasets import CelebA

        if self.archive.is_file() and self.survey().state != "subset":
            published = {name: md5 for _, md5, name in CelebA.file_list}
            yield md5_check(self.archive, published[self.archive.name])

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:
        """Read the training and validation images, decoded once and then cached."""
        stamp = self._stamp()
        parameters = {"side": FRAMING.side, "crop": FRAMING.crop}
        request = DecodeRequest("celeba", stamp, parameters)
        with self._plan(progress) as plan:
            images = fetch(cache_folder(self.data_dir), request, plan, fresh=fresh)
        note = OFFICIAL.note(len(images.train), len(images.holdout))
        return ImageData(as_tensor(images.train), as_tensor(images.holdout), note)

    def labels(self) -> Labels:
        """Raise `InputError`: CelebA has no classes."""
        raise InputError("celeba has no class labels: its attributes do not exclude one another.")

    @contextmanager
    def _plan(self, progress: ProgressCallback) -> Iterator[Callable[[], DecodePlan]]:
        """Yield a function that opens the files and plans their decoding; close the files afterwards."""
        with ExitStack() as stack:

            def plan() -> DecodePlan:
                files, names = stack.enter_context(self._files())
                train, holdout = split(names)
                batches = decode_files(files, [*train, *holdout], FRAMING, progress)
                shape = (FRAMING.channels, FRAMING.side, FRAMING.side)
                return DecodePlan(len(train), len(holdout), shape, batches)

            yield plan

    def _place(self) -> Path:
        if self.archive.is_file():
            return self.archive
        if self.folder.is_dir():
            return self.folder
        raise InputError(
            f"{self.archive} is missing. Run {get_command(self.name, self.data_dir)}, or fetch img_align_celeba.zip "
            f"from {OFFICIAL.page} and put it there without unpacking; a subset is enough."
        )

    @contextmanager
    def _files(self) -> Iterator[tuple[ImageFiles, list[str]]]:
        """Open the archive or the folder; yield it and its file names."""
        place = self._place()
        if place == self.archive:
            remedy = f"Delete it and run {get_command(self.name, self.data_dir)}."
            with Archive.open(place, remedy) as archive:
                yield archive, self._require_both_splits(archive.names())
        else:
            folder = Folder(place)
            yield folder, self._require_both_splits(folder.names(frozenset((".jpg",))))

    def _require_both_splits(self, names: list[str]) -> list[str]:
        train, holdout = split(names)
        if not train or not holdout:
            raise InputError(
                f"{self._place()} must hold both training faces (000001.jpg to 162770.jpg) and validation faces "
                f"(162771.jpg to 182637.jpg), got {len(train):,} and {len(holdout):,}."
            )
        return names

    def _stamp(self) -> dict[str, Any]:
        place = self._place()
        return file_stamp(place) if place == self.archive else folder_stamp(place, frozenset((".jpg",)))


def split(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names of the training and validation images, each sorted by file number."""
    numbered = sorted((int(found[1]), name) for name in names if (found := _FILE.fullmatch(name)))
    train = [name for number, name in numbered if number in TRAIN]
    return train, [name for number, name in numbered if number in VALIDATION]
