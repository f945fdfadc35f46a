"""Communication between the processes that torchrun starts to train one run: reductions, broadcasts and failures.

Each process holds a replica of the model and processes its rows of every batch. There are two kinds of communication:
control values on the CPU (gloo), and tensors of the device (gloo on the CPU, NCCL on CUDA). A process that ends closes
its connections, so that the others fail in their next collective operation.

A single process does not communicate: each method returns its argument.
"""

from __future__ import annotations

import contextlib
import datetime
import gc
import inspect
import json
import signal
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
from foundation.signals import handle_signals, ignore_signals

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import ProcessGroup, Store

#: Time-out of a collective operation. A dead process fails at once; the first may evaluate or write for long.
PATIENCE = datetime.timedelta(days=1)

#: Key of the store for the cause of the first failure.
_CAUSE = "cause"


@dataclass(frozen=True)
class Processes:
    """One process among those of the run; created by `process_group`.

    Parameters
    ----------
    place : Place
        Its rank and the number of processes.
    device : torch.device
        Its training device: the CPU, or its own CUDA device.
    store : torch.distributed.Store, optional
        Key-value store that outlives a process; None for a single process.
    group : torch.distributed.ProcessGroup, optional
        Communicates tensors of the device.
    """

    place: Place = field(default_factory=Place)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    store: Store | None = None
    group: ProcessGroup | None = None

    @property
    def count(self) -> int:
        """Number of processes."""
        return self.place.count

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and messages for all."""
        return self.place.is_first

    def rows(self, images: int) -> slice:
        """Return this process's rows of a batch of ``images``; the numbers of rows differ by at most one.

        If there are fewer images than processes, the last processes have none.
        """
        least, over = divmod(images, self.count)
        rank = self.place.rank
        begin = rank * least + min(rank, over)
        return slice(begin, begin + least + (rank < over))

    def replica(self, model: nn.Module) -> nn.Module:
        """Wrap ``model`` so that gradients are averaged over the replicas of all processes.

        A single process returns the model itself.
        """
        if self.group is None:
            return model
        # The only buffers are those of batch normalisation, which are already equal (`evae.compute.batch_norm`).
        # torch 2.14 has another name for the option.
        named = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
        options: dict[str, Any] = {"forward_sync_buffers" if named else "broadcast_buffers": False}
        return DistributedDataParallel(model, process_group=self.group, **options)

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over the processes."""
        if self.group is None:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total, group=self.group)
        return total

    def all_gather(self, tensor: Tensor) -> Tensor:
        """Gather the tensors of all processes, stacked by rank along a new first axis."""
        if self.group is None:
            return tensor[None]
        every = [torch.empty_like(tensor) for _ in range(self.count)]
        dist.all_gather(every, tensor, group=self.group)
        return torch.stack(every)

    def all_reduce_max(self, *numbers: int) -> tuple[int, ...]:
        """Return the maximum of each number over the processes; synchronises them."""
        if self.store is None:
            return numbers
        values = torch.tensor(numbers)
        dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return tuple(values.tolist())

    def barrier(self) -> None:
        """Wait until all processes reach this call."""
        self.all_reduce_max(0)

    def broadcast_text(self, text: str) -> str:
        """Broadcast the text of the first process to all; arguments of the others are ignored."""
        if self.store is None:
            return text
        content = torch.tensor(list(text.encode()) if self.is_first else [], dtype=torch.uint8)
        (size,) = self.all_reduce_max(len(content))
        content = content if self.is_first else torch.empty(size, dtype=torch.uint8)
        dist.broadcast(content, src=0)
        return bytes(content.tolist()).decode()

    @contextlib.contextmanager
    def local_first(self) -> Iterator[None]:
        """Run the block in one process of each machine before the others, which then find its results in a cache."""
        goes_first = self.place.local_rank == 0
        if not goes_first:
            self.barrier()
        yield
        if goes_first:
            self.barrier()

    def outcome(self, error: BaseException) -> BaseException:
        """Publish that this process ends by ``error``; return the exception to raise.

        This is the error itself, unless this process fails because another did: then it is the published cause of
        that process, or a `ProcessLost` if there is none. The connections are closed: no communication is possible
        afterwards.
        """
        if self.store is None or not dist.is_initialized():
            return error
        ignore_signals()
        cause = _Cause.of(error, self)
        first = cause.post(self.store)
        # After one failure, torchrun terminates the remaining processes by a signal, which is not the cause.
        if first != cause and (cause.lost or cause.signal_number is not None):
            error = first.error()
        elif cause.lost:
            error = cause.error()
        self._leave()
        return error

    def _leave(self) -> None:
        if self.device.type == "cuda" and self.group is not None:
            # A kernel that waits for a dead process never ends by itself.
            self.group.abort()
        dist.destroy_process_group()


