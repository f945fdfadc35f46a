"""SIGINT and SIGTERM as a request that a loop answers when nothing is half done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from evae.compute.processes import Processes


class StopRequest:
    """While it is entered, the first SIGINT or SIGTERM is only noted; a second SIGINT acts at once.

    Signals can be caught in the main thread only; elsewhere they are left as they are.

    Of several processes each hears of a signal at a moment of its own: they stop when they have agreed to. A second
    signal changes nothing then: torchrun passes on to them what the terminal has sent them already.

    Within another one it hears in its place, and passes on at its end what it heard: a signal that came too late to
    stop what the inner one surrounds still stops what follows.

    Parameters
    ----------
    processes : Processes, optional
    asked : callable, optional
        Whether an end is asked for in another way; it counts as SIGTERM, here and not in a request around this one.
    """

    def __init__(self, processes: Processes | None = None, asked: Callable[[], bool] = lambda: False) -> None:
        self._processes = processes or Processes()
        self._asked = asked
        self._heard = self._told = self._agreed = 0
        self._acts_at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # A process that ends because another failed ignores signals from then on.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)
        around = getattr(self._before.get(signal.SIGTERM), "__self__", None)
        if self._heard and isinstance(around, StopRequest):
            around._request(self._heard, None)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal raise KeyboardInterrupt at once, also one that has come: in what is done again as a whole."""
        self.raise_if_requested()
        self._acts_at_once = True
        try:
            yield
        finally:
            self._acts_at_once = False

    def _request(self, number: int, _frame: FrameType | None) -> None:
        self._heard = number
        if self._acts_at_once:
            raise KeyboardInterrupt
        if self._processes.count == 1:
            # A second Ctrl-C does not wait.
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def agree(self, *numbers: int) -> tuple[int, ...]:
        """Make known to all processes what one of them has heard, and return the largest of each number as well.

        Of all things that happen in a step this is the only one that waits for all processes and decides something.
        """
        self._agreed, *largest = self._processes.all_reduce_max(self._so_far(), *numbers)
        return tuple(largest)

    def _so_far(self) -> int:
        """Return the number of the signal that this process knows of, or 0."""
        self._told = self._told or self._heard or (int(signal.SIGTERM) if self._asked() else 0)
        return self._told

    @property
    def requested(self) -> bool:
        """Whether a signal has come: of several processes, to one of them before they last agreed."""
        return bool(self._agreed if self._processes.count > 1 else self._so_far())

    @property
    def signal(self) -> tuple[str, int]:
        """Name and number of the signal; an interrupt that came another way counts as SIGINT."""
        number = signal.Signals(self._agreed or self._told or self._heard or signal.SIGINT)
        return number.name, int(number)

    def raise_if_requested(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self.requested:
            raise KeyboardInterrupt
