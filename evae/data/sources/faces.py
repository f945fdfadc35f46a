"""CelebA: aligned faces, read from the official archive without unpacking, or from its folder.

The split is by file number, as published; the hold-out images are the validation images (Appendix C), and the test
images are not used. Appendix B.3: the centred 140 x 140 pixels of 178 x 218, resized to 64 x 64.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evae.data.cache import DecodePlan, DecodeRequest, cache_folder, fetch
from evae.data.decoding import Decoder, Framing, report_of
from evae.data.images import ImageData, Labels, as_tensor
from evae.data.inventory import Decoded, Inventory, undecodable_error
from evae.data.published import CELEBA, Content
from evae.data.source import Check, Survey, get_command, md5_check
from evae.data.sources.image_files import Archive, Folder, ImageFiles, stamp_file
from evae.data.stamps import SourceStamp
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress

#: File numbers of the training and the validation images; those from 182,638 to 202,599 are for tests.
TRAIN, VALIDATION, TEST = range(1, 162_771), range(162_771, 182_638), range(182_638, 202_600)

FRAMING = Framing(side=64, channels=3, crop=140, expected=(178, 218))

_FILE = re.compile(r"(?:img_align_celeba/)?(\d{6})\.jpg")

_SUFFIXES = frozenset((".jpg",))


@dataclass(frozen=True)
class Faces:
    """The files of an archive or a folder by their numbers; `sort_faces` makes it.

    Attributes
    ----------
    train, holdout : list of str
        Names of the training and the validation images, by file number.
    skipped : mapping of str to int
        Numbers of other files by kind (`evae.data.inventory.KINDS`).
    """

    train: list[str]
    holdout: list[str]
    skipped: dict[str, int]


@dataclass(frozen=True)
class Celeba:
    """``data_dir/celeba/img_align_celeba.zip``, or else the folder ``img_align_celeba`` next to it.

    Parameters
    ----------
    data_dir : Path
    skip_undecodable : bool
        Leave out images that cannot be decoded. By default they are an error.
    side : int
        Of the images after resizing.
    """

    data_dir: Path
    skip_undecodable: bool = False
    name: str = "celeba"
    side: int = FRAMING.side

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
            with self._files() as (_, faces):
                train, holdout = len(faces.train), len(faces.holdout)
        except InputError as error:
            return Survey(self.name, "damaged", str(place), bytes=size, remark=str(error))
        return Survey(self.name, CELEBA.state(train, holdout), str(place), train, holdout, size)

    def checksums(self) -> Iterator[Check]:
        """Compare a complete archive with torchvision's checksum; a subset has only those within its archive."""
        if self.archive.is_file() and self.survey().state != "subset":
            yield md5_check(self.archive, _published_md5())

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:
        """Read the training and validation images, decoded once and then cached.

        A complete archive is compared with torchvision's checksum before it is decoded.
        """
        stamp = self._stamp()
        parameters: dict[str, Any] = {"side": self.side, "crop": FRAMING.crop}
        if self.skip_undecodable:
            parameters["skip_undecodable"] = True
        request = DecodeRequest("celeba", stamp, parameters)
        with self._plan(progress) as plan:
            images = fetch(cache_folder(self.data_dir), request, plan, fresh=fresh)
        note = CELEBA.note(len(images.train), len(images.holdout))
        inventory = self._inventory(len(images.train) + len(images.holdout), images.decoded)
        checksums = {} if note or self._place() != self.archive else {"md5": _published_md5()}
        content = Content(CELEBA.title, note is None, checksums)
        return ImageData(
            as_tensor(images.train), as_tensor(images.holdout), note, content, inventory, known_sha256=images.sha256
        )

    def labels(self) -> Labels:
        """Raise `InputError`: CelebA has no classes."""
        raise InputError("celeba has no class labels: its attributes do not exclude one another.")

    @contextmanager
    def _plan(self, progress: ProgressCallback) -> Iterator[Callable[[], DecodePlan]]:
        """Yield a function that opens the files and plans their decoding; close the files afterwards."""
        with ExitStack() as stack:

            def plan() -> DecodePlan:
                files, faces = stack.enter_context(self._files())
                self._require_published(faces)
                framing = dataclasses.replace(FRAMING, side=self.side)
                decoder = Decoder(files, [*faces.train, *faces.holdout], framing, progress)
                shape = (framing.channels, framing.side, framing.side)
                return DecodePlan(
                    len(faces.train),
                    len(faces.holdout),
                    shape,
                    self._batches(decoder, faces),
                    lambda: report_of(decoder, faces.train, decoder.failures),
                )

            yield plan

    def _batches(self, decoder: Decoder, faces: Faces) -> Iterator[NDArray[np.uint8]]:
        """Decode the images; raise `InputError` for those that fail, unless they may be skipped and others are left."""
        yield from decoder.batches()
        failures = decoder.failures
        lost = any(all(name in failures for name in names) for names in (faces.train, faces.holdout))
        if failures and (lost or not self.skip_undecodable):
            raise undecodable_error(failures, len(faces.train) + len(faces.holdout))

    def _require_published(self, faces: Faces) -> None:
        """Raise `InputError` if a complete archive is not the published one; the cache keeps the result."""
        complete = CELEBA.note(len(faces.train), len(faces.holdout)) is None
        if complete and self._place() == self.archive:
            check = md5_check(self.archive, _published_md5())
            if not check.passed:
                raise InputError(
                    f"{check.detail}, although it has as many faces as {CELEBA.title}. Delete it and run "
                    f"{get_command(self.name, self.data_dir)}, or unpack it into {self.folder} to use it as it is."
                )

    def _inventory(self, loaded: int, decoded: Decoded) -> Inventory:
        with self._files() as (_, faces):
            return Inventory(loaded, faces.skipped, decoded=decoded)

    def _place(self) -> Path:
        if self.archive.is_file():
            return self.archive
        if self.folder.is_dir():
            return self.folder
        raise InputError(
            f"{self.archive} is missing. Run {get_command(self.name, self.data_dir)}, or fetch img_align_celeba.zip "
            f"from {CELEBA.page} and put it there without unpacking; a subset is enough."
        )

    @contextmanager
    def _files(self) -> Iterator[tuple[ImageFiles, Faces]]:
        """Open the archive or the folder; yield it and its files."""
        place = self._place()
        if place == self.archive:
            remedy = f"Delete it and run {get_command(self.name, self.data_dir)}."
            with Archive.open(place, remedy) as archive:
                yield archive, self._require_both_splits(sort_faces(archive.names(), str(place)))
        else:
            listing = Folder(place).scan(_SUFFIXES)
            faces = sort_faces(listing.names, str(place))
            skipped = Counter(faces.skipped) + Counter(listing.skipped)
            # Their suffixes say nothing: what is not a face is one kind here.
            skipped["other_member"] += skipped.pop("other_suffix", 0)
            yield Folder(place), self._require_both_splits(Faces(faces.train, faces.holdout, dict(+skipped)))

    def _require_both_splits(self, faces: Faces) -> Faces:
        if not faces.train or not faces.holdout:
            raise InputError(
                f"{self._place()} must hold both training faces (000001.jpg to 162770.jpg) and validation faces "
                f"(162771.jpg to 182637.jpg), got {len(faces.train):,} and {len(faces.holdout):,}."
            )
        return faces

    def _stamp(self) -> SourceStamp:
        place = self._place()
        return stamp_file(place) if place == self.archive else Folder(place).scan(_SUFFIXES).stamp(place)


def sort_faces(names: Sequence[str], place: str) -> Faces:
    """Sort names of files into the partitions of CelebA by their numbers.

    Raises
    ------
    InputError
        If two files have the same number; the message names ``place`` and both.
    """
    numbered: dict[int, str] = {}
    skipped: Counter[str] = Counter()
    for name in names:
        found = _FILE.fullmatch(name)
        number = int(found[1]) if found else 0
        if number in TEST:
            skipped["test_face"] += 1
        elif number not in TRAIN and number not in VALIDATION:
            skipped["other_member"] += 1
        elif number in numbered:
            first, second = sorted((numbered[number], name))
            raise InputError(
                f"{place} must hold one file for each number, got both {first} and {second}. Delete one of them."
            )
        else:
            numbered[number] = name
    train, holdout = (
        [numbered[number] for number in sorted(numbered) if number in part] for part in (TRAIN, VALIDATION)
    )
    return Faces(train, holdout, dict(skipped))


def _published_md5() -> str:
    from torchvision.datasets import CelebA

    published = {name: md5 for _, md5, name in CelebA.file_list}
    return str(published["img_align_celeba.zip"])
