"""Standard streams in any state, and terminals of any size: results, or one sentence that names the stream."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.shared.streams import SPELLING, correct_sizes, spell
from tests.commands.test_json import COMMANDS, TINY
from tests.support.examples import examples
from tests.support.places import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors are closed by a POSIX shell")

#: Commands that take little time: one that prints, one that click prints for, and one with tables and symbols.
CHEAP = ("completion fish", "--help", "verify-lemmas --list lemma-2.1")

#: How a shell gives a program its streams, and the exit status of a command that writes to standard output.
REDIRECTIONS = {
    "": 0,
    "<&-": 0,
    ">&-": 2,
    "2>&-": 0,
    "<&- 2>&-": 0,
    "<&- >&- 2>&-": 2,
    ">/dev/full": 2,
    "2>/dev/full": 0,
    "</dev/full >/dev/null 2>/dev/full": 0,
    ">/dev/null 2>&1": 0,
    "1</dev/null": 2,
}

#: Variables that change what is written, with values that users and their tools give them, and impossible ones.
VARIABLES = {
    "COLUMNS": ["", "0", "-1", "1", "7", "80", "300", "99999999", "9" * 5000, "²", "abc"],
    "LINES": ["", "0", "1", "²"],
    "TERM": ["", "dumb", "xterm-256color", "vt100", "nonsense"],
    "NO_COLOR": ["", "1"],
    "FORCE_COLOR": ["", "0", "1"],
    "PYTHONIOENCODING": ["ascii", "ascii:strict", "latin-1", "utf-8", "utf-16", "cp037", ":replace"],
    "LC_ALL": ["C", "POSIX", "C.UTF-8", "nonsense"],
    "PYTHONUTF8": ["0", "1"],
    "PYTHONUNBUFFERED": ["1"],
}


def run(
    words: Sequence[str], redirection: str = "", variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "cli.py", *words]
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "OMP_NUM_THREADS": "1", **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=900,
    )


def require_in_order(ended: subprocess.CompletedProcess[bytes], redirection: str) -> None:
    assert ended.returncode == REDIRECTIONS[redirection], ended.stderr
    assert b"Traceback" not in ended.stderr
    assert b"Exception ignored" not in ended.stderr
    if REDIRECTIONS[redirection] == 2 and "2>" not in redirection:
        assert re.fullmatch(
            r"Error: standard output cannot be written: .+\. Redirect it to another file\.\n", ended.stderr.decode()
        )


def is_read(redirection: str) -> bool:
    """Whether standard output is where the test reads it."""
    return redirection in ("", "<&-", "2>&-", "<&- 2>&-", "2>/dev/full")


@pytest.mark.parametrize("redirection", REDIRECTIONS)
@pytest.mark.parametrize("command", CHEAP[:2])
def test_a_stream_in_any_state_is_used_or_named(command: str, redirection: str) -> None:
    ended = run(command.split(), redirection)
    require_in_order(ended, redirection)
    if is_read(redirection):
        assert len(ended.stdout) > 100


@given(
    command=st.sampled_from(CHEAP),
    redirection=st.sampled_from(sorted(REDIRECTIONS)),
    variables=st.fixed_dictionaries({}, optional={name: st.sampled_from(of) for name, of in VARIABLES.items()}),
)
@settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", examples(8))))
def test_fuzzed_variables_and_streams_lead_to_results_or_a_sentence(
    command: str, redirection: str, variables: dict[str, str]
) -> None:
    """The sentence itself is in the encoding that PYTHONIOENCODING names."""
    ended = run(command.split(), redirection, variables)
    assert ended.returncode == REDIRECTIONS[redirection], (ended.stderr, variables)
    for text in (ended.stderr, ended.stdout):
        for encoding in ("utf-8", "utf-16", "cp037"):
            assert "Traceback" not in text.decode(encoding, "replace")
    if is_read(redirection):
        assert len(ended.stdout) > 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sample and a trained run."""
    place = tmp_path_factory.mktemp("streams")
    np.savetxt(place / "sample.txt", np.random.default_rng(0).normal(size=50))
    assert run(["train", *TINY, "--runs-dir", str(place), "--name", "run", "--quiet"]).returncode == 0
    return place


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii", "COLUMNS": "0"}, {"COLUMNS": "1", "TERM": "dumb"}])
@pytest.mark.parametrize("redirection", ["", ">&-", "<&- 2>&-", ">/dev/full"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_copes_with_its_streams(
    name: str, redirection: str, variables: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    words = COMMANDS[name].replace("FOLDER/sample", f"{folder}/sample").replace("FOLDER/run", f"{folder}/run")
    ended = run(words.replace("FOLDER", str(tmp_path)).split(), redirection, variables)
    assert ended.returncode in (REDIRECTIONS[redirection], REDIRECTIONS[redirection] or 1), ended.stderr
    assert b"Traceback" not in ended.stderr
    assert ended.stdout == ended.stdout.decode("ascii", "ignore").encode() or "PYTHONIOENCODING" not in variables
    if redirection == "":
        assert len(ended.stdout.split()) > 5


def test_a_reader_that_has_gone_ends_a_command_quietly_with_the_status_of_its_signal() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "cli.py", "completion", "fish"], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_socket_that_is_closed_in_the_middle_is_a_reader_that_has_gone() -> None:
    here, there = socket.socketpair()
    # The document has more than fits into the buffer, so that a part is written after the close.
    there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    process = subprocess.Popen(
        [sys.executable, "cli.py", "verify-lemmas", "--list", "--quiet", "--json", "-"],
        cwd=ROOT,
        stdout=there.fileno(),
        stderr=subprocess.PIPE,
    )
    there.close()
    # Received with data unread, the end of a socket is a connection reset rather than a broken pipe.
    assert here.recv(1) == b"{"
    here.close()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + signal.SIGPIPE, b"")


def test_streams_that_do_not_block_are_waited_for() -> None:
    """The pipe holds one page, and the document has more."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    content = bytearray()
    process = subprocess.Popen(
        [sys.executable, "cli.py", "verify-lemmas", "--list", "--quiet", "--json", "-"],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    threading.Event().wait(1.5)
    while part := os.read(reading, 4096):
        content += part
    os.close(reading)
    assert process.wait(60) == 0
    assert json.loads(content)["claims"]


def test_a_sample_from_an_input_that_does_not_block_or_cannot_be_read() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    command = [sys.executable, "cli.py", "test-fit", "-", "--replicates", "19", "--no-cache", "--json", "-"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.write(writing, b"0.1\n")
    while process.poll() is None and fcntl.ioctl(reading, termios.FIONREAD, bytes(4)) != bytes(4):
        time.sleep(0.02)
    # The first line is taken: now the command finds an input that is empty and has not ended.
    time.sleep(0.2)
    os.write(writing, b"0.3\n-0.2\n")
    os.close(writing)
    os.close(reading)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(output)["m"] == 3
    ended = run(["test-fit", "-"], "<&-")
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"Error: standard input cannot be read: Bad file descriptor. Redirect it")


def can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@given(st.text())
def test_any_text_is_spelled_in_any_encoding(text: str) -> None:
    codecs.register_error(SPELLING, spell)
    for encoding in ("ascii", "latin-1", "cp1252", "utf-8"):
        spelled = text.encode(encoding, SPELLING).decode(encoding)
        assert (spelled == text) == can_encode(text, encoding)
    assert text.encode("ascii", SPELLING).isascii()


@pytest.mark.parametrize("value", VARIABLES["COLUMNS"])
def test_impossible_sizes_are_forgotten_and_narrow_ones_count_as_wider(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", value)
    correct_sizes()
    right = {"1": "20", "7": "20", "80": "80", "300": "300"}
    assert os.environ.get("COLUMNS") == right.get(value)


@pytest.mark.parametrize(("width", "columns"), [(0, None), (5, "20"), (100, None)])
def test_a_terminal_without_a_size_or_a_narrow_one_is_written_on(width: int, columns: str | None) -> None:
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    script = (
        "import os, sys; from commands.shared.streams import correct_sizes; correct_sizes(); "
        "print(os.environ.get('COLUMNS'), file=sys.stderr)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, stdout=inner, stderr=subprocess.PIPE, env=environment, check=True
    )
    os.close(inner)
    os.close(outer)
    assert ended.stderr.decode().strip() == str(columns)
