"""NumPy's files, .npy and .npz, that anybody may have written: nothing is unpickled, and no size is believed.

`numpy.load` allots what a header announces before it looks for it, and unpacks a member of an archive whatever its
size. Here a header must announce what is there.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from foundation.files import most_unpacked, regular_size

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


#: Booleans, integers, floats and complex numbers, bytes and text.
_KINDS = "biufcSU"

_CHUNK = 2**20


def read_npy(path: Path) -> NDArray[Any]:
    """Read a .npy file.

    Raises
    ------
    InputError
        If there is no such file.
    ValueError
        If it is none, is cut short or too long, or holds objects; says which.
    """
    size = regular_size(path)
    with path.open("rb") as stream:
        return _read(stream, size)


def npy_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns come first, and type of an array of ``size`` bytes, header included.

    Raises
    ------
    ValueError
        If the header is none, or announces another size; says which.
    """
    try:
        with warnings.catch_warnings():
            # A header of Python 2 is read all the same.
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise ValueError("its header has a form that is not read")
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = reader(stream)
    except Exception as error:
        # A damaged header makes NumPy's reader raise almost anything.
        raise ValueError((str(error) or type(error).__name__).splitlines()[0]) from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpickled")
    if dtype.kind not in _KINDS or dtype.itemsize == 0 or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"it holds {dtype} of shape {shape}, which is not read")
    announced, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if announced != there or max(shape, default=0) > size:
        raise ValueError(f"its header announces {dtype} of shape {shape}, and {there:,} bytes follow")
    return shape, fortran, dtype


class ArrayArchive:
    """An open .npz file; use it in a ``with`` block.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If there is no such file.
    ValueError
        If it is no zip archive; says why.
    """

    def __init__(self, path: Path) -> None:
        self._file: zipfile.ZipFile = open_zip(path)
        self._most = most_unpacked(regular_size(path))

    def __enter__(self) -> ArrayArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def names(self) -> set[str]:
        """The names of the arrays."""
        return {name.removesuffix(".npy") for name in self._file.namelist()}

    def read(self, name: str) -> NDArray[Any]:
        """Read one array; a `ValueError` where it is missing, damaged, a bomb or holds objects."""
        stream, size = open_member(self._file, f"{name}.npy", self._most)
        with stream:
            return _read(stream, size)


def _read(stream: IO[bytes], size: int) -> NDArray[Any]:
    shape, fortran, dtype = npy_header(stream, size)
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    # Bytes as they lie in the file, without a copy.
    content = (array.T if fortran else array).reshape(-1).view(np.uint8).data
    done = 0
    try:
        while done < len(content) and (read := stream.readinto(content[done : done + _CHUNK])):  # type: ignore[attr-defined]
            done += read
    except Exception as error:
        # As in `foundation.untrusted.open_zip`.
        raise ValueError(str(error) or type(error).__name__) from error
    if done < len(content):
        raise ValueError(f"it is cut short ({done:,} of {len(content):,} bytes of its array)")
    return array
