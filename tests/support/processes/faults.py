"""Real fault injection: a process runs commands in child processes and interrupts them at chosen moments.

`Faults` is the interface for tests. Its process is one of `tests.support.processes.forks` and forks a child for every
command. A child counts moments: a moment passes whenever something in the watched folder has been created, opened for
writing, half written, written, synced, renamed or removed, and after each step of an optimizer. At a chosen moment it
sends itself a signal, such as SIGKILL, or SIGSTOP to wait for the test.
"""

from __future__ import annotations

import builtins
import ctypes
import importlib
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foundation.signals import STOP_SIGNALS
from tests.support.processes.forks import Forks

#: From sched.h.
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000


def complaints(errors: str) -> list[str]:
    """Return the lines of standard error, except progress and warnings about the few steps of training in tests.

    Progress such as ``decoding images: 128 of 256`` is shown where a command takes long, as on a busy machine.
    """
    expected = re.compile(r"Warning: training has .*|(?!Error: |Warning: ).*\b[\d,]+ of [\d,]+\b.*")
    return [line for line in errors.splitlines() if line and not expected.fullmatch(line)]


@dataclass(frozen=True)
class Ended:
    """The result of a command: its exit code (minus a signal's number), its output, and the moments that passed.

    ``stopped`` is the id of the process if it waits for SIGCONT, else 0.
    """

    code: int
    output: str
    errors: str
    moments: list[str]
    stopped: int = 0

    @property
    def sentence(self) -> str:
        """The only line on standard error, which must be a sentence."""
        (line,) = complaints(self.errors)
        assert line.startswith("Error: ")
        assert line.endswith((".", "?")) or " resume with: " in line.lower()
        return line.removeprefix("Error: ")


class Faults:
    """Runs commands with injected faults.

    Parameters
    ----------
    forks : Forks
    environment : mapping
        Variables for all commands.
    mounting : bool
        Whether the commands have private mounts.
    """

    def __init__(self, forks: Forks, environment: Mapping[str, str], *, mounting: bool = False) -> None:
        self.mounting = mounting
        self.process = forks.fork("tests.support.processes.faults:serve", mounting, environment=environment)

    def run(self, *arguments: object, watched: Path | None = None, **faults: Any) -> Ended:
        """Run a command until it ends or stops itself.

        Parameters
        ----------
        *arguments
            Arguments of the command line.
        watched : Path, optional
            The folder whose changes count as moments.
        **faults
            Fields of `Order`.
        """
        order = Order([str(argument) for argument in arguments], str(watched or ""), **faults)
        return Ended(**self._ask(vars(order)))

    def call(self, function: Callable[..., object], *arguments: object, **faults: Any) -> Ended:
        """Call a function of a module in place of a command."""
        return self.run(*arguments, function=f"{function.__module__}:{function.__name__}", **faults)

    def resume(self, stopped: Ended) -> Ended:
        """Continue a command that stopped itself, until it ends."""
        return Ended(**self._ask({"resume": stopped.stopped}))

    def mount(self, folder: Path, size: int, *, again: bool = False) -> None:
        """Mount a file system of ``size`` bytes on a folder, only for these commands; ``again`` changes its size."""
        remount = "remount," if again else ""
        self._ask({"mount": ["-t", "tmpfs", "-o", f"{remount}size={size}", "tmpfs", str(folder)]})

    def make_read_only(self, folder: Path) -> None:
        """Mount a folder read-only on itself, so that these commands cannot write there under any user."""
        self._ask({"mount": ["--bind", str(folder), str(folder)]})
        self._ask({"mount": ["-o", "remount,bind,ro", str(folder)]})

    def unmount(self, folder: Path) -> None:
        """Remove the newest mount from a folder."""
        self._ask({"unmount": str(folder)})

    def seen(self, path: Path) -> Path:
        """Return the path by which this process sees a path of these commands, including their private mounts."""
        return Path(f"/proc/{self.process.pid}/root{path}") if self.mounting else path

    def end(self) -> None:
        """End the process, whose children must have ended."""
        self.process.end()

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert isinstance(answer, dict), answer
        return answer


