"""Safe reading of zip archives and of NumPy's .npy and .npz files from unknown sources.

Nothing is unpickled, and the size that a header declares must be that of the content. `numpy.load` allocates the
declared size before it reads, and decompresses members of an archive without a limit on their size.
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

from foundation.files import limit_unpacked_size, read_file_size

#: The compression methods that are read. Python decompresses data of the other methods without a limit.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_ENCRYPTED = 0x1


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open an archive for reading.

    Raises
    ------
    InputError
        If the file is missing.
    ValueError
        If its directory is damaged or has two members of the same name; the message says which.
    """
    read_file_size(path)
    try:
        file = zipfile.ZipFile(path)
    except Exception as error:
        # A damaged directory makes Python's reader raise exceptions of almost any type.
        raise ValueError(str(error) or type(error).__name__) from error
    names = file.namelist()
    if len(set(names)) < len(names):
        file.close()
        repeated, _ = Counter(names).most_common(1)[0]
        raise ValueError(f"it has two members named {repeated}")
    return file


def open_member(file: zipfile.ZipFile, name: str, most: int) -> tuple[IO[bytes], int]:
    """Open a member for reading; return it with its declared size in bytes.

    Raises
    ------
    ValueError
        If the member is missing, larger than ``most`` bytes, encrypted, compressed by an unusual method or damaged; the
        message says which.
    """
    try:
        member = file.getinfo(name)
    except KeyError:
        raise ValueError("a member of this name does not exist") from None
    if member.flag_bits & _ENCRYPTED:
        raise ValueError("it is encrypted")
    if member.compress_type not in _METHODS:
        raise ValueError(f"it must be stored or deflated, got compression method {member.compress_type}")
    if not 0 <= member.file_size <= most:
        raise ValueError(f"it must have at most {most:,} bytes, got a declared size of {member.file_size:,}")
    try:
        return file.open(member), member.file_size
    except Exception as error:
        # As in `open_zip`.
        raise ValueError(str(error) or type(error).__name__) from error


def read_member(file: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return the bytes of a member, whose checksum is verified; raise a `ValueError` as `open_member` does."""
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


#: NumPy's kinds of the arrays that are read: booleans, integers, floats, complex numbers, bytes and text.
_KINDS = "biufcSU"

#: Number of bytes per read.
_CHUNK = 2**20


def read_npy(path: Path) -> NDArray[Any]:
    """Read a .npy file.

    Raises
    ------
    InputError
        If the file is missing.
    ValueError
        If its header is damaged, its content is shorter or longer than declared, or it holds Python objects; the
        message says which.
    """
    size = read_file_size(path)
    with path.open("rb") as stream:
        return _read(stream, size)


def read_npy_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether the array is in Fortran order, and the type of an array.

    ``size`` is the number of bytes in the stream, the header included.

    Raises
    ------
    ValueError
        If the header is damaged, or declares another size; the message says which.
    """
    try:
        with warnings.catch_warnings():
            # NumPy warns of a header written by Python 2, and reads it.
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"its header must be of version 1.0 or 2.0, got {version[0]}.{version[1]}")
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = reader(stream)
    except Exception as error:
        # A damaged header makes NumPy's reader raise exceptions of almost any type.
        raise ValueError((str(error) or type(error).__name__).splitlines()[0]) from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpickled")
    if dtype.kind not in _KINDS or dtype.itemsize == 0 or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"it must hold booleans, numbers or text, got {dtype} of shape {shape}")
    declared, actual = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if declared != actual or max(shape, default=0) > size:
        raise ValueError(f"its header declares {dtype} of shape {shape}, but {actual:,} bytes follow")
    return shape, fortran, dtype


class ArrayArchive:
    """An open .npz file, for a ``with`` block.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file is missing.
    ValueError
        If it is not a valid zip archive; the message says why.
    """

    def __init__(self, path: Path) -> None:
        self._file: zipfile.ZipFile = open_zip(path)
        self._most = limit_unpacked_size(read_file_size(path))

    def __enter__(self) -> ArrayArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def names(self) -> set[str]:
        """The names of the arrays."""
        return {name.removesuffix(".npy") for name in self._file.namelist()}

    def read_header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and the type of one array; raise a `ValueError` as `read` does."""
        stream, size = open_member(self._file, f"{name}.npy", self._most)
        with stream:
            shape, _, dtype = read_npy_header(stream, size)
        return shape, dtype

    def read(self, name: str) -> NDArray[Any]:
        """Read one array; raise a `ValueError` if it is missing, damaged, too large or holds Python objects."""
        stream, size = open_member(self._file, f"{name}.npy", self._most)
        with stream:
            return _read(stream, size)


def _read(stream: IO[bytes], size: int) -> NDArray[Any]:
    shape, fortran, dtype = read_npy_header(stream, size)
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    # A view of the bytes in the order of the file, without a copy.
    content = (array.T if fortran else array).reshape(-1).view(np.uint8).data
    done = 0
    try:
        while done < len(content) and (read := stream.readinto(content[done : done + _CHUNK])):  # type: ignore[attr-defined]
            done += read
    except Exception as error:
        # As in `open_zip`.
        raise ValueError(str(error) or type(error).__name__) from error
    if done < len(content):
        raise ValueError(f"it is cut short ({done:,} of {len(content):,} bytes of its array)")
    return array
