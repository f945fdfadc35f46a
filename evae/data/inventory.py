"""What became of the files of a data set: how many were read, and how many were skipped, by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from foundation.errors import InputError
from foundation.typography import format_count
from foundation.validation import is_count, is_mapping_of, is_record, is_text

#: The kinds of skipped files, each in the singular and the plural.
KINDS = {
    "hidden": ("hidden file", "hidden files"),
    "other_suffix": ("file with another suffix", "files with other suffixes"),
    "broken_link": ("broken link", "broken links"),
    "outside_splits": ("file outside of train and test", "files outside of train and test"),
    "other_member": ("file that is not a face", "files that are not faces"),
    "test_face": ("face of the test partition", "faces of the test partition"),
}

#: Number of files that a sentence names.
MOST_NAMED = 10

#: The form of `Decoded.document`.
DECODED = is_record(
    {"undecodable": is_mapping_of(is_text), "pages": is_mapping_of(is_count), "repeated": is_count, "shared": is_count}
)


@dataclass(frozen=True)
class Decoded:
    """What decoding found out about files.

    Attributes
    ----------
    undecodable : mapping of str to str
        By file name, a clause that says what is wrong with the file.
    pages : mapping of str to int
        By file name, the number of pages or frames of a file with more than one; the first one is read.
    repeated : int
        Number of files with the same bytes as an earlier file of their split.
    shared : int
        Number of hold-out files with the same bytes as a training file.
    """

    undecodable: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    shared: int = 0

    def document(self) -> dict[str, Any]:
        """Return the fields, for a JSON file."""
        return {
            "undecodable": dict(self.undecodable),
            "pages": dict(self.pages),
            "repeated": self.repeated,
            "shared": self.shared,
        }

    @classmethod
    def of(cls, document: Any) -> Decoded:
        """Read the output of `document`; raises `ValueError` if it has another form."""
        if not DECODED(document):
            raise ValueError("it must hold what decoding found")
        return cls(**document)


@dataclass(frozen=True)
class Inventory:
    """The files of a data set: each is loaded, skipped or undecodable.

    Attributes
    ----------
    loaded : int
        Number of files that became an image.
    skipped : mapping of str to int
        Numbers of files that were not read, by kind (`KINDS`).
    suffixes : mapping of str to int
        Numbers of skipped files by suffix, of the kind ``other_suffix``.
    links : int
        Number of links to folders that are read anyway, or that contain the link.
    empty : tuple of str
        Folders of a class from which no image was read.
    decoded : Decoded
    """

    loaded: int
    skipped: Mapping[str, int] = field(default_factory=dict)
    suffixes: Mapping[str, int] = field(default_factory=dict)
    links: int = 0
    empty: tuple[str, ...] = ()
    decoded: Decoded = field(default_factory=Decoded)

    @property
    def files(self) -> int:
        """Number of all files."""
        return self.loaded + sum(self.skipped.values()) + len(self.decoded.undecodable)

    def document(self) -> dict[str, Any]:
        """Return the numbers, for a JSON file."""
        pages = self.decoded.pages.values()
        return {
            "files": self.files,
            "loaded": self.loaded,
            "skipped": dict(self.skipped),
            "suffixes": dict(self.suffixes),
            "links": self.links,
            "empty": list(self.empty),
            "undecodable": dict(self.decoded.undecodable),
            "files_of_several_pages": len(pages),
            "further_pages": sum(pages) - len(pages),
            "repeated": self.decoded.repeated,
            "shared": self.decoded.shared,
        }

    def sentences(self) -> list[str]:
        """Return sentences on everything that was skipped or is remarkable; none if there is nothing."""
        skipped = [self._count_kind(kind, count) for kind, count in self.skipped.items() if count]
        if self.links:
            skipped.append(
                format_count(self.links, "link to a folder that is read anyway", "links to folders that are read")
            )
        undecodable = self.decoded.undecodable
        if undecodable:
            skipped.append(
                f"{format_count(len(undecodable), 'undecodable file', 'undecodable files')} ({name_some(undecodable)})"
            )
        pages = self.decoded.pages
        if pages:
            further = format_count(sum(pages.values()) - len(pages), "further page", "further pages")
            skipped.append(f"{further} of {format_count(len(pages), 'file', 'files')} ({name_some(pages)})")
        found = [f"Skipped: {'; '.join(skipped)}."] if skipped else []
        if self.empty:
            found.append(f"No image was read from {name_some(self.empty)}.")
        if self.decoded.repeated:
            repeated = format_count(self.decoded.repeated, "file repeats", "files repeat")
            found.append(f"{repeated} the bytes of another one in the same split; all are used.")
        if self.decoded.shared:
            images = format_count(self.decoded.shared, "hold-out image is", "hold-out images are")
            found.append(f"{images} also among the training images, so that hold-out figures are too good.")
        return found

    def _count_kind(self, kind: str, count: int) -> str:
        text = format_count(count, *KINDS[kind])
        if kind != "other_suffix":
            return text
        most = Counter(self.suffixes).most_common(MOST_NAMED)
        return f"{text} ({', '.join(f'{suffix} {number:,}' for suffix, number in most)})"


def name_some(names: Iterable[str]) -> str:
    """Return the first names, and the number of the others.

    Examples
    --------
    >>> name_some(str(number) for number in range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 others'
    """
    listed = list(names)
    rest = len(listed) - MOST_NAMED
    others = f" and {format_count(rest, 'other', 'others')}" if rest > 0 else ""
    return f"{', '.join(listed[:MOST_NAMED])}{others}"


def undecodable_error(failures: Mapping[str, str], total: int) -> InputError:
    """Return the error that names the files that cannot be decoded, of ``total`` image files.

    ``failures`` are as in `Decoded.undecodable`.
    """
    found = [clause for _, clause in sorted(failures.items())]
    if len(found) == 1:
        return InputError(f"{found[0]}. Replace or delete it, or leave it out with --skip-undecodable.")
    rest = len(found) - MOST_NAMED
    others = f"; and {rest:,} more" if rest > 0 else ""
    return InputError(
        f"{len(found):,} of {total:,} image files cannot be decoded: {'; '.join(found[:MOST_NAMED])}{others}. Replace "
        "or delete them, or leave them out with --skip-undecodable."
    )