@dataclass
class Order:
    """A command and its faults.

    Attributes
    ----------
    arguments, watched
        As for `Faults.run`.
    at : dict
        The signals to send, by the number of the moment, from 1.
    at_kinds : dict
        The signals to send, by the `kind` of the moment; each is sent at the first moment of its kind.
    spared : list of str, optional
        Kill the command at the first moment whose kind is not among these.
    file_size : int, optional
        Maximum size of a file in bytes.
    clock : (int, float), optional
        A moment, and the seconds by which the wall clock jumps there.
    save_always : bool
        Whether simulate-tm saves after every block, instead of at intervals.
    function : str, optional
        A function to call instead of a command, as ``module:name``.
    after : (float, int), optional
        Seconds after the start, and the signal to send then.
    ignoring_interrupts : bool
        Whether the command is started with SIGINT ignored, as scripts start background jobs.
    """

    arguments: list[str]
    watched: str
    at: dict[int, int] = field(default_factory=dict)
    at_kinds: dict[str, int] = field(default_factory=dict)
    spared: list[str] | None = None
    file_size: int | None = None
    clock: tuple[int, float] | None = None
    save_always: bool = True
    function: str | None = None
    after: tuple[float, int] | None = None
    ignoring_interrupts: bool = False


def kind(moment: str) -> str:
    """Return the kind of a moment: its name with numbers and digests replaced by N."""
    return re.sub(r"[0-9a-f]{12,}|\d+", "N", moment)


def killed_at_every_kind(command: Callable[..., Ended], spared: Iterable[str] = ()) -> Iterator[str]:
    """Run a command repeatedly, each time killing it at the first moment of a new kind, until it ends.

    ``command`` takes ``spared`` as `Faults.run` does. Yields the kind after each kill.
    """
    killed = [*spared]
    while (ended := command(spared=killed)).code:
        assert ended.code == -signal.SIGKILL, ended.errors
        killed.append(kind(ended.moments[-1]))
        yield killed[-1]


class Moments:
    """Counts and logs the moments of this process, and injects the ordered faults."""

    def __init__(self, order: Order, log: int) -> None:
        self.order, self.log = order, log
        self.watched = order.watched
        self.passed = 0
        # JSON converted the keys to strings.
        self.at = {int(moment): number for moment, number in order.at.items()}
        self.at_kinds = dict(order.at_kinds)
        self._write = os.write

    def passes(self, what: str, path: Any = "") -> None:
        """Record that a moment has passed if ``path`` is in the watched folder."""
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if text and not Path(text).is_absolute():
            text = str(Path(text).absolute())
        if not self.watched or (text and not text.startswith(self.watched)):
            return
        self.passed += 1
        name = f"{what} {os.path.relpath(text, self.watched) if text else ''}".strip()
        self._write(self.log, f"{name}\n".encode())
        if self.order.clock is not None and self.passed == self.order.clock[0]:
            _shift_clock(self.order.clock[1])
        number = self.at.get(self.passed) or self.at_kinds.pop(kind(name), 0)
        if self.order.spared is not None and kind(name) not in self.order.spared:
            number = signal.SIGKILL
        if number:
            os.kill(os.getpid(), number)

    def install(self) -> None:
        """Record a moment after every file operation and every optimizer step."""
        for name in ("mkdir", "rename", "replace", "unlink", "remove", "rmdir", "fsync", "open"):
            setattr(os, name, self._followed(name, getattr(os, name)))
        io.open = builtins.open = self._opened(io.open)
        if "torch" in sys.modules:
            from torch.optim.optimizer import register_optimizer_step_post_hook

            register_optimizer_step_post_hook(lambda *_: self.passes("step"))

    def _followed(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        words = {"mkdir": "made", "fsync": "synced", "rename": "renamed", "replace": "renamed", "open": "opened"}

        def follow(*arguments: Any, **options: Any) -> Any:
            path = arguments[0]
            if name in ("rename", "replace"):
                path = arguments[1]
            elif name == "fsync":
                path = Path(f"/proc/self/fd/{path}").readlink()
            elif options.get("dir_fd") is not None:
                path = Path(f"/proc/self/fd/{options['dir_fd']}").readlink() / os.fsdecode(path)
            result = operation(*arguments, **options)
            if name != "open" or arguments[1] & os.O_CREAT:
                self.passes(words.get(name, "removed"), path)
            return result

        return follow

    def _opened(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def opened(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            *rest: Any,
            **options: Any,
        ) -> Any:
            if isinstance(file, int) or "opener" in options or not set(mode) & set("wax+"):
                return original(file, mode, buffering, encoding, errors, newline, *rest, **options)
            raw = _Torn(file, mode.replace("b", "").replace("t", ""))
            raw.moments = self
            self.passes("opened", file)
            buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding or "utf-8", errors, newline)

        return opened


class _Torn(io.FileIO):
    """A file that splits every write in two, with a moment after each half."""

    moments: Moments

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        written = 0
        half = len(view) // 2
        for part, what in ((view[:half], "half written"), (view[half:], "written")):
            while len(part):
                count = super().write(part)
                written, part = written + count, part[count:]
            self.moments.passes(what, self.name)
        return written


def _shift_clock(seconds: float) -> None:
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)


