"""The processes that train one run together, as torchrun starts them: what they agree on, add up and tell each other.

Each holds a replica of the model and takes its rows of every batch. There are two kinds of exchange: of numbers that
decide what happens next, on the CPU (gloo), and of tensors of the device (gloo on the CPU, NCCL on CUDA). A process
that ends, however, closes its connections, and the others learn of it in their next exchange.

Alone, nothing is exchanged: every method returns what it is given.
"""

from __future__ import annotations

import contextlib
import datetime
import gc
import inspect
import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from evae.compute.place import Place, place
from evae.exceptions import ProcessLost
from foundation.errors import InputError, Interruption

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import ProcessGroup, Store

#: How long an exchange may take. That of a process that ended fails at once; the first may measure or write for long.
PATIENCE = datetime.timedelta(days=1)

#: Under this key of the store is why the first process to fail did.
_CAUSE = "cause"


@dataclass(frozen=True)
class Processes:
    """One process among those of the run; `process_group` makes it.

    Parameters
    ----------
    place : Place
        Which of how many it is.
    device : torch.device
        Where it trains: the CPU, or a CUDA device of its own.
    store : torch.distributed.Store, optional
        What is written there outlives a process; None for a process alone.
    group : torch.distributed.ProcessGroup, optional
        Exchanges tensors of the device.
    """

    place: Place = field(default_factory=Place)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    store: Store | None = None
    group: ProcessGroup | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return self.place.count

    @property
    def is_first(self) -> bool:
        """Whether this one writes the run and speaks for all."""
        return self.place.is_first

    def rows(self, images: int) -> slice:
        """Return which rows of a batch are this process's: all have as many, or one more or less.

        There is none in a batch of fewer images than processes for those behind.
        """
        least, over = divmod(images, self.count)
        rank = self.place.rank
        begin = rank * least + min(rank, over)
        return slice(begin, begin + least + (rank < over))

    def replica(self, model: nn.Module) -> nn.Module:
        """Return what trains ``model`` as one with the others' replicas of it: gradients are averaged over processes.

        Alone it is the model.
        """
        if self.group is None:
            return model
        # The buffers are those of batch normalisation, which are equal already: see `evae.compute.batch_norm`. torch
        # 2.14 has another name for the option.
        named = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
        options: dict[str, Any] = {"forward_sync_buffers" if named else "broadcast_buffers": False}
        return DistributedDataParallel(model, process_group=self.group, **options)

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes."""
        if self.group is None:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total, group=self.group)
        return total

    def all_gather(self, tensor: Tensor) -> Tensor:
        """Return the tensors of all processes, stacked in the order of their ranks along a new first axis."""
        if self.group is None:
            return tensor[None]
        every = [torch.empty_like(tensor) for _ in range(self.count)]
        dist.all_gather(every, tensor, group=self.group)
        return torch.stack(every)

    def all_reduce_max(self, *numbers: int) -> tuple[int, ...]:
        """Return each number's largest value among the processes. All wait for all."""
        if self.store is None:
            return numbers
        values = torch.tensor(numbers)
        dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return tuple(values.tolist())

    def barrier(self) -> None:
        """Return when all processes are here."""
        self.all_reduce_max(0)

    def broadcast_text(self, text: str) -> str:
        """Return the text that the first process was given."""
        if self.store is None:
            return text
        content = torch.tensor(list(text.encode()) if self.is_first else [], dtype=torch.uint8)
        (size,) = self.all_reduce_max(len(content))
        content = content if self.is_first else torch.empty(size, dtype=torch.uint8)
        dist.broadcast(content, src=0)
        return bytes(content.tolist()).decode()

    @contextlib.contextmanager
    def local_first(self) -> Iterator[None]:
        """Let one process of each machine do the block before the others do: they find what it left in a cache."""
        goes_first = self.place.local_rank == 0
        if not goes_first:
            self.barrier()
        yield
        if goes_first:
            self.barrier()

    def outcome(self, error: BaseException) -> BaseException:
        """Tell the others that this process ends by ``error``; return what it is to raise.

        That is the error, unless this process fails because another did: then it is that one's reason, or a
        `ProcessLost` where none was left. The connections are closed: nothing is exchanged after that.
        """
        if self.store is None or not dist.is_initialized():
            return error
        _ignore_termination_signals()
        cause = _Cause.of(error, self)
        first = cause.post(self.store)
        # When one has failed, torchrun ends those that are left by a signal: that is not why they end.
        if first != cause and (cause.lost or cause.signal_number is not None):
            error = first.error()
        elif cause.lost:
            error = cause.error()
        self._leave()
        return error

    def _leave(self) -> None:
        if self.device.type == "cuda" and self.group is not None:
            # A kernel that waits for a process that is gone does not end by itself.
            self.group.abort()
        dist.destroy_process_group()


