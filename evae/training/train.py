"""The entry points of training: `train` and `resume` for one run, `train_seeds` and `resume_seeds` for several seeds.

All of them use the same functions, since a single run is trained as a group of one.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from evae.compute.precision import deterministic_algorithms, require_precision, resolve_device
from evae.compute.processes import Processes, process_group
from evae.configuration.configuration import Configuration
from evae.configuration.domains import GIVEN
from evae.data import ImageData, load_for
from evae.data.arrays import GivenData
from evae.data.images import fingerprint
from evae.exceptions import ResumeWarning
from evae.models.custom.functions import Builder
from evae.models.custom.own_parts import OwnParts
from evae.models.regularisation.penalties import require_whole_batches
from evae.models.vae import VAE
from evae.runs.checkpoints import Checkpoint
from evae.runs.continuation import departures, require_alike, require_same_data, update_configuration
from evae.runs.environment import environment
from evae.runs.run import Run
from evae.training.callbacks.callback import Callback
from evae.training.callbacks.combination import StopRecorder
from evae.training.callbacks.progress_bar import open_callbacks
from evae.training.group import Group, configure_seeds, require_one_process
from evae.training.loop import run_epochs
from evae.training.session import Session
from evae.training.stop_request import StopRequest
from evae.training.updates.schedules import require_one_rate
from foundation.errors import InputError


def train(
    config: Configuration,
    callback: Callback | Sequence[Callback] | None = None,
    *,
    model: VAE | Builder | None = None,
    data: GivenData | None = None,
    stop: Callable[[], bool] = lambda: False,
    show_progress: bool = True,
) -> Run:
    """Train a model and return its run.

    Parameters
    ----------
    config : Configuration
    callback : Callback or sequence of Callback, optional
        Their hooks are called during training; with several processes, in the first one only.
    model : VAE or callable, optional
        A network of your own: a function that is called with the shape (C, S, S) of the images and d_z and returns an
        encoder and a decoder (`evae.models.vae.VAE`), whose initial weights depend on the seed; or a model, which is
        trained as it is. To resume, evaluate or load the run, give it again.
    data : ImageData or pair, optional
        Images of your own in place of the data set of ``config``: a pair of training and hold-out images, or
        `evae.data.from_arrays`. To resume or evaluate the run, give them again.
    stop : callable, optional
        Called after each batch. When it returns True, training ends as after SIGTERM.
    show_progress : bool, optional
        Whether to show a progress bar on a terminal or in a notebook (`evae.ProgressBar`). Elsewhere, as in a script
        that writes to a file, nothing is printed unless a `ProgressBar` is among the callbacks.

    Returns
    -------
    Run
        In each of the processes that torchrun started, the run that the first one has written.

    Raises
    ------
    InputError
        If the data, the device or the run's name cannot be used (nothing is written then); as
        `evae.exceptions.DivergenceError`, if a term of the loss becomes infinite or NaN; as
        `evae.training.group.TrainingStopped`, if the disk or the memory is full; as
        `evae.models.custom.errors.NetworkError`, if your network fails, or returns what it must not.
    TrainingInterrupted
        On SIGINT or SIGTERM, after the batch is finished and a checkpoint is written. A second SIGINT ends training
        immediately.
    SystemExit
        In all processes other than the first one, if any process fails.
    """
    own = OwnParts.of(config, model, data)
    (run,) = _train_group([own.named_in(config)], callback, stop, show_progress, own)
    return run


def train_seeds(
    config: Configuration,
    seeds: Sequence[int],
    callback: Callback | Sequence[Callback] | None = None,
    *,
    data: GivenData | None = None,
    stop: Callable[[], bool] = lambda: False,
    show_progress: bool = True,
) -> tuple[Run, ...]:
    """Train a model with several seeds at once and return their runs, in the order of the seeds.

    The networks are stacked into one (`evae.models.stacked`), which fills a GPU that a single one leaves idle. Each has
    the initial weights, the order of images and the noise that `train` gives its seed, and the same result within
    rounding, since no network affects another. Each run is complete, and can be evaluated and resumed alone.

    Parameters
    ----------
    config : Configuration
        Its seed is ignored. Its name, if it has one, is extended by ``-seed0`` and so on.
    seeds : sequence of int
        From 1 to `evae.training.group.MOST_SEEDS` different seeds.
    callback, data, stop, show_progress
        As for `train`. A network of your own cannot be stacked: train its seeds one after another.

    Raises
    ------
    InputError
        As `train`, and if torchrun started several processes; as `evae.training.group.SomeDiverged`, if the loss of
        some runs becomes infinite or NaN, when the others have finished.
    TrainingInterrupted
        As `train`: all runs stop after the same batch, with a checkpoint each.
    """
    require_one_process(len(seeds))
    own = OwnParts.of(config, None, data)
    if config.has_own_network and len(seeds) > 1:
        raise InputError(
            f"--seeds trains several networks as one, got {config.network}, whose layers cannot be stacked. Train one "
            "--seed after another."
        )
    return _train_group(configure_seeds(own.named_in(config), seeds), callback, stop, show_progress, own)


def resume(
    run: Run | str | Path,
    callback: Callback | Sequence[Callback] | None = None,
    *,
    model: VAE | Builder | str | None = None,
    data: GivenData | None = None,
    stop: Callable[[], bool] = lambda: False,
    show_progress: bool = True,
    **options: Any,
) -> Run:
    """Resume a run from its newest checkpoint and return it.

    On the CPU of one machine the result is identical, to the bit, to that of a run that was never stopped.

    Parameters
    ----------
    run : Run, str or Path
        The run or its folder.
    callback, model, data, stop, show_progress
        As for `train`: the same network and images. A network ``module:FUNCTION`` is instead named by the option
        ``network``, since a run folder may come from anyone and its code is not run without that. A text as ``model``
        is that option, the name of the preset.
    **options
        Fields of `Configuration`. ``epochs`` may increase; ``device``, ``data_dir`` and ``checkpoint_minutes`` may
        change; all others must have the values of the run.

    Raises
    ------
    InputError
        As `train`; or if an option contradicts the run, the data have changed, no checkpoint is intact, or another
        process writes the run.

    Warns
    -----
    ResumeWarning
        If the newest checkpoint is damaged and the one before it is used, or the machine has changed.
    """
    if isinstance(model, str):
        options, model = {**options, "model": model}, None
    (run,) = _resume_group([run], callback, stop, show_progress, options, model, data)
    return run


def resume_seeds(
    runs: Sequence[Run | str | Path],
    callback: Callback | Sequence[Callback] | None = None,
    *,
    data: GivenData | None = None,
    stop: Callable[[], bool] = lambda: False,
    show_progress: bool = True,
    **options: Any,
) -> tuple[Run, ...]:
    """Resume runs that were trained at once, and return them; the parameters are those of `resume`.

    Raises
    ------
    InputError
        As `resume` and `train_seeds`; or if the runs differ in more than their seeds, or are not at the same position.
        A run that is one checkpoint ahead of another, as after a kill between the two, is resumed from the one before.
    """
    require_one_process(len(runs))
    return _resume_group(runs, callback, stop, show_progress, options, None, data)


def _train_group(
    configs: Sequence[Configuration],
    given: Callback | Sequence[Callback] | None,
    stop: Callable[[], bool],
    show_progress: bool,
    own: OwnParts,
) -> tuple[Run, ...]:
    config = configs[0]
    require_whole_batches(config.recipe)
    require_one_rate(config, len(configs))
    with (
        deterministic_algorithms(config.deterministic),
        process_group(_choose_device(config)) as processes,
        _open_callbacks(given, show_progress, processes) as callback,
    ):
        return _start_runs(configs, callback, StopRequest(processes, stop), processes, own)


def _start_runs(
    configs: Sequence[Configuration], callback: StopRecorder, stop: StopRequest, processes: Processes, own: OwnParts
) -> tuple[Run, ...]:
    if processes.is_first:
        # Before images are decoded, which can take long.
        for config in configs:
            Run.require_creatable(config)
    # Data, model and memory first: a failure there leaves no folder of a run behind.
    data = _load_data(configs[0], callback, processes, own)
    _require_several_holdout_images(configs[0], data)
    session = Session.begin(configs[0], data, processes, [config.seed for config in configs], own.model)
    with stop:
        network = own.document(configs[0], session.model)
        group = Group(_create_runs(configs, data, processes, network), callback.on_run_failed)
        with _hold_runs(group.runs, processes):
            run_epochs(group, session, (), callback, stop)
    return group.runs


def _resume_group(
    named: Sequence[Run | str | Path],
    given: Callback | Sequence[Callback] | None,
    stop: Callable[[], bool],
    show_progress: bool,
    options: dict[str, Any],
    model: VAE | Builder | None,
    data: GivenData | None,
) -> tuple[Run, ...]:
    runs = [run if isinstance(run, Run) else Run.open(run) for run in named]
    asked = options
    if runs and runs[0].configuration.network == GIVEN:
        # A function by name may make the model that was given in Python.
        options = {name: value for name, value in options.items() if name != "network"}
    wanted = [update_configuration(run, options) for run in runs]
    require_alike(runs, wanted)
    require_whole_batches(wanted[0].recipe)
    require_one_rate(wanted[0], len(runs))
    with (
        process_group(_choose_device(wanted[0])) as processes,
        _hold_runs(runs, processes),
    ):
        # Read again: before the runs were held another process could have changed them.
        configs = [update_configuration(Run(run.path), options) for run in runs]
        require_alike(runs, configs)
        with (
            deterministic_algorithms(configs[0].deterministic),
            _open_callbacks(given, show_progress, processes) as callback,
        ):
            own = OwnParts.again(runs[0], asked, model, data)
            return _continue_runs(runs, configs, callback, StopRequest(processes, stop), processes, own)


def _continue_runs(
    runs: Sequence[Run],
    configs: Sequence[Configuration],
    callback: StopRecorder,
    stop: StopRequest,
    processes: Processes,
    own: OwnParts,
) -> tuple[Run, ...]:
    # Read and compare everything before the first file of a run changes.
    checkpoints = _read_checkpoints(runs, processes)
    data = _load_data(configs[0], callback, processes, own)
    require_same_data(runs, configs[0], fingerprint(data))
    session = Session.begin(configs[0], data, processes, [config.seed for config in configs], own.model)
    if configs[0].has_own_network:
        runs[0].require_network(session.model.structure_sha256)
    if checkpoints:
        session.restore(checkpoints)
    with stop:
        if processes.is_first:
            runs = [run.replace_configuration(config) for run, config in zip(runs, configs, strict=True)]
        group = Group(tuple(runs), callback.on_run_failed)
        run_epochs(group, session, checkpoints, callback, stop)
    return group.runs


def _open_callbacks(
    given: Callback | Sequence[Callback] | None, show_progress: bool, processes: Processes
) -> contextlib.AbstractContextManager[StopRecorder]:
    return open_callbacks(given, show_progress) if processes.is_first else open_callbacks(None, show_progress=False)


def _load_data(config: Configuration, callback: Callback, processes: Processes, own: OwnParts) -> ImageData:
    with processes.local_first():
        data = load_for(config, given=own.data, progress=callback.on_data_decoded)
    if processes.count > 1:
        # With different images the processes would average gradients of different losses.
        digests = json.dumps(fingerprint(data))
        if processes.broadcast_text(digests) != digests:
            raise InputError(
                f"process {processes.place.rank} finds other images of {config.dataset} in {config.data_dir} than the "
                "first one does: their SHA-256 is another. Give all processes the same --data-dir."
            )
    return data


def _require_several_holdout_images(config: Configuration, data: ImageData) -> None:
    if len(data.holdout) < 2:
        raise InputError(
            f"the number of hold-out images of {config.dataset} must be 2 or more, got {len(data.holdout)}: the spread "
            "of their codes, which tells active dimensions from idle ones, needs two. Add images, or raise "
            "--limit-holdout."
        )


def _create_runs(
    configs: Sequence[Configuration], data: ImageData, processes: Processes, network: dict[str, str] | None
) -> tuple[Run, ...]:
    """Create the folders of all runs or of none; a process other than the first receives the path of its run."""
    if not processes.is_first:
        return (Run(Path(processes.broadcast_text(""))),)
    document = data.document()
    runs: list[Run] = []
    with contextlib.ExitStack() as undo:
        for config in configs:
            runs.append(Run.create(config, **document, network=network))
            undo.callback(shutil.rmtree, runs[-1].path, ignore_errors=True)
        undo.pop_all()
    processes.broadcast_text(str(runs[0].path))
    return tuple(runs)


@contextlib.contextmanager
def _hold_runs(runs: Sequence[Run], processes: Processes) -> Iterator[None]:
    """Lock the runs for writing, once for all processes."""
    with contextlib.ExitStack() as locks:
        for run in runs if processes.is_first else ():
            locks.enter_context(run.locked())
        # No process goes further before the first one holds the locks.
        processes.barrier()
        yield


def _choose_device(config: Configuration) -> torch.device:
    device = resolve_device(config.device)
    require_precision(config.precision, device)
    return device


def _read_checkpoints(runs: Sequence[Run], processes: Processes) -> list[Checkpoint]:
    """Read the newest intact checkpoint of each run, or none if nothing was trained.

    Warn of damaged checkpoints, and of differences that change the bits of the result.
    """
    found = [run.checkpoints.newest() for run in runs]
    first = min(_place(checkpoint) for checkpoint, _ in found)
    for number, (checkpoint, _) in enumerate(found):
        # A kill between the checkpoints of two runs leaves the first of them one checkpoint ahead.
        if _place(checkpoint) > first and runs[number].status["state"] != "finished":
            found[number] = runs[number].checkpoints.newest(first)
    _require_same_place(runs, [checkpoint for checkpoint, _ in found])
    checkpoints, now = [], environment(processes.device, processes.count, len(runs))
    for run, (checkpoint, damage) in zip(runs, found, strict=True):
        if checkpoint is None:
            if run.records:
                raise InputError(f"{run.path} holds no checkpoint to resume from. Begin a new run.")
            continue
        # A damaged log is reported here, before anything is changed.
        run.require_records(checkpoint.position.epochs_finished)
        checkpoints.append(checkpoint)
        if processes.is_first:
            damaged = [f"{error} The run is resumed from {checkpoint.position}." for error in damage]
            for sentence in [*damaged, *departures(checkpoint, run.environment, now)]:
                warnings.warn(sentence, ResumeWarning, stacklevel=3)
    # A run without a checkpoint has trained nothing, and neither have the others at its place: all start from seeds.
    return checkpoints if len(checkpoints) == len(runs) else []


def _place(checkpoint: Checkpoint | None) -> tuple[int, int]:
    return (0, 0) if checkpoint is None else checkpoint.position.place


def _require_same_place(runs: Sequence[Run], checkpoints: Sequence[Checkpoint | None]) -> None:
    places = [_place(checkpoint) for checkpoint in checkpoints]
    for run, checkpoint, place in zip(runs, checkpoints, places, strict=True):
        if place != places[0]:
            here, there = (str(one.position) if one else "the beginning" for one in (checkpoints[0], checkpoint))
            raise InputError(
                f"the runs cannot be resumed together: {runs[0].path} is at {here}, {run.path} at {there}. Resume "
                "those that are at the same position together, and the others alone."
            )
