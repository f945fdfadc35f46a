"""A signal, whenever it comes, ends every command in one sentence, unless the work is complete; nothing is lost."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cli
from tests.commands.test_json import COMMANDS, TINY
from tests.support.places import ROOT
from tests.support.processes.faults import Ended, Faults, complaints
from tests.support.processes.runner import runner
from tests.support.processes.signals import ignoring_interrupts

#: Commands whose results are complete in a folder of their own, with more to do than in the tests of their documents.
LONGER = {
    "simulate-tm": "simulate-tm --m 50 --m 60 --replicates 3000 --engine exact --workers 1 --resume FOLDER/state.json",
    "train": f"train {' '.join(TINY)} --batch-size 20 --runs-dir FOLDER/trained --name run",
    "reproduce": f"{COMMANDS['reproduce']} --models vae",
    # On a busy machine the usual limit of a minute can end them instead of the signal.
    "verify-lemmas": f"{COMMANDS['verify-lemmas']} --time-limit 900",
    "verify-lemmas-kernel": f"{COMMANDS['verify-lemmas-kernel']} --time-limit 900",
    "report": "report --run FOLDER/run --m 50 --output FOLDER/page.html",
    "datasets-check-folder": "datasets check folder:FOLDER/pictures --data-dir FOLDER",
    "sample-walk": "sample FOLDER/run --walk 0,1 --device cpu",
    "evaluate-features": "evaluate FOLDER/run --features classifier --device cpu --data-dir FOLDER",
}

NAMES = [name for name in {**COMMANDS, **LONGER} if name not in ("completion", "datasets-get", "verify-lemmas-list")]

#: The commands of which the tests that always run send one signal.
QUICK = ("simulate-tm", "test-fit", "train", "evaluate")

#: What is run again after a signal: the commands that save what is done. Training is resumed by another command.
RESUMING = {
    "simulate-tm": LONGER["simulate-tm"],
    "train": "train --resume FOLDER/trained/run",
    "reproduce": LONGER["reproduce"],
}

#: Seconds in which a command ends after a signal; far more than it takes, for a busy machine.
AT_MOST = 10


@pytest.fixture(scope="module")
def prepared(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sample, images and a trained run, of which every test takes a copy."""
    place = tmp_path_factory.mktemp("prepared")
    np.savetxt(place / "sample.txt", np.random.default_rng(0).normal(size=50))
    for number in range(20):
        picture = place / "pictures" / ("train" if number < 15 else "test") / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 32), 100 + 8 * number, dtype=np.uint8)).save(picture)
    assert faults.run("train", *TINY, "--runs-dir", place, "--name", "run", "--quiet").code == 0
    return place


@dataclass
class Command:
    """A command whose outputs all lie in one folder, which begins as a copy of ``prepared``."""

    faults: Faults
    name: str
    prepared: Path
    folder: Path

    def begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.prepared, self.folder)

    def run(self, template: str | None = None, **faults: Any) -> Ended:
        template = template or {**COMMANDS, **LONGER}[self.name]
        words = template.replace("FOLDER", str(self.folder)).split()
        return self.faults.run(*words, "--json", self.folder / "result.json", watched=self.folder, **faults)

    def resume(self) -> Ended:
        begun = self.name != "train" or (self.folder / "trained" / "run" / "config.json").exists()
        return self.run(RESUMING[self.name] if begun else None)

    def outcome(self) -> dict[str, object]:
        """Everything in the folder except times, checkpoints, and the curves for TensorBoard."""
        return {
            str(path.relative_to(self.folder)): timeless(path.name, path.read_bytes())
            for path in self.folder.rglob("*")
            if path.is_file() and not re.search(r"checkpoints/|tensorboard/|\.lock$|environment\.json", str(path))
        }


def timeless(name: str, content: bytes) -> object:
    """The content of a file, without how long things took, and without digests, some of which are of times."""
    if not name.endswith((".json", ".jsonl", ".csv", ".html", ".md")):
        return content
    text = re.sub(r'"(\w*seconds?|\w+_per_second|sha256\w*)": ?[^,}\n]+', "", content.decode())
    # Of a page or a table with times in it, what remains to compare is that it has all its lines.
    return text if name.endswith((".json", ".jsonl")) else text.count("\n")


