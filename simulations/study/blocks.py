"""Blocks of replicates, computed in parallel and returned in order.

A block is a pure function of the study and of its position, and its size depends on the study alone. Accumulating the
blocks in order therefore gives the same bits with any number of threads or machines, and after an interruption.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

from foundation.errors import Interruption
from foundation.signals import deliver, handle_signals

Piece = TypeVar("Piece")

Values = TypeVar("Values")

DRAWS_IN_A_BLOCK, REPLICATES_IN_A_BLOCK = 2_000_000, 1000
"""A block takes milliseconds to tenths of a second: long compared with its submission, short for a progress bar."""

BLOCKS_IN_A_PIECE, PIECES_FOR_A_WORKER = 50, 8

SECONDS_BETWEEN_GLANCES = 0.1
"""Interval at which a wait for a block checks for signals, in seconds."""


class Stopped(Exception):
    """A signal asked for an end while a block was awaited."""


def blocks_of(draws: int, first: int, replicates: int) -> Iterable[range]:
    """Split the replicates from ``first``, where a block begins, up to ``replicates`` into blocks.

    ``draws`` is the number of random numbers of a replicate, m unless the engine draws fewer.

    Examples
    --------
    >>> blocks = list(blocks_of(1_000_000, 0, 20))
    >>> len(blocks) == number_of_blocks(1_000_000, 0, 20), blocks[0].start, blocks[-1].stop
    (True, 0, 20)
    """
    size = block_size(draws)
    return (range(start, min(start + size, replicates)) for start in range(first, replicates, size))


def number_of_blocks(draws: int, first: int, replicates: int) -> int:
    """Count the blocks of `blocks_of`."""
    return -(-(replicates - first) // block_size(draws))


def whole_blocks(draws: int, replicates: int) -> int:
    """Count the replicates, out of ``replicates``, that fill whole blocks."""
    return replicates - replicates % block_size(draws)


def block_size(draws: int) -> int:
    """Return the number of replicates in a block, for ``draws`` random numbers in each."""
    return max(1, min(DRAWS_IN_A_BLOCK // draws, REPLICATES_IN_A_BLOCK))


@dataclass
class Stop:
    """Whether SIGINT or SIGTERM has asked for an end, and which.

    Attributes
    ----------
    signals : list of int
        Those received, in their order.
    answered : bool
        Whether `Stopped` or KeyboardInterrupt was raised for them.
    """

    signals: list[int] = field(default_factory=list)
    answered: bool = False

    def __bool__(self) -> bool:
        return bool(self.signals)


@contextlib.contextmanager
def signals_noted() -> Iterator[Stop]:
    """Note SIGINT and SIGTERM instead of breaking off somewhere in the middle; a second one does break off.

    A signal that comes after the last block, when nothing looks at the notes any more, is handled at the end.
    """
    stop = Stop()

    def note(number: int, _frame: FrameType | None) -> None:
        stop.signals.append(number)
        if len(stop.signals) > 1:
            stop.answered = True
            raise KeyboardInterrupt

    with handle_signals(note) as replaced:
        yield stop
    if stop.signals and not stop.answered:
        deliver(stop.signals[0], None, replaced)


@dataclass(frozen=True)
class Pool:
    """The threads or worker processes that compute blocks.

    Attributes
    ----------
    submit : callable
        Starts the computation of a function with arguments, and returns its future.
    size : int
        Number of blocks that are computed concurrently.
    remote : bool
        Whether blocks are computed in other processes, so that functions and arguments are pickled.
    look : callable
        Called periodically during a wait for a block; raises if the workers are lost.
    """

    submit: Callable[..., Future[Any]]
    size: int
    remote: bool = False
    look: Callable[[], None] = lambda: None


@contextlib.contextmanager
def threads(number: int) -> Iterator[Pool]:
    """Start threads; at the end wait for the running blocks and cancel the others.

    After a second signal, which ends the process at once, it does not wait.
    """
    executor = ThreadPoolExecutor(number)
    at_once = False
    try:
        yield Pool(executor.submit, number)
    except BaseException as error:
        # The exceptions that signals raise; `SimulationInterrupted` alone says that a first signal was answered.
        at_once = any(
            isinstance(one, KeyboardInterrupt) or type(one) is Interruption for one in (error, error.__cause__)
        )
        raise
    finally:
        executor.shutdown(wait=not at_once, cancel_futures=True)


def pieces_of(blocks: Iterable[range], number: int, workers: int) -> Iterator[tuple[range, ...]]:
    """Group ``number`` blocks into pieces for the workers of a cluster.

    Submitting a piece takes milliseconds, as long as many blocks take. A piece has at most `BLOCKS_IN_A_PIECE` blocks,
    and fewer if a worker would otherwise have less than `PIECES_FOR_A_WORKER` pieces.
    """
    size = max(1, min(BLOCKS_IN_A_PIECE, number // (PIECES_FOR_A_WORKER * workers)))
    remaining = iter(blocks)
    while piece := tuple(itertools.islice(remaining, size)):
        yield piece


def in_order(
    submit: Callable[[Piece], Future[Values]],
    blocks: Iterable[Piece],
    ahead: int,
    stop: Stop,
    look: Callable[[], None] = lambda: None,
) -> Iterator[Values]:
    """Compute the values of blocks, or of pieces of several blocks, and yield them in order.

    Parameters
    ----------
    submit : callable
        Starts the computation of one block or piece, and returns its future.
    blocks : iterable
    ahead : int
        Largest number of blocks that are submitted but not yet yielded: a bound on memory.
    stop : Stop
    look : callable
        As in `Pool`.

    Raises
    ------
    Stopped
        If ``stop`` is set during a wait.
    """
    pending: deque[Future[Values]] = deque()
    try:
        for block in blocks:
            # Results are awaited in the order of submission, so that a slow block delays and never reorders.
            pending.append(submit(block))
            if len(pending) >= ahead:
                yield _wait_for(pending.popleft(), stop, look)
        while pending:
            yield _wait_for(pending.popleft(), stop, look)
    finally:
        for future in pending:
            future.cancel()


def _wait_for(future: Future[Values], stop: Stop, look: Callable[[], None]) -> Values:
    while not future.done():
        if stop:
            future.cancel()
            raise _answer(stop)
        look()
        # A short time-out, so that a signal or lost workers are noticed while a block takes long.
        wait([future], timeout=SECONDS_BETWEEN_GLANCES)
    if stop:
        raise _answer(stop)
    return future.result()


def _answer(stop: Stop) -> Stopped:
    stop.answered = True
    return Stopped()
