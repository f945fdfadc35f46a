"""Zip archives that anybody may have written: members are read into memory, never extracted, never without a limit."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import IO

from theory.files import regular_size

#: Python unpacks the other methods without a limit.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_ENCRYPTED = 0x1


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open an archive for reading.

    Raises
    ------
    InputError
        If there is no such file.
    ValueError
        If it has no whole directory, which stands at its end, or two members of one name; says which.
    """
    regular_size(path)
    try:
        file = zipfile.ZipFile(path)
    except Exception as error:
        # A damaged directory makes Python's reader raise almost anything.
        raise ValueError(str(error) or type(error).__name__) from error
    names = file.namelist()
    if len(set(names)) < len(names):
        file.close()
        twice, _ = Counter(names).most_common(1)[0]
        raise ValueError(f"it holds two members of the name {twice}")
    return file


def open_member(file: zipfile.ZipFile, name: str, most: int) -> tuple[IO[bytes], int]:
    """Open a member for reading; return it with its size, which its content has or else reading it fails.

    Raises
    ------
    ValueError
        If there is no such member, it is larger than ``most`` bytes, encrypted, packed by an unusual method or
        damaged; says which.
    """
    try:
        member = file.getinfo(name)
    except KeyError:
        raise ValueError("there is no such member") from None
    if member.flag_bits & _ENCRYPTED:
        raise ValueError("it is encrypted")
    if member.compress_type not in _METHODS:
        raise ValueError(f"it is packed by the method {member.compress_type}; only stored and deflated ones are read")
    if not 0 <= member.file_size <= most:
        raise ValueError(f"it announces {member.file_size:,} bytes, more than the {most:,} that are unpacked")
    try:
        return file.open(member), member.file_size
    except Exception as error:
        # As in `open_zip`.
        raise ValueError(str(error) or type(error).__name__) from error


def read_member(file: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a member's bytes, whose checksum must be right; a `ValueError` as in `open_member`."""
    stream, size = open_member(file, name, most)
    try:
        with stream:
            content = stream.read()
    except Exception as error:
        # As in `open_zip`.
        raise ValueError(str(error) or type(error).__name__) from error
    if len(content) != size:
        raise ValueError(f"it is cut short ({len(content):,} of {size:,} bytes)")
    return content
