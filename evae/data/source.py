"""Interface of data sources: survey, checksums, images and labels."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from foundation.progress import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    from evae.data.images import ImageData, Labels


@dataclass(frozen=True)
class Survey:
    """State of a data set on disk, found without decoding images.

    ``state`` is embedded, complete, subset, present (a user's file or folder), missing or damaged; ``train`` and
    ``holdout`` are numbers of images and ``bytes`` the size on disk, each None if unknown without decoding.
    """

    name: str
    state: str
    place: str
    train: int | None = None
    holdout: int | None = None
    bytes: int | None = None
    remark: str = ""

    def document(self) -> dict[str, Any]:
        """Return the fields, for a JSON file."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Check:
    """Result of one check: its name, whether it passed, and details."""

    name: str
    passed: bool
    detail: str


class DataSource(Protocol):
    """A data set at a location on disk."""

    @property
    def name(self) -> str:
        """Its value of ``--dataset``."""

    def survey(self) -> Survey:
        """Inspect the files without decoding images; never raises for missing or damaged files."""

    def checksums(self) -> Iterator[Check]:
        """Compare the files with published checksums, if there are any."""

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:
        """Read the images; raises `foundation.errors.InputError` that names the missing or damaged file.

        ``fresh`` ignores the cache and decodes the images again.
        """

    def labels(self) -> Labels:
        """Read the class labels in the order of the images.

        Raises `foundation.errors.InputError` if there are none, or they are invalid.
        """


def get_command(name: str, data_dir: Path) -> str:
    """Return the command that downloads a data set."""
    return f"`python cli.py datasets get {name} --data-dir {data_dir}`"


def md5_check(path: Path, published: str) -> Check:
    """Compare a file with its published MD5 sum."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found == published:
        return Check(path.name, True, "the published MD5 sum")
    return Check(path.name, False, f"{path} has the MD5 sum {found}, not the published {published}")