@dataclass(frozen=True)
class _Cause:
    """Cause of the end of a process: a message, the signal if any, and whether only another process was lost."""

    sentence: str
    signal_number: int | None = None
    lost: bool = False

    @classmethod
    def of(cls, error: BaseException, processes: Processes) -> _Cause:
        # A broken connection is a symptom: the cause, if published, is that of the lost process.
        if _is_broken_connection(error):
            other = "another of them" if processes.count > 2 else "the other"
            return cls(
                f"this run is trained by {processes.count} processes, and {other} died without reporting an error: it "
                "was killed, or the machine ran out of memory",
                lost=True,
            )
        if isinstance(error, Interruption):
            return cls(error.sentence, error.signal_number)
        if isinstance(error, KeyboardInterrupt):
            return cls("Interrupted. No partial output was left; run the same command to start over.", signal.SIGINT)
        if isinstance(error, InputError):
            return cls(str(error))
        if isinstance(error, OSError) and error.strerror:
            return cls(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.")
        return cls(f"process {processes.place.rank} of the run failed: {type(error).__name__}: {error}")

    def post(self, store: Store) -> _Cause:
        """Write this cause to the store unless there is another, and return the stored one."""
        try:
            return _Cause(**json.loads(store.compare_set(_CAUSE, "", json.dumps(vars(self)))))
        except RuntimeError:
            # The store is lost with the machine that holds it.
            return self

    def error(self) -> BaseException:
        if self.signal_number is not None:
            return Interruption(self.sentence, self.signal_number)
        return ProcessLost(self.sentence) if self.lost else InputError(self.sentence)


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[Processes]:
    """Join the process group of torchrun, if it started this process, for the duration of the block.

    A failure in one process ends all. The first process raises the cause; the others exit silently with the same code.

    Parameters
    ----------
    device : torch.device
        The kind of training device; each process of a machine gets its own CUDA device.

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
        # Leave together: a process that closes its connections early would look lost to the others.
        processes.barrier()
        # DistributedDataParallel has reference cycles. If they are collected only at exit, threads of its group may
        # outlive the interpreter, which aborts the process.
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
            f"device{'s' if found > 1 else ''}, but each needs its own. Use --nproc-per-node {found}, or --device cpu."
        )
    own = torch.device("cuda", here.local_rank)
    torch.cuda.set_device(own)
    return own


def _join(here: Place, device: torch.device) -> Processes:
    # Imported here: a build of torch may lack them.
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    with handle_signals(signal.SIG_DFL):
        shared, _, _ = next(rendezvous("env://"))
        # A program may train several runs in sequence: each has its own keys.
        number = shared.add(f"runs of process {here.rank}", 1)
        store = PrefixStore(f"run {number}", shared)
        group_store = PrefixStore("gloo", store)
        dist.init_process_group("gloo", store=group_store, rank=here.rank, world_size=here.count, timeout=PATIENCE)
    on_cuda = device.type == "cuda"
    group: Any = dist.new_group(backend="nccl", timeout=PATIENCE) if on_cuda else dist.group.WORLD
    return Processes(here, device, store, group)


def _is_broken_connection(error: BaseException) -> bool:
    """Return whether a collective operation failed; torch has no exception type for failures of gloo."""
    words = str(error).lower()
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(name in words for name in ("gloo", "nccl"))
    )


def _reports_error(processes: Processes, error: BaseException) -> bool:
    """Return whether this process reports the error: the first one, or if that may be dead, the fastest."""
    if isinstance(error, ProcessLost):
        try:
            assert processes.store is not None
            return processes.store.add("speaks", 1) == 1
        except RuntimeError:
            return True
    is_defect = not isinstance(error, InputError | Interruption | KeyboardInterrupt | OSError)
    return processes.is_first or is_defect


def _exit_code(error: BaseException) -> int:
    """Return the exit code of the command line: 2 for bad input, 128 plus the number of a signal."""
    number = error.signal_number if isinstance(error, Interruption) else signal.SIGINT
    return 128 + number if isinstance(error, Interruption | KeyboardInterrupt) else 2
