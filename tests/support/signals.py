"""What processes that the tests start say of the signals they were born with."""

from __future__ import annotations

import signal
from multiprocessing.connection import Connection


def tell_what_is_blocked(connection: Connection) -> None:
    connection.send(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
