"""From the bytes of a file to its text: compression, encoding, and files that are no text."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib

from foundation.errors import InputError
from foundation.files import limit_unpacked_size
from simulations.observations.names import ENCODINGS

LARGEST_TEXT = 2**28
"""Largest size of a text in bytes, after decompression; a larger sample must be a NumPy array."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    # That of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
"""Byte order marks, with the names of the encodings they declare and of the codecs that skip them."""

_GZIP = b"\x1f\x8b"

_EXPORT = "Export the table as a text file, such as CSV."

_UNPACK = "Decompress it first."

#: The first bytes of files that are no text.
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", _EXPORT),
    (b"PK\x05\x06", "an empty zip archive", _EXPORT),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", _EXPORT),
    (b"%PDF", "a PDF document", _EXPORT),
    (b"\x89PNG", "a PNG image", "Choose a file of numbers."),
    (b"GIF8", "a GIF image", "Choose a file of numbers."),
    (b"\xff\xd8\xff", "a JPEG image", "Choose a file of numbers."),
    (b"\x89HDF", "an HDF5 file", "Save the data set as a .npy file or as text."),
    (b"MATLAB 5.0", "a MATLAB file", "Save the variable as text."),
    (b"$FL2", "an SPSS file", _EXPORT),
    (b"<stata_dta>", "a Stata file", _EXPORT),
    (b"SQLite format 3", "an SQLite database", _EXPORT),
    (b"ARROW1", "a Feather file", "Save it as .parquet or as text."),
    (b"RDX", "an R workspace", "Write the data with write.csv in R."),
    (b"BZh", "compressed by bzip2", _UNPACK),
    (b"\xfd7zXZ", "compressed by xz", _UNPACK),
    (b"(\xb5/\xfd", "compressed by zstd", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
)


def decode(content: bytes, source: str, encoding: str | None = None) -> tuple[str, str]:
    r"""Return the text of a file, with ``\n`` at the end of every line, and the encoding it has.

    Without ``encoding`` it is the one that a byte order mark declares, and UTF-8 where there is none.

    Raises
    ------
    InputError
        If the content is not text in this encoding; the message says what it looks like, and the remedy.
    """
    content = _unpack(content, source) if content.startswith(_GZIP) else content
    name, codec = _chosen(encoding) if encoding else _declared(content)
    for start, kind, remedy in _FOREIGN if encoding is None else ():
        if content.startswith(start):
            raise InputError(f"{source} must be a text file, but seems to be {kind}. {remedy}")
    try:
        text = content.decode(codec).removeprefix("\ufeff")
    except UnicodeError as error:
        raise InputError(_on_encoding(content, source, name, error)) from None
    if "\0" in text:
        raise InputError(_on_nul(content, text, source))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, name


def check_encoding(name: str) -> str:
    """Return Python's name of one of `ENCODINGS`; raise an `InputError` for other names."""
    known = {codecs.lookup(one).name for one in ENCODINGS}
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if found not in known:
        raise InputError(f"--encoding must be one of {', '.join(ENCODINGS)}, got {name!r}.")
    return found


def _chosen(encoding: str) -> tuple[str, str]:
    name = check_encoding(encoding)
    return name, "utf-8-sig" if name == "utf-8" else name


def _declared(content: bytes) -> tuple[str, str]:
    for mark, name, codec in _MARKS:
        if content.startswith(mark):
            return name, codec
    return "utf-8", "utf-8"


def _unpack(content: bytes, source: str) -> bytes:
    """Decompress a gzip file, to at most the size that a text may have."""
    most = min(LARGEST_TEXT, limit_unpacked_size(len(content)))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            text = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{source} is damaged: it is not a whole gzip file ({error}). Compress it again.") from None
    if len(text) > most:
        raise InputError(
            f"{source} must have at most {most:,} bytes when decompressed, got more. Save the sample as a NumPy array "
            "in a .npy file."
        )
    return text


def _on_encoding(content: bytes, source: str, encoding: str, error: UnicodeError) -> str:
    """Say where the bytes are not of the encoding, and what they look like."""
    start = error.start if isinstance(error, UnicodeDecodeError) else 0
    line = content[:start].count(b"\n") + 1
    found = f"{source}, line {line} is not text in {encoding}"
    wide = _wide(content)
    if wide:
        return f"{found}, but looks like {wide}. Use --encoding {wide}."
    if encoding != "utf-8":
        return f"{found}. Choose the encoding in which it was written with --encoding."
    byte = content[start : start + 1]
    if _is_binary(content):
        return f"{source} must be a text file, a .npy, .npz or .parquet file, but seems to be binary."
    # In Windows' code page these bytes are letters and signs; in Latin-1 they are control characters.
    likely = "cp1252" if any(0x80 <= one < 0xA0 for one in content) else "latin-1"
    return (
        f"{found} (byte 0x{byte.hex()}), but looks like {likely}. Use --encoding {likely}, or save the file as UTF-8."
    )


def _on_nul(content: bytes, text: str, source: str) -> str:
    wide = _wide(content)
    line = text[: text.index("\0")].replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    found = f"{source}, line {line} contains the character NUL"
    if wide:
        return f"{found} and looks like {wide} without a byte order mark. Use --encoding {wide}."
    return f"{found}, as binary and damaged files do. Remove it."


def _wide(content: bytes) -> str | None:
    """Return the encoding if every second byte is NUL, as it is for digits in UTF-16."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = content[: 2 * (min(len(content), 4096) // 2)]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if 2 * max(even, odd) <= len(head) // 2 or min(even, odd) * 10 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_binary(content: bytes) -> bool:
    """Return whether many of the first bytes are control characters."""
    head = content[:4096]
    control = sum(one < 32 and one not in b"\t\n\r\f\x1a" for one in head)
    return 20 * control > len(head)
