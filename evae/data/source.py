"""What every data set can do: be surveyed at a glance, have its checksums compared, and be read, labels too."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from foundation.progress import ProgressCallback, silent

if TYPE_CHECKING:
    from evae.data.images import ImageData, Labels


@dataclass(frozen=True)
class Official:
    """A published data set: its title, its official numbers of training and hold-out images, its own page."""

    title: str
    train: int
    holdout: int
    page: str

    def note(self, train: int, holdout: int) -> str | None:
        """Say that there are fewer images than the official ones, or None where there are all."""
        if (train, holdout) == (self.train, self.holdout):
            return None
        return (
            f"a subset of {self.title}: {train:,} of {self.train:,} training and {holdout:,} of {self.holdout:,} "
            "hold-out images"
        )

    def state(self, train: int, holdout: int) -> str:
        """``complete`` or ``subset``."""
        return "complete" if self.note(train, holdout) is None else "subset"


@dataclass(frozen=True)
class Survey:
    """What is there of a data set, at a glance: nothing is decoded.

    ``state`` is embedded, complete, subset, present (a file or folder of one's own), missing or damaged; ``train`` and
    ``holdout`` are numbers of images, ``bytes`` the size on disk, each None where it is not known without decoding.
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
    """One thing that was checked, whether it passed, and what was seen."""

    name: str
    passed: bool
    detail: str


class DataSource(Protocol):
    """A data set in its place."""

    @property
    def name(self) -> str:
        """How ``--dataset`` calls it."""

    def survey(self) -> Survey:
        """Look at what is there; say so, whatever it is."""

    def checksums(self) -> Iterator[Check]:
        """Compare the files with published checksums, where there are any."""

    def read(self, progress: ProgressCallback = silent, *, fresh: bool = False) -> ImageData:
        """Read the images, or raise a `foundation.errors.InputError` that names what is missing or damaged.

        ``fresh`` decodes anew what a cache may hold.
        """

    def labels(self) -> Labels:
        """Read the class labels in the images' order.

        It raises a `foundation.errors.InputError` where there are none or wrong ones.
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
