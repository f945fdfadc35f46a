"""SIGINT and SIGTERM as a request that a loop answers when nothing is half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class StopRequest:
    """While it is entered, the first SIGINT or SIGTERM is only noted; a second SIGINT acts at once.

    Signals can be caught in the main thread only; elsewhere they are left as they are, and `request` asks for an end.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, _frame: FrameType | None) -> None:
        self._number = number
        # A second Ctrl-C does not wait.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def request(self) -> None:
        """Ask for an end as SIGTERM does."""
        self._number = self._number or signal.SIGTERM

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._number is not None

    @property
    def signal(self) -> tuple[str, int]:
        """Name and number of the signal; an interrupt that came another way counts as SIGINT."""
        number = signal.Signals(self._number or signal.SIGINT)
        return number.name, int(number)

    def raise_if_requested(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self.requested:
            raise KeyboardInterrupt
