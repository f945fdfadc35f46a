"""Commands in this process whose standard output or error is a real terminal."""

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

#: What a terminal is told beside the text: colours and other styles, and where the cursor goes.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

#: A colour among these, of the foreground or the background.
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")

#: What ends the text on a terminal here.
_LAST = b"\x04"


@dataclass(frozen=True)
class Shown:
    """What a command wrote, with everything a terminal is told."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """What is read on standard output."""
        return [CONTROL.sub("", line).split("\r")[-1] for line in self.output.replace("\r\n", "\n").splitlines()]


@contextlib.contextmanager
def _stream(is_terminal: bool, kept: list[str]) -> Iterator[TextIO]:
    """Give a stream, and keep what was written to it when the block ends."""
    if not is_terminal:
        page = StringIO()
        yield page
        kept.append(page.getvalue())
        return
    outer, inner = pty.openpty()

    def read() -> None:
        # A process that was forked meanwhile may hold the terminal open: its end is no sign.
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
    """Run a command; ``output`` and ``errors`` say which of the two is a terminal, the other being kept in a file."""
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
