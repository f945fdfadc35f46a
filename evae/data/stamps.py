"""Stamps of files, which reveal a change without reading the content."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

#: Upper bounds of the steps, in nanoseconds, in which file systems record times: those that store fractions of a second
#: (a tick of the kernel's clock is at most 10 ms), and those that do not (2 s on FAT).
_FINE_STEP, _COARSE_STEP = 50_000_000, 2_000_000_000


class FileStamp(NamedTuple):
    """The stamp of a file.

    Attributes
    ----------
    text : str
        Changes if the file does: its size, its times of modification and of change, and its inode. A program can set
        the first of these times as it likes; the system sets the second one whenever content, times, permissions or
        names change. The inode belongs to another file after a replacement.
    changed_ns : int
        The time of change in nanoseconds.
    """

    text: str
    changed_ns: int = 0

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        """Return the stamp of a file from its status."""
        return cls(f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}", status.st_ctime_ns)


@dataclass(frozen=True)
class SourceStamp:
    """The stamp of the files of a data set.

    Attributes
    ----------
    record : dict
        Identifies the files (``path``) and changes if any of them does; JSON values only.
    changed_ns : int
        The time in nanoseconds at which the last of them changed.
    """

    record: dict[str, Any]
    changed_ns: int = 0

    def wait_until_settled(self) -> None:
        """Wait, after the stamp was taken and before the files are read, until any change gives them another time.

        A file that is written twice within one step of the file system's clock keeps its time. Without the wait the
        second content could have the stamp of the first.
        """
        step = _FINE_STEP if self.changed_ns % 1_000_000_000 else _COARSE_STEP
        left = self.changed_ns + step - time.time_ns()
        # A time in the future is by another clock, which a step from now has moved on as well.
        time.sleep(min(max(left, 0), step) / 1e9)