@dataclass(frozen=True)
class _Cause:
    """Why a process ended: in words, and whether by a signal, or for no other reason than that another is gone."""

    sentence: str
    signal_number: int | None = None
    lost: bool = False

    @classmethod
    def of(cls, error: BaseException, processes: Processes) -> _Cause:
        if _is_broken_connection(error):
            what = "another of them" if processes.count > 2 else "the other"
            return cls(
                f"this run is trained by {processes.count} processes, and {what} ended without a word: it was killed, "
                "or the machine had no memory left for it",
                lost=True,
            )
        if isinstance(error, Interruption):
            return cls(error.sentence, error.signal_number)
        if isinstance(error, KeyboardInterrupt):
            return cls("interrupted; nothing was written, and the same command starts again.", signal.SIGINT)
        if isinstance(error, InputError):
            return cls(str(error))
        if isinstance(error, OSError) and error.strerror:
            return cls(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.")
        return cls(f"process {processes.place.rank} of the run failed: {type(error).__name__}: {error}")

    def post(self, store: Store) -> _Cause:
        """Write it down where nobody has written another, and return the one that stands there."""
        try:
            return _Cause(**json.loads(store.compare_set(_CAUSE, "", json.dumps(vars(self)))))
        except RuntimeError:
            # The store is gone with the machine that holds it.
            return self

    def error(self) -> BaseException:
        if self.signal_number is not None:
            return Interruption(self.sentence, self.signal_number)
        return ProcessLost(self.sentence) if self.lost else InputError(self.sentence)


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[Processes]:
    """Join the other processes that torchrun started, if it did, for as long as the block lasts; all leave together.

    What fails in one fails in all. The first raises why; the others end with the same exit code, without a word.

    Parameters
    ----------
    device : torch.device
        The kind of device to train on; of several CUDA devices each process of a machine gets its own.

    Raises
    ------
    InputError
        If a machine has fewer CUDA devices than processes.
    """
    here = place()
    if here.count == 1:
        yield Processes(here, device)
        return
    processes = _join(here, _own_device(device, here))
    try:
        yield processes
        processes.barrier()
        # DistributedDataParallel refers to itself. Collected only when the interpreter ends, its group's threads may
        # outlast that, and the process is aborted.
        gc.collect()
        dist.destroy_process_group()
    except BaseException as error:
        raised = processes.outcome(error)
        if not _reports_error(processes, raised):
            raise SystemExit(_exit_code(raised)) from error
        if raised is error:
            raise
        raise raised from error


def _own_device(device: torch.device, here: Place) -> torch.device:
    if device.type != "cuda":
        return device
    found = torch.cuda.device_count()
    if found < here.local_count:
        raise InputError(
            f"torchrun started {here.local_count} processes on this machine, which has {found} CUDA "
            f"device{'s' if found > 1 else ''}, and each needs its own. Use --nproc-per-node {found}, or --device cpu."
        )
    own = torch.device("cuda", here.local_rank)
    torch.cuda.set_device(own)
    return own


def _join(here: Place, device: torch.device) -> Processes:
    # Not at the top: a build of torch may be without them.
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    with _default_signals():
        shared, _, _ = next(rendezvous("env://"))
        # A program may train one run after another: each has keys of its own.
        number = shared.add(f"runs of process {here.rank}", 1)
        store = PrefixStore(f"run {number}", shared)
        group_store = PrefixStore("gloo", store)
        dist.init_process_group("gloo", store=group_store, rank=here.rank, world_size=here.count, timeout=PATIENCE)
    on_cuda = device.type == "cuda"
    group: Any = dist.new_group(backend="nccl", timeout=PATIENCE) if on_cuda else dist.group.WORLD
    return Processes(here, device, store, group)


@contextlib.contextmanager
def _default_signals() -> Iterator[None]:
    """Let a signal end the process at once: while torch waits for the others, Python does not hear of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_termination_signals() -> None:
    """Ignore from now on the signals by which torchrun hurries those that are left: they say why, and end."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _is_broken_connection(error: BaseException) -> bool:
    """Whether an exchange failed. torch has no type of error for that where gloo does the exchange."""
    words = str(error).lower()
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(name in words for name in ("gloo", "nccl"))
    )


def _reports_error(processes: Processes, error: BaseException) -> bool:
    """Whether this process says why: the first does, or, as that may be gone, whoever is first to say so."""
    if isinstance(error, ProcessLost):
        try:
            assert processes.store is not None
            return processes.store.add("speaks", 1) == 1
        except RuntimeError:
            return True
    is_defect = not isinstance(error, InputError | Interruption | KeyboardInterrupt | OSError)
    return processes.is_first or is_defect


def _exit_code(error: BaseException) -> int:
    """As the command line has them: 2 for bad input, 128 and the signal's number after one."""
    number = error.signal_number if isinstance(error, Interruption) else signal.SIGINT
    return 128 + number if isinstance(error, Interruption | KeyboardInterrupt) else 2
