"""Standard input, output and error of a process, in whatever state the process was given them.

`prepare_streams` replaces `sys.stdin`, `sys.stdout` and `sys.stderr`, so that in every command

- a stream that was closed keeps its number, which the next opened file would otherwise get,
- characters that the encoding lacks are spelled, as ``+/-`` and ``sigma``, and end nothing,
- a failure to read or write is an error that names the stream,
- a reader that has gone ends the command quietly, with 128 + SIGPIPE as its exit status,
- standard error that cannot be written is passed over, since there is nowhere to report that, and
- streams that do not block are waited for.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import signal
import sys
import unicodedata
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

SPELLING = "spelling"
"""The name, for `codecs`, of the handler that spells characters which an encoding lacks."""

#: Sizes of a terminal that are believed, and the least width for which output is set.
_SIZES, _LEAST_WIDTH = range(1, 10_000), 20

_SPELLINGS = {
    "±": "+/-",
    "∫": "int",
    "√": "sqrt",
    "∞": "oo",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "→": "->",
    "↔": "<->",
    "∈": "in",
    "·": "*",
    "×": "x",  # noqa: RUF001
    "−": "-",  # noqa: RUF001
    "–": "-",  # noqa: RUF001
    "—": "-",
    "’": "'",  # noqa: RUF001
    "“": '"',
    "”": '"',
    "…": "...",
    "∼": "~",  # noqa: RUF001
    "⁄": "/",  # noqa: RUF001
    "∑": "sum",
    "∂": "d",
    "∝": "~",
}


def prepare_streams() -> None:
    """Replace the standard streams of this process."""
    codecs.register_error(SPELLING, spell)
    _fill_closed_streams()
    sys.stdin = _reopen(_Input(0), sys.stdin)
    sys.stdout = _reopen(_Output(1), sys.stdout)
    sys.stderr = _reopen(_Errors(2), sys.stderr)


def correct_sizes() -> None:
    """Forget sizes in the environment that no terminal has, as COLUMNS=0, and let a narrow terminal count as wider.

    Without that, rich prints nothing, or blanks, where a column has no room; lines that are too long are wrapped.
    """
    for name in ("COLUMNS", "LINES"):
        value = os.environ.get(name, "1")
        # Digits of other scripts are digits too, and int() refuses thousands of them.
        if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) in _SIZES):
            del os.environ[name]
    width = int(os.environ.get("COLUMNS", "0")) or _terminal_width()
    if 0 < width < _LEAST_WIDTH:
        os.environ["COLUMNS"] = str(_LEAST_WIDTH)


def _terminal_width() -> int:
    """Return the width of the terminal that standard output or error is, or 0."""
    for number in (1, 2):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(number).columns
    return 0


def discard_output() -> None:
    """Let all later output vanish, also what is buffered: it cannot be written, and the process is about to exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def spell(error: UnicodeError) -> tuple[str, int]:
    r"""Spell characters that cannot be encoded: symbols by `_SPELLINGS`, Greek letters by their names, others escaped.

    Examples
    --------
    >>> codecs.register_error(SPELLING, spell)
    >>> "Tₘ: σ² ≤ 0.5 ± ⅓, m⁻¹, naïve, \udcff".encode("ascii", SPELLING).decode()
    'T_m: sigma^2 <= 0.5 +/- 1/3, m^-^1, naive, \\udcff'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_spell_character, text)), error.end


def _spell_character(character: str) -> str:
    if character in _SPELLINGS:
        return _SPELLINGS[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK ") and " LETTER " in name:
        word = name.partition(" LETTER ")[2].split()[0].lower()
        return word.capitalize() if " CAPITAL " in name else word
    letters = (one for one in unicodedata.normalize("NFKD", character) if not unicodedata.combining(one))
    plain = "".join(_SPELLINGS.get(letter, letter) for letter in letters)
    if plain.isascii() and (plain or unicodedata.combining(character)):
        words = name.split()
        return ("^" if "SUPERSCRIPT" in words else "_" if "SUBSCRIPT" in words else "") + plain
    return character.encode("ascii", "backslashreplace").decode()


def _fill_closed_streams() -> None:
    """Open closed descriptors, so that reading and writing fail there, except that standard error takes everything."""
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest closed descriptor is the one that is opened.
            os.set_inheritable(os.open(os.devnull, mode), True)


def _reopen(raw: _Stream, before: TextIO | None) -> TextIO:
    """Return a text stream with the encoding of the one before it."""
    buffer: Any = io.BufferedReader(raw) if raw.readable() else io.BufferedWriter(raw)
    encoding = before.encoding if before is not None else "utf-8"
    errors = (before.errors if before is not None else "strict") if raw.readable() else SPELLING
    return io.TextIOWrapper(buffer, encoding, errors, line_buffering=raw.is_prompt or raw.isatty())


class _Stream(io.RawIOBase):
    """A descriptor that is never closed, and waited for if it does not block."""

    name = "<stream>"
    title = "a stream"
    remedy = ""
    is_prompt = False

    def __init__(self, number: int) -> None:
        self._number = number
        # What a file of the operating system has, for other libraries.
        self.mode = "rb" if self.readable() else "wb"

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._number)

    def seekable(self) -> bool:
        """Return False: nothing seeks in a standard stream."""
        return False

    def _call(self, function: Callable[[int, Any], Any], argument: Any, event: int) -> Any:
        """Call a function of the descriptor, again after every wait for ``event`` while it does not block."""
        while True:
            try:
                return function(self._number, argument)
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._number, event)
                poll.poll()

    def _fail(self, error: OSError) -> NoReturn:
        from foundation.errors import InputError

        done = "read" if self.readable() else "written"
        raise InputError(f"{self.title} cannot be {done}: {error.strerror}. {self.remedy}") from None


class _Input(_Stream):
    name = "<stdin>"
    title = "standard input"
    remedy = "Redirect it from a file, or name the file."

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        try:
            content = self._call(os.read, len(view), select.POLLIN)
        except OSError as error:
            self._fail(error)
        view[: len(content)] = content
        return len(content)


class _Output(_Stream):
    name = "<stdout>"
    title = "standard output"
    remedy = "Redirect it to another file."

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        try:
            return int(self._call(os.write, content, select.POLLOUT))
        except ConnectionError:
            self._stop()
        except OSError as error:
            self._fail(error)

    def _stop(self) -> NoReturn:
        from foundation.errors import Interruption

        raise Interruption("nothing reads standard output any more.", signal.SIGPIPE) from None


class _Errors(_Output):
    name = "<stderr>"
    title = "standard error"
    is_prompt = True

    def write(self, content: Any) -> int:
        try:
            return int(self._call(os.write, content, select.POLLOUT))
        except OSError:
            return len(content)
