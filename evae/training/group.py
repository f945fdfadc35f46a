"""A group of runs that are trained at once, with its failures and the outcome that is written for each run."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from evae.compute.place import place
from evae.compute.processes import Processes
from evae.configuration.configuration import Configuration
from evae.configuration.domains import GIVEN
from evae.exceptions import DivergenceError, ProcessLost
from evae.runs.checkpoints import Position
from evae.runs.run import Run
from evae.training.progress import describe_term
from evae.training.stop_request import StopRequest
from foundation.errors import InputError, Interruption
from foundation.typography import quote_for_shell

#: The networks and optimizers of all runs are in memory at once.
MOST_SEEDS = 64


def configure_seeds(config: Configuration, seeds: Sequence[int]) -> list[Configuration]:
    """Return a configuration for each seed; they differ in the seed, and in the name if there is one.

    Raises
    ------
    InputError
        If no seed is given, one is repeated or invalid, or there are more than `MOST_SEEDS`.
    """
    listed = ",".join(map(str, seeds))
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds must name at least one, and none twice; got {listed or 'none'}.")
    if len(seeds) > MOST_SEEDS:
        raise InputError(f"--seeds trains at most {MOST_SEEDS} runs at once, got {len(seeds):,} seeds.")
    names = [None if config.name is None else f"{config.name}-seed{seed}" for seed in seeds]
    return [dataclasses.replace(config, seed=seed, name=name) for seed, name in zip(seeds, names, strict=True)]


def require_one_process(runs: int) -> None:
    """Raise `InputError` if several runs are to be trained at once in the processes that torchrun started."""
    count = place().count
    if runs > 1 and count > 1:
        raise InputError(
            f"torchrun started {count} processes, which share one run, and several runs at once share one process. "
            "Leave torchrun out, or train one seed."
        )


class TrainingStopped(InputError):
    """The disk or the memory is full, or a folder was removed; the sentence says how to resume."""


class TrainingInterrupted(Interruption):
    """Training was stopped by SIGINT or SIGTERM, after a checkpoint was written.

    Attributes
    ----------
    runs : tuple of Run
        Those that can be resumed.
    epochs_finished : int
        By all of them.
    """

    def __init__(self, runs: Sequence[Run], epochs_finished: int, signal_name: str, signal_number: int) -> None:
        self.runs = tuple(runs)
        self.epochs_finished = epochs_finished
        where = str(self.run.path) if len(runs) == 1 else f"{self.run.path} and the folders of {_count_others(runs)}"
        if epochs_finished == 0:
            kept = f"no epoch was finished, and {where} {'holds' if len(runs) == 1 else 'hold'} no weights to evaluate"
        else:
            them = "them" if len(runs) == 1 else "each"
            kept = f"the weights and metrics of epoch {epochs_finished} are in {where}, and `evaluate` measures {them}"
        super().__init__(f"interrupted by {signal_name}; {kept}; {format_resume_command(runs)}", signal_number)

    @property
    def run(self) -> Run:
        """The first of the runs."""
        return self.runs[0]


class SomeDiverged(DivergenceError):
    """The loss of some runs of a group became infinite or NaN; the sentence gives the reasons.

    Attributes
    ----------
    finished : tuple of Run
        The other runs.
    """

    def __init__(self, group: Group) -> None:
        self.finished = tuple(run for number, run in enumerate(group.runs) if number not in group.failures)
        reasons = " ".join(f"{group.runs[number].path}: {error}" for number, error in group.failures.items())
        rest = f"The other {_count_runs(self.finished)} finished." if self.finished else "No other run is left."
        super().__init__(f"{len(group.failures)} of {len(group.runs)} runs failed. {reasons} {rest}")


@dataclass(frozen=True)
class Group:
    """Runs that are trained at once; a run is identified by its index, its number.

    A run whose loss becomes infinite or NaN fails alone: its network does not affect the others.

    Attributes
    ----------
    runs : tuple of Run
    on_run_failed : callable
        `Callback.on_run_failed`, called while other runs are left.
    failures : dict
        Errors by the number of the run.
    stopped : set
        The numbers of the runs that a callback has stopped, which are finished.
    """

    runs: tuple[Run, ...]
    on_run_failed: Callable[[int, str], None] = lambda number, reason: None  # noqa: ARG005
    failures: dict[int, DivergenceError] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)

    def active(self) -> list[tuple[int, Run]]:
        """Return the runs that are trained, which have neither failed nor stopped, with their numbers."""
        over = self.failures.keys() | self.stopped
        return [(number, run) for number, run in enumerate(self.runs) if number not in over]

    @contextlib.contextmanager
    def isolate_failure(self, number: int) -> Iterator[None]:
        """Let a `DivergenceError` in the block fail this run only; raise it, or `SomeDiverged`, if no other is left."""
        try:
            yield
        except DivergenceError as error:
            if len(self.runs) == 1:
                raise
            self.failures[number] = error
            run = self.runs[number]
            run.set_status("failed", epochs_finished=len(run.records), reason=_describe_state(error)[1])
            if not self.active():
                raise SomeDiverged(self) from error
            self.on_run_failed(number, str(error))

    def set_status(self, state: str, *, epochs_finished: int) -> None:
        """Replace ``status.json`` of the active runs."""
        for _, run in self.active():
            run.set_status(state, epochs_finished=epochs_finished)

    def require_no_failures(self) -> None:
        """Raise `SomeDiverged` if a run has failed."""
        if self.failures:
            raise SomeDiverged(self)

    @contextlib.contextmanager
    def write_outcome(self, stop: StopRequest, processes: Processes) -> Iterator[None]:
        """Write the reason for an exception in the block into ``status.json``, and raise it as one sentence.

        An interruption becomes `TrainingInterrupted`, and a full disk or memory `TrainingStopped`.
        """
        try:
            yield
        except BaseException as error:
            active = [run for _, run in self.active()]
            if not active:
                raise
            epochs = [len(run.records) for run in active]
            outcome = processes.outcome(_explain(active, epochs, stop, error))
            if isinstance(outcome, ProcessLost):
                outcome = ProcessLost(f"{outcome}; {format_resume_command(active)}")
            if processes.is_first:
                state, reason = _describe_state(outcome)
                for run, epochs_finished in zip(active, epochs, strict=True):
                    with _ignore_full_disk():
                        run.set_status(state, epochs_finished=epochs_finished, reason=reason)
            if outcome is error:
                raise
            raise outcome from error


def format_resume_command(runs: Sequence[Run]) -> str:
    """Return the command that resumes the runs, as words in a sentence."""
    named = " ".join(f"--resume {quote_for_shell(str(run.path))}" for run in runs)
    # The folder alone does not say whether the code that it names may be run. An unreadable one has been reported.
    with contextlib.suppress(InputError):
        config = runs[0].configuration
        named += f" --network {config.network}" if config.has_own_network and config.network != GIVEN else ""
    return f"resume with: python cli.py train {named}"


def require_finite(terms: dict[str, float], where: str) -> None:
    """Raise `DivergenceError` if a term is infinite or NaN."""
    for name, value in terms.items():
        if name != "loss" and not math.isfinite(value):
            raise DivergenceError.of(describe_term(name), value, where)


def require_finite_weights(weights: dict[str, Tensor], position: Position) -> None:
    """Raise `DivergenceError` if a weight is infinite or NaN."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            value = float(tensor[~tensor.isfinite()][0])
            raise DivergenceError.of(f"weight {name}", value, f"by {position} (step {position.step})")


