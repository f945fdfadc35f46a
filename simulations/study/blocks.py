"""Blocks of replicates, computed side by side and handed over in their order.

A block is a pure function of the study and of its place, and its size depends on m alone. Whoever takes in the blocks
one after another therefore gets the same bits from any number of threads or machines, and after a pause.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Piece = TypeVar("Piece")

Values = TypeVar("Values")

OBSERVATIONS_IN_A_BLOCK, REPLICATES_IN_A_BLOCK = 2_000_000, 1000
"""A block takes some milliseconds to tenths of a second: long beside handing it out, short beside a glance at a bar."""

BLOCKS_IN_A_PIECE, PIECES_FOR_A_WORKER = 50, 8

SECONDS_BETWEEN_GLANCES = 0.1
"""How often a wait for a block looks whether a signal has come."""


class Stopped(Exception):
    """A signal asked for an end while a block was awaited."""


def blocks_of(m: int, first: int, replicates: int) -> Iterable[range]:
    """Return the blocks of the replicates from ``first``, where a block begins, up to ``replicates``.

    Examples
    --------
    >>> blocks = list(blocks_of(1_000_000, 0, 20))
    >>> len(blocks) == number_of_blocks(1_000_000, 0, 20), blocks[0].start, blocks[-1].stop
    (True, 0, 20)
    """
    size = _block_size(m)
    return (range(start, min(start + size, replicates)) for start in range(first, replicates, size))


def number_of_blocks(m: int, first: int, replicates: int) -> int:
    """Return how many there are in `blocks_of`."""
    return -(-(replicates - first) // _block_size(m))


def whole_blocks(m: int, replicates: int) -> int:
    """Return how many of ``replicates`` fill whole blocks."""
    return replicates - replicates % _block_size(m)


def _block_size(m: int) -> int:
    return max(1, min(OBSERVATIONS_IN_A_BLOCK // m, REPLICATES_IN_A_BLOCK))


@dataclass
class Stop:
    """Whether SIGINT or SIGTERM has asked for an end, and which.

    Attributes
    ----------
    signals : list of int
        Those received, in their order.
    """

    signals: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.signals)


@contextlib.contextmanager
def signals_noted() -> Iterator[Stop]:
    """Note SIGINT and SIGTERM instead of breaking off somewhere in the middle; a second one does break off.

    Python delivers signals to the main thread only, so in any other thread nothing changes.
    """
    stop = Stop()

    def note(number: int, _frame: FrameType | None) -> None:
        stop.signals.append(number)
        if len(stop.signals) > 1:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Pool:
    """Where blocks are computed.

    Attributes
    ----------
    submit : callable
        Begins the computation of a function with arguments, and returns its future.
    size : int
        How many blocks it computes at a time.
    remote : bool
        Whether in other processes, to which functions and arguments must travel.
    look : callable
        Called now and then while a block is awaited; raises if none will come any more.
    """

    submit: Callable[..., Future[Any]]
    size: int
    remote: bool = False
    look: Callable[[], None] = lambda: None


@contextlib.contextmanager
def threads(number: int) -> Iterator[Pool]:
    """Start threads; at the end wait for the blocks under way and forget those that were not begun.

    When everything is to end at once, after a second signal, they are not waited for.
    """
    executor = ThreadPoolExecutor(number)
    at_once = False
    try:
        yield Pool(executor.submit, number)
    except BaseException as error:
        at_once = isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt)
        raise
    finally:
        executor.shutdown(wait=not at_once, cancel_futures=True)


def pieces_of(blocks: Iterable[range], number: int, workers: int) -> Iterator[tuple[range, ...]]:
    """Bring ``number`` blocks together to pieces for the workers of a cluster.

    To hand out a piece takes milliseconds, as long as many a block. A piece has `BLOCKS_IN_A_PIECE` at most, and fewer
    where each worker would otherwise have less than `PIECES_FOR_A_WORKER`.
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
    """Yield the values of each block, or piece of several, in their order.

    Parameters
    ----------
    submit : callable
        Begins the computation of one.
    blocks : iterable
    ahead : int
        How many may be under way or waiting for their turn: a bound on memory.
    stop : Stop
    look : callable
        As in `Pool`.

    Raises
    ------
    Stopped
        When ``stop`` is set while one is awaited.
    """
    pending: deque[Future[Values]] = deque()
    try:
        for block in blocks:
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
            raise Stopped
        look()
        wait([future], timeout=SECONDS_BETWEEN_GLANCES)
    if stop:
        raise Stopped
    return future.result()