def _apply(order: Order, log: int) -> None:
    Moments(order, log).install()
    if order.save_always:
        from simulations.study import save_pace as pace

        pace.SECONDS_BETWEEN_SAVES, pace.SHARE_OF_TIME = 0.0, float("inf")
    if order.file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.file_size, order.file_size))


def _child(order: Order, log: int, streams: Sequence[int]) -> None:
    """Run the command in this process and exit with its code."""
    import traceback

    import cli
    from commands.shared.startup import prepare_process

    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    code = 70
    if order.ignoring_interrupts:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_process()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        _apply(order, log)
        if order.function is None:
            # As in a new process, where the command line reads the arguments.
            sys.argv = ["cli.py", *order.arguments]
            cli.main()
        module, _, name = str(order.function).partition(":")
        getattr(importlib.import_module(module), name)(*order.arguments)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Children:
    """The interface of the process that forks."""

    def __init__(self) -> None:
        self.files: dict[int, list[Any]] = {}

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        if "resume" in order:
            os.kill(order["resume"], signal.SIGCONT)
            return self._wait(order["resume"])
        if "mount" in order:
            subprocess.run(["mount", *order["mount"]], check=True)
            return {}
        if "unmount" in order:
            subprocess.run(["umount", order["unmount"]], check=True)
            return {}
        files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115 (they are closed in `_wait`)
        # A signal that comes before the child handles signals waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        process = os.fork()
        if process == 0:
            _child(Order(**order), files[0].fileno(), [file.fileno() for file in files[1:]])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        self.files[process] = files
        if order.get("after") is not None:
            seconds, number = order["after"]
            time.sleep(seconds)
            # A process that has ended is still there, since nothing has waited for it.
            os.kill(process, number)
        return self._wait(process)

    def _wait(self, process: int) -> dict[str, Any]:
        _, status = os.waitpid(process, os.WUNTRACED)
        texts = []
        for file in self.files[process]:
            file.seek(0)
            texts.append(file.read().decode())
        answer = {"moments": texts[0].splitlines(), "output": texts[1], "errors": texts[2], "code": 0}
        if os.WIFSTOPPED(status):
            for file in self.files[process]:
                file.seek(0, os.SEEK_END)
            return {**answer, "stopped": process}
        for file in self.files.pop(process):
            file.close()
        return {**answer, "code": os.waitstatus_to_exitcode(status)}


def serve(mounting: bool) -> None:
    """Answer orders, one per line, until the end of the input."""
    if mounting:
        _leave_mounts()
    children = _Children()
    for line in sys.stdin:
        print(json.dumps(children.answer(json.loads(line))), flush=True)


def _leave_mounts() -> None:
    """Have separate mounts from here on, as root in a separate user namespace, as after ``unshare -rm``."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    for name, content in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path("/proc/self", name).write_text(content)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