def _explain(runs: Sequence[Run], epochs: Sequence[int], stop: StopRequest, error: BaseException) -> BaseException:
    if isinstance(error, KeyboardInterrupt | Interruption):
        return TrainingInterrupted(runs, min(epochs), *stop.signal_behind(error))
    return _explain_machine(runs, error) or error


def _describe_state(outcome: BaseException) -> tuple[str, str | None]:
    """Return the state and the reason for ``status.json``."""
    if isinstance(outcome, Interruption):
        return "interrupted", None
    if isinstance(outcome, ProcessLost):
        return "interrupted", "one of its processes died without reporting an error"
    return "failed", str(outcome) if isinstance(outcome, TrainingStopped) else f"{type(outcome).__name__}: {outcome}"


def _ignore_full_disk() -> contextlib.suppress:
    # A run whose status remains "running" while no process holds it is recognised as interrupted.
    return contextlib.suppress(OSError)


def _explain_machine(runs: Sequence[Run], error: BaseException) -> TrainingStopped | None:
    # A removed folder explains any error of a file in it, and comes before the error's own words.
    if isinstance(error, OSError):
        for run in runs:
            if not run.path.exists():
                return TrainingStopped(f"the folder {run.path} was removed while its run was trained. Begin a new run.")
    # A full disk or a missing permission can be mended, and the run resumed.
    if isinstance(error, OSError) and error.strerror:
        file = f" ({error.filename})" if error.filename else ""
        return TrainingStopped(
            f"{_find_run(runs, error).path} could not be written: {error.strerror}{file}. What was written before is "
            f"whole. When that is mended, {format_resume_command(runs)}"
        )
    # Memory that another program held may be free later; a smaller batch needs a new run.
    if isinstance(error, torch.OutOfMemoryError):
        step = f"{runs[0].configuration.batch_size} images"
        step += "" if len(runs) == 1 else f" in each of {len(runs)} runs"
        less = "begin a new run with a" if len(runs) == 1 else "begin fewer runs at once, or new ones with a"
        return TrainingStopped(
            f"the CUDA device has not enough free memory for a step of {step}. When other programs have left "
            f"it, {format_resume_command(runs)}; or {less} smaller --batch-size."
        )
    return None


def _find_run(runs: Sequence[Run], error: OSError) -> Run:
    """Return the run whose file could not be written, or the first one if the error names no file of a run."""
    file = Path(str(error.filename))
    return next((run for run in runs if file.is_relative_to(run.path)), runs[0])


def _count_runs(runs: Sequence[Run]) -> str:
    return "run" if len(runs) == 1 else f"{len(runs)} runs"


def _count_others(runs: Sequence[Run]) -> str:
    return "the other run" if len(runs) == 2 else f"the other {len(runs) - 1} runs"
