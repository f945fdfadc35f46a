"""The progress of training for Python: a bar on a terminal or in a notebook, and one line per epoch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from evae.training.callbacks.callback import Callback
from evae.training.callbacks.combination import Callbacks, StopRecorder
from evae.training.callbacks.notebook import open_notebook_display
from evae.training.display import open_training_display
from foundation.terminal import create_console, is_notebook


class ProgressBar(Callbacks):
    """Prints one line per epoch, and shows a bar with the terms of the loss, images/s and the remaining time.

    In a notebook both are output of the cell. Elsewhere they go to standard error: a terminal has the bar, and a log
    file a line per minute in its place.

    `evae.train` and the like show one by default where somebody looks on, on a terminal or in a notebook. Pass
    ``show_progress=False`` for none, or a `ProgressBar` among the callbacks for one in a log file too.
    """

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Show the bar within the block; training does this."""
        shown = open_notebook_display() if is_notebook() else open_training_display(create_console(stderr=True))
        with shown as display:
            self.members = (display,)
            try:
                yield
            finally:
                self.members = ()


@contextlib.contextmanager
def open_callbacks(given: Callback | Sequence[Callback] | None, show_progress: bool) -> Iterator[StopRecorder]:
    """Yield all callbacks of training as one, with a progress bar if somebody can look on and none is given."""
    members = () if given is None else (given,) if isinstance(given, Callback) else tuple(given)
    recorder = StopRecorder(members)
    bars = [member for member in recorder.members if isinstance(member, ProgressBar)]
    if show_progress and not bars and (is_notebook() or create_console(stderr=True).is_terminal):
        bars = [ProgressBar()]
        recorder.members = (*bars, *recorder.members)
    with contextlib.ExitStack() as stack:
        for bar in bars:
            stack.enter_context(bar.opened())
        yield recorder
