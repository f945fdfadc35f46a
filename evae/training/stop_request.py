"""The request to stop training: SIGINT, SIGTERM or a callable, answered between two steps."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from evae.compute.processes import Processes
from foundation.errors import Interruption
from foundation.signals import Handler, restore_handlers, set_handler


class StopRequest:
    """A context in which the first SIGINT or SIGTERM is only recorded, and a second SIGINT raises an exception.

    Signals are handled in the main thread only; in another thread the handlers are left as they are.

    Several processes receive a signal at different times, and stop after they have agreed to. There a second signal has
    no effect, since torchrun sends the processes a signal that the terminal has already sent them.

    An inner context handles signals in place of an outer one, and at its end passes a signal on: one that came too late
    to stop the inner block still stops the outer one.

    Parameters
    ----------
    processes : Processes, optional
    asked : callable, optional
        Returns whether training should stop for another reason, which counts as SIGTERM in this context only.
    """

    def __init__(self, processes: Processes | None = None, asked: Callable[[], bool] = lambda: False) -> None:
        self._processes = processes or Processes()
        self._asked = asked
        self._heard = self._told = self._agreed = 0
        self._acts_at_once = False
        self._replaced: Mapping[signal.Signals, Handler] = {}

    def __enter__(self) -> StopRequest:
        self._replaced = set_handler(self._request)
        return self

    def __exit__(self, *_: object) -> None:
        restore_handlers(self._replaced)
        around = getattr(self._replaced.get(signal.SIGTERM), "__self__", None)
        if self._heard and isinstance(around, StopRequest):
            around._request(self._heard, None)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise an exception immediately on a new or earlier signal; for a block that is repeated as a whole.

        It is KeyboardInterrupt, or that of the handler which was there before, as `foundation.signals.InsistentStop`.
        Several processes, which must stop at the same point, note the signal as elsewhere.
        """
        if self._processes.count > 1:
            yield
            return
        self.raise_if_requested()
        self._acts_at_once = True
        try:
            yield
        finally:
            self._acts_at_once = False

    def _request(self, number: int, frame: FrameType | None) -> None:
        self._heard = number
        if self._acts_at_once:
            self._find_raising_handler()(number, frame)
            raise KeyboardInterrupt
        if self._processes.count == 1:
            # A second Ctrl-C interrupts immediately.
            set_handler(self._find_raising_handler(), [signal.SIGINT])

    def _find_raising_handler(self) -> Callable[[int, FrameType | None], Any]:
        """Return the handler of SIGINT around all contexts of this class, or Python's own, which raise an exception."""
        handler = self._replaced.get(signal.SIGINT)
        around = getattr(handler, "__self__", None)
        if isinstance(around, StopRequest):
            return around._find_raising_handler()
        return handler if callable(handler) else signal.default_int_handler

    def agree(self, *numbers: int) -> tuple[int, ...]:
        """Share a received signal with all processes, and return the maximum of each number over the processes.

        This is the only point in a step at which all processes wait for a common decision.
        """
        self._agreed, *largest = self._processes.all_reduce_max(self._so_far(), *numbers)
        return tuple(largest)

    def _so_far(self) -> int:
        """Return the number of the signal that this process knows of, or 0."""
        self._told = self._told or self._heard or (int(signal.SIGTERM) if self._asked() else 0)
        return self._told

    @property
    def requested(self) -> bool:
        """Whether a stop was requested; with several processes, in any of them before the last `agree`."""
        return bool(self._agreed if self._processes.count > 1 else self._so_far())

    @property
    def signal(self) -> tuple[str, int]:
        """Name and number of the signal; SIGINT for a KeyboardInterrupt without a signal."""
        number = signal.Signals(self._agreed or self._told or self._heard or signal.SIGINT)
        return number.name, int(number)

    def signal_behind(self, error: BaseException) -> tuple[str, int]:
        """Name and number of the signal that ``error`` stands for: SIGPIPE if nothing reads standard output."""
        if isinstance(error, Interruption) and not self.requested:
            return signal.Signals(error.signal_number).name, error.signal_number
        return self.signal

    def raise_if_requested(self) -> None:
        """Raise KeyboardInterrupt if a stop was requested."""
        if self.requested:
            raise KeyboardInterrupt
