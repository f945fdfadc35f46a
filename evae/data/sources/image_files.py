"""Containers of encoded images: a zip archive or a folder, which return the bytes of a file by its name."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from foundation.errors import InputError
from foundation.files import read_bytes, read_file_size
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
class Folder:
    """The files of a folder; names are relative paths with slashes."""

    path: Path

    def names(self, suffixes: frozenset[str]) -> list[str]:
        """Return the sorted names of all files with one of these suffixes, also in nested folders; no hidden files."""
        found = []
        for folder, inner, files in os.walk(self.path):
            inner[:] = [name for name in inner if not name.startswith(".")]
            here = Path(folder).relative_to(self.path)
            found += [
                (here / name).as_posix()
                for name in files
                if not name.startswith(".") and Path(name).suffix.lower() in suffixes
            ]
        return sorted(found)

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return read_bytes(self.path / name, LARGEST_IMAGE_FILE)

    def place(self, name: str) -> str:
        """Return the file's path."""
        return str(self.path / name)


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
        """Return the names of the members, sorted."""
        return sorted(self.file.namelist())

    def read(self, name: str) -> bytes:
        """Return a member's bytes, verified by the archive's checksum."""
        try:
            return read_member(self.file, name, LARGEST_IMAGE_FILE)
        except ValueError as error:
            raise InputError(f"{self.place(name)} is damaged ({error}).") from error

    def place(self, name: str) -> str:
        """Return the names of the member and of the archive."""
        return f"the member {name} of {self.path}"


def file_stamp(path: Path) -> dict[str, Any]:
    """Return a record that reveals a change of a file: its path, size and modification time."""
    stat = path.stat()
    return {"path": str(path.resolve()), "bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}


def folder_stamp(path: Path, suffixes: frozenset[str]) -> dict[str, Any]:
    """Return a record that reveals a change of a folder's images: a digest of names, sizes and modification times."""
    digest = hashlib.sha256()
    names = Folder(path).names(suffixes)
    for name in names:
        size = read_file_size(path / name)
        digest.update(f"{name}\0{size}\0{(path / name).stat().st_mtime_ns}\0".encode(errors="surrogateescape"))
    return {"path": str(path.resolve()), "files": len(names), "sha256_of_names_sizes_times": digest.hexdigest()}