def require_ended(ended: Ended, number: int, command: Command, complete: dict[str, object]) -> None:
    """Require that the command ended by the signal in one sentence and can be repeated or resumed, or was complete."""
    assert ended.code in (0, 1, 128 + number), (ended.code, ended.errors)
    if ended.code > 1:
        (line,) = complaints(ended.errors)
        assert re.match("Error: .*(interrupted|terminated|stopped)", line), line
        assert list(command.folder.rglob("*.part")) == []
        if command.name not in RESUMING:
            return
        again = command.resume()
        assert again.code in (0, 1), again.errors
    else:
        assert complaints(ended.errors) == []
    assert command.outcome() == complete


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NAMES]
)
def test_a_signal_at_a_moment_ends_the_command_and_loses_nothing(
    name: str, faults: Faults, prepared: Path, tmp_path: Path
) -> None:
    require_at_moments(Command(faults, name, prepared, tmp_path / "folder"), 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_at_any_moment_ends_the_command_and_loses_nothing(
    name: str, faults: Faults, prepared: Path, tmp_path: Path
) -> None:
    require_at_moments(Command(faults, name, prepared, tmp_path / "folder"), 10_000, 10)


def require_at_moments(command: Command, moments: int, times: int) -> None:
    """Send SIGINT or SIGTERM at so many moments, and as many times at another time, and require what must follow."""
    chosen = random.Random(command.name)
    command.begin()
    started = time.monotonic()
    whole = command.run()
    duration = time.monotonic() - started
    assert whole.code in (0, 1), whole.errors
    complete, passed = command.outcome(), range(1, len(whole.moments) + 1)
    for moment in sorted(chosen.sample(passed, min(moments, len(passed)))):
        number = chosen.choice([signal.SIGINT, signal.SIGTERM])
        command.begin()
        require_ended(command.run(at={moment: int(number)}), number, command, complete)
    for _ in range(times):
        number, after = chosen.choice([signal.SIGINT, signal.SIGTERM]), chosen.random() * duration
        command.begin()
        started = time.monotonic()
        ended = command.run(after=(after, int(number)))
        assert time.monotonic() - started - after < AT_MOST
        require_ended(ended, number, command, complete)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_command_started_with_sigint_ignored_is_not_ended_by_it_at_any_moment_but_by_sigterm(
    name: str, faults: Faults, prepared: Path, tmp_path: Path
) -> None:
    command = Command(faults, name, prepared, tmp_path / "folder")
    command.begin()
    whole = command.run()
    complete = command.outcome()
    command.begin()
    always = dict.fromkeys(range(1, 2 * len(whole.moments)), int(signal.SIGINT))
    ignored = command.run(at=always, ignoring_interrupts=True)
    assert (ignored.code, complaints(ignored.errors)) == (whole.code, [])
    assert command.outcome() == complete
    if whole.moments:
        command.begin()
        first = command.run(at={1: int(signal.SIGTERM)}, ignoring_interrupts=True)
        require_ended(first, signal.SIGTERM, command, complete)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_the_program_in_a_sentence(number: signal.Signals) -> None:
    """The signal is sent when the program imports click, in the middle of that import."""
    script = (
        "import os, sys, runpy\n"
        "class Sender:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'click.core': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Sender())\n"
        "sys.argv = ['cli.py', '--version']\n"
        "runpy.run_path('cli.py', run_name='__main__')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    word = "terminated" if number == signal.SIGTERM else "interrupted"
    assert ended.returncode == 128 + number
    assert ended.stderr == f"Error: {word}. No partial output was left; run the same command to start over.\n"
    ignored = subprocess.run(
        ignoring_interrupts(sys.executable, "-c", script), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ignored.returncode == (0 if number == signal.SIGINT else 143)


def test_a_caller_in_python_keeps_its_handlers() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    for words in ([], ["--version"], ["simulate-tm", "--m", "-5"]):
        runner().invoke(cli.main, words)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == before
