"""Things of every kind that can lie in a folder, and whether anything there has changed."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

KINDS = ("file", "folder", "link to a file", "link to a folder", "dangling link", "loop", "pipe", "socket")


def make(path: Path, kind: str, outside: Path) -> None:
    """Put something of a kind at ``path``; ``outside`` is a folder with a file for links to lead to."""
    targets = {"link to a file": outside / "victim", "link to a folder": outside, "dangling link": outside / "nothing"}
    if kind == "file":
        path.write_bytes(b"kept")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        # The path of a socket has at most 107 bytes.
        with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
            server.bind(path.name)
    else:
        path.symlink_to(targets.get(kind, path))


def snapshot(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Return, for everything below a folder, its type and permissions, and its content or the target of the link."""
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        content = os.fsencode(path.readlink()) if stat.S_ISLNK(mode) else b""
        found[path] = mode, path.read_bytes() if stat.S_ISREG(mode) else content
    return found
