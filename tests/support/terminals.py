"""Commands run in this process with a real terminal as standard output or standard error."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import TextIO

import pytest

from cli import main

#: Escape sequences: colours and other styles, and movements of the cursor.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

#: The escape sequence of a foreground or background colour.
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")

#: Marks the end of the text on the terminal.
_LAST = b"\x04"


@dataclass(frozen=True)
class Shown:
    """The output of a command, including escape sequences."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard output, without escape sequences."""
        return [CONTROL.sub("", line).split("\r")[-1] for line in self.output.replace("\r\n", "\n").splitlines()]


@contextlib.contextmanager
def _stream(is_terminal: bool, kept: list[str]) -> Iterator[TextIO]:
    """Yield a stream; at the end of the block store its content."""
    if not is_terminal:
        page = StringIO()
        yield page
        kept.append(page.getvalue())
        return
    outer, inner = pty.openpty()

    def read() -> None:
        # A forked process may hold the terminal open, so its closing cannot mark the end.
        while not text.endswith(_LAST):
            text.extend(os.read(outer, 65536))

    text = bytearray()
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(inner, "w", encoding="utf-8") as terminal:
        yield terminal
        terminal.write(_LAST.decode())
        terminal.flush()
        reader.join(timeout=60)
    os.close(outer)
    kept.append(text.removesuffix(_LAST).decode())


def shown(
    *arguments: str,
    columns: int = 80,
    output: bool = True,
    errors: bool = True,
    term: str = "xterm-256color",
    **environment: str,
) -> Shown:
    """Run a command; ``output`` and ``errors`` tell whether each stream is a terminal; otherwise it is a file."""
    texts: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_COLOR", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        for name, value in {"COLUMNS": str(columns), "TERM": term, **environment}.items():
            patch.setenv(name, value)
        with _stream(errors, texts) as stderr, _stream(output, texts) as stdout:
            patch.setattr("sys.stdout", stdout)
            patch.setattr("sys.stderr", stderr)
            with pytest.raises(SystemExit) as end:
                main.main([str(argument) for argument in arguments])
            stdout.flush()
            stderr.flush()
    code = end.value.code
    return Shown(code if isinstance(code, int) else 0, texts[0], texts[1])
