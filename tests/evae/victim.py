"""A process that trains in children of its own, which end themselves by a signal at a given moment.

Each line of standard input is a JSON object: ``run`` (the folder), ``settings`` (of a new run) or null to resume,
``moment`` (null: train to the end) and ``signal``. A moment is the number of a file operation or of a batch: each time
a child is about to open, make, rename or remove something in the run's folder, or has trained a batch, one has passed.
The answer is the child's wait status and the number of moments that passed. Forking spares importing torch each time.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from evae import Configuration, train
from evae.training import Progress, Watcher, resume

OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


class Moments(Watcher):
    """Counts the moments, and sends the signal when its moment has come."""

    def __init__(self, folder: Path, moment: int | None, number: int) -> None:
        self.folder, self.moment, self.number = str(folder), moment, number
        self.passed = 0
        sys.addaudithook(self._listen)

    def _listen(self, event: str, arguments: tuple[Any, ...]) -> None:
        # Removing a folder names what is in it without the folder.
        if event in OPERATIONS and (self.folder in str(arguments[0]) or event in ("os.remove", "os.rmdir")):
            self._pass()

    def batch_finished(self, _progress: Progress) -> None:
        self._pass()

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self.moment:
            os.kill(os.getpid(), self.number)


def child(order: dict[str, Any], report: int) -> None:
    folder = Path(order["run"])
    watcher = Moments(folder.parent, order["moment"], order["signal"])
    if order["settings"] is None:
        resume(folder, watcher)
    else:
        train(Configuration(runs_dir=str(folder.parent), name=folder.name, **order["settings"]), watcher)
    os.write(report, str(watcher.passed).encode())


def main() -> None:
    torch.set_num_threads(1)
    for line in sys.stdin:
        order = json.loads(line)
        answers, report = os.pipe()
        process = os.fork()
        if process == 0:
            try:
                child(order, report)
                os._exit(0)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
        os.close(report)
        _, status = os.waitpid(process, 0)
        with os.fdopen(answers) as stream:
            passed = stream.read()
        print(json.dumps({"status": status, "moments": int(passed or 0)}), flush=True)


if __name__ == "__main__":
    main()
