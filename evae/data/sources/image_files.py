"""Containers of encoded images: a zip archive or a folder, which return the bytes of a file by its name."""

from __future__ import annotations

import hashlib
import heapq
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evae.data.stamps import FileStamp, SourceStamp
from foundation.errors import InputError
from foundation.files import read_bytes
from foundation.untrusted import open_zip, read_member

#: Upper bound of the size of an encoded image in bytes.
LARGEST_IMAGE_FILE = 2**28


class ImageFiles(Protocol):
    """A container of encoded images."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises `InputError` that names the file."""

    def place(self, name: str) -> str:
        """Return the description of a file for messages."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder, found by `Folder.scan`; names are relative paths with slashes.

    Attributes
    ----------
    stamps : mapping of str to FileStamp
        By the name of each image file, in sorted order.
    skipped : mapping of str to int
        Numbers of other files by kind (`evae.data.inventory.KINDS`).
    suffixes : mapping of str to int
        Numbers of those of the kind ``other_suffix``, by suffix.
    links : int
        Number of links to folders that are listed anyway, or that contain the link.
    folders : tuple of str
        All folders, also those without files, in sorted order.
    """

    stamps: Mapping[str, FileStamp]
    skipped: Mapping[str, int]
    suffixes: Mapping[str, int]
    links: int
    folders: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The names of the image files, sorted."""
        return list(self.stamps)

    def stamp(self, path: Path) -> SourceStamp:
        """Return the stamp of the image files of the folder ``path``."""
        lines = (f"{name}\0{stamp.text}\0" for name, stamp in self.stamps.items())
        digest = hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
        record = {"path": str(path.resolve()), "files": len(self.stamps), "sha256_of_names_and_stamps": digest}
        return SourceStamp(record, max((stamp.changed_ns for stamp in self.stamps.values()), default=0))


@dataclass(frozen=True)
class Folder:
    """The files of a folder; names are relative paths with slashes."""

    path: Path

    def scan(self, suffixes: frozenset[str], splits: Sequence[str] = ("",)) -> Listing:
        """List the files in subfolders, also nested ones, and those behind links to folders.

        Each folder is listed once, under its own name rather than that of a link. Hidden files are skipped.

        Parameters
        ----------
        suffixes : frozenset of str
            Those of image files, in lower case.
        splits : sequence of str
            The subfolders with images, each listed independently of the others. Files elsewhere in the folder are
            skipped. By default the folder itself is listed.

        Raises
        ------
        InputError
            If a folder cannot be read.
        """
        walks = [_Walk(self.path, split, suffixes) for split in splits]
        for walk in walks:
            walk.run()
        skipped = sum((walk.skipped for walk in walks), Counter[str]())
        if outside := self._count_outside(splits):
            skipped["outside_splits"] = outside
        return Listing(
            dict(sorted(item for walk in walks for item in walk.stamps.items())),
            dict(sorted(skipped.items())),
            dict(sorted(sum((walk.suffixes for walk in walks), Counter[str]()).items())),
            sum(walk.links for walk in walks),
            tuple(sorted(name for walk in walks for name in walk.folders)),
        )

    def _count_outside(self, splits: Sequence[str]) -> int:
        """Count the files that are in none of the subfolders; links to folders are not followed."""
        if "" in splits:
            return 0
        count = 0
        for entry in _entries(self.path):
            if entry.name in splits:
                continue
            if entry.is_dir(follow_symlinks=False):
                count += sum(len(files) for _, _, files in os.walk(entry.path))
            elif not _leads_to_folder(entry):
                count += 1
        return count

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return read_bytes(self.path / name, LARGEST_IMAGE_FILE)

    def place(self, name: str) -> str:
        """Return the file's path."""
        return str(self.path / name)


