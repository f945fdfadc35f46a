"""Worker processes start with SIGINT and SIGTERM blocked."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.places import ROOT


def test_the_first_process_too_starts_with_signals_blocked() -> None:
    """Python's resource tracker, which starts with the first one, unblocks signals."""
    script = (
        "from tests.support.signals import tell_what_is_blocked\n"
        "from foundation.processes import start_process\n"
        "print(*(int(number) for number in start_process(tell_what_is_blocked)[1].recv()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {signal.SIGINT, signal.SIGTERM} <= set(map(int, done.stdout.split()))