class _Walk:
    """The listing of one subfolder of a folder: real folders first, then those behind links."""

    def __init__(self, root: Path, start: str, suffixes: frozenset[str]) -> None:
        self._root, self._start, self._image_suffixes = root, start, suffixes
        self.stamps: dict[str, FileStamp] = {}
        self.skipped: Counter[str] = Counter()
        self.suffixes: Counter[str] = Counter()
        self.links = 0
        self.folders: list[str] = []
        self._seen: set[tuple[int, int]] = set()
        self._linked: list[str] = []

    def run(self) -> None:
        """List the files."""
        path = self._root / self._start
        if not path.is_dir():
            return
        # A link to a folder that contains this one would lead around in a circle.
        for above in (path.absolute(), path.resolve()):
            self._seen.update(_identity(folder.stat()) for folder in above.parents)
        self._enter(self._start)
        while self._linked:
            name = heapq.heappop(self._linked)
            if _identity((self._root / name).stat()) in self._seen:
                self.links += 1
            else:
                self._enter(name)

    def _enter(self, start: str) -> None:
        """List a folder and the real folders in it; remember links to folders for later."""
        pending = [(start, False)]
        while pending:
            folder, hidden = pending.pop()
            identity = _identity((self._root / folder).stat())
            if identity in self._seen:
                continue
            self._seen.add(identity)
            if not hidden:
                self.folders.append(folder)
            for entry in sorted(_entries(self._root / folder), key=lambda entry: entry.name):
                name = f"{folder}/{entry.name}" if folder else entry.name
                inside = hidden or entry.name.startswith(".")
                if entry.is_dir(follow_symlinks=False):
                    pending.append((name, inside))
                elif not inside and _leads_to_folder(entry):
                    heapq.heappush(self._linked, name)
                else:
                    self._add(name, entry, hidden=inside)

    def _add(self, name: str, entry: os.DirEntry[str], *, hidden: bool) -> None:
        # pathlib would take most of the time that a start takes with a large folder.
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
        if hidden:
            self.skipped["hidden"] += 1
        elif suffix in self._image_suffixes:
            self.stamps[name] = _entry_stamp(entry)
        elif entry.is_symlink() and not Path(entry.path).exists():
            self.skipped["broken_link"] += 1
        else:
            self.skipped["other_suffix"] += 1
            self.suffixes[suffix or "none"] += 1


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read ({error.strerror}).") from error


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _entry_stamp(entry: os.DirEntry[str]) -> FileStamp:
    """Return the stamp of a file; what is not a readable file is reported when it is read."""
    try:
        status = entry.stat()
    except OSError as error:
        return FileStamp(f"unreadable {error.errno}")
    return FileStamp.of(status) if stat.S_ISREG(status.st_mode) else FileStamp("not a file")


@dataclass(frozen=True)
class Archive:
    """The members of an open zip file; `open` creates it."""

    path: Path
    file: zipfile.ZipFile

    @classmethod
    @contextmanager
    def open(cls, path: Path, remedy: str) -> Iterator[Archive]:
        """Open a zip file; raises `InputError` with the remedy if its directory, which is at the end, is missing."""
        try:
            file = open_zip(path)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                f"{path} ({path.stat().st_size:,} bytes) is not a zip archive, or its download is incomplete "
                f"({error}). {remedy}"
            ) from error
        with file:
            yield cls(path, file)

    def names(self) -> list[str]:
        """Return the names of the members that are not folders, sorted."""
        return sorted(name for name in self.file.namelist() if not name.endswith("/"))

    def read(self, name: str) -> bytes:
        """Return a member's bytes, verified by the archive's checksum."""
        try:
            return read_member(self.file, name, LARGEST_IMAGE_FILE)
        except ValueError as error:
            raise InputError(f"{self.place(name)} is damaged ({error}).") from error

    def place(self, name: str) -> str:
        """Return the names of the member and of the archive."""
        return f"the member {name} of {self.path}"


def stamp_file(path: Path) -> SourceStamp:
    """Return the stamp of a file."""
    stamp = FileStamp.of(path.stat())
    return SourceStamp({"path": str(path.resolve()), "stamp": stamp.text}, stamp.changed_ns)
