"""Training and judging the runs of a table, one after another; what is done already is not done again."""

from __future__ import annotations

import dataclasses
import itertools
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evae.arithmetic import require_precision, resolve_device
from evae.configuration import Configuration
from evae.data import ImageData, load
from evae.data.source import Progress
from evae.evaluation import judge, network_for
from evae.experiments.grid import Plan
from evae.experiments.results import EVALUATION, Failure, Results, RunRecord
from evae.features.network import FeatureNetwork
from evae.model import VAE
from evae.resuming import CHANGEABLE
from evae.runs import Run
from evae.training import Watcher, resume, train
from theory.errors import InputError, Interruption
from theory.files import read_json

#: What may differ between a run that is there and the one that is wanted: it decides nothing, or goes on to the same.
_INDIFFERENT = {"runs_dir", "name", *CHANGEABLE}


class GridWatcher:
    """What may follow a grid of runs; this one ignores everything."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Be told, before the first run, that images are decoded or a classifier is trained: so many of so many."""

    def comparing(self, what: str, done: int, total: int) -> None:
        """Be told that the features of a run's images are compared: so many of so many."""

    def run_begins(self, number: int, total: int, configuration: Configuration) -> Watcher:  # noqa: ARG002
        """Be told which run of how many comes next; return what follows its training."""
        return Watcher()

    def run_found(self, record: RunRecord) -> None:
        """Be told that the run was there already, trained and judged."""

    def run_finished(self, record: RunRecord) -> None:
        """Be told that the run is trained and judged."""

    def run_failed(self, failure: Failure) -> None:
        """Be told that it could not be; the grid goes on."""


def reproduce(plan: Plan, watcher: GridWatcher | None = None) -> Results:
    """Train and judge every run of a plan that is not finished yet.

    Before anything is trained, every data set is read and the features' weights are found and checked. A run that
    another call began goes on; one that fails is listed, and the others are trained all the same.

    Raises
    ------
    InputError
        If a data set, the device or the features cannot be used: then nothing is trained.
    Interruption
        On SIGINT or SIGTERM, when a checkpoint of the current run is written. The same call goes on.
    """
    watcher = watcher or GridWatcher()
    _require_device(plan.configurations)
    judges = {dataset: _judge_of(plan, dataset, watcher) for dataset in plan.datasets}
    records: list[RunRecord] = []
    failures: list[Failure] = []
    total = len(plan.configurations)
    numbered = enumerate(plan.configurations, 1)
    for dataset, group in itertools.groupby(numbered, key=lambda pair: pair[1].dataset):
        data = judges[dataset].data()
        for number, config in group:
            following = watcher.run_begins(number, total, config)
            try:
                found = judges[dataset].found(config)
                record = found or judges[dataset].record(config, data, following)
            except (KeyboardInterrupt, Interruption) as stop:
                stopped = signal.Signals(getattr(stop, "signal_number", signal.SIGINT))
                raise Interruption(
                    f"interrupted by {stopped.name}; {len(records)} of the {total} runs are finished, and the same "
                    "command goes on.",
                    stopped,
                ) from None
            except Exception as error:
                reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
                failures.append(Failure(config.name or "", reason))
                watcher.run_failed(failures[-1])
            else:
                records.append(record)
                (watcher.run_finished if found is None else watcher.run_found)(record)
    return Results(plan.table, plan.features, tuple(records), tuple(failures))


@dataclass(frozen=True)
class _Judge:
    """Trains runs on one data set and judges them."""

    data: Callable[[], ImageData]
    network: FeatureNetwork | None
    progress: Progress

    def found(self, config: Configuration) -> RunRecord | None:
        """Return the run if it is there, finished and judged in the same features."""
        run = _folder(config)
        if run is None or not _is_finished(run, config):
            return None
        path = run.path / "evaluation.json"
        evaluation = read_json(path) if path.exists() else {}
        current = EVALUATION(evaluation) and evaluation.get("weights_of_epoch") == config.epochs
        if not current or not self._same_features(evaluation.get("features")):
            return None
        return RunRecord.of(run, evaluation)

    def record(self, config: Configuration, data: ImageData, following: Watcher) -> RunRecord:
        """Train the run, or what is left of it, and judge it."""
        run = _folder(config)
        if run is None:
            run = train(config, following)
        elif not _is_finished(run, config):
            run = resume(run, following, epochs=config.epochs, device=config.device, data_dir=config.data_dir)
        model = VAE.load(run, resolve_device(config.device))
        return RunRecord.of(run, judge(run, model, data, self.network, self.progress))

    def _same_features(self, described: Any) -> bool:
        if self.network is None or described is None:
            return self.network is None and described is None
        return {name: value for name, value in described.items() if name != "warning"} == self.network.document()


def _judge_of(plan: Plan, dataset: str, watcher: GridWatcher) -> _Judge:
    """Read a data set once, so that what is wrong with it is said before anything is trained; make its features."""
    config = next(config for config in plan.configurations if config.dataset == dataset)

    def read() -> ImageData:
        return load(
            dataset,
            config.data_dir,
            limit_train=config.limit_train,
            image_size=config.image_size,
            progress=watcher.preparing,
        )

    read()
    device = resolve_device(config.device)
    network = network_for(config, device, config.data_dir, plan.features, plan.inception_weights, watcher.preparing)
    return _Judge(read, network, watcher.comparing)


def _folder(config: Configuration) -> Run | None:
    """Return the run of this name if there is one; an `InputError` if it is another than the one that is wanted."""
    path = Path(config.runs_dir) / (config.name or config.default_name)
    if not path.exists():
        return None
    run = Run.open(path)
    there, wanted = (dataclasses.asdict(one) for one in (run.configuration, config))
    for field, value in wanted.items():
        if field not in _INDIFFERENT and there[field] != value:
            raise InputError(
                f"{path} was made with --{field.replace('_', '-')} {there[field]}, and {value} is wanted. Move that "
                "folder away, or give another --runs-dir."
            )
    return run


def _is_finished(run: Run, config: Configuration) -> bool:
    status = run.status
    return status.get("state") == "finished" and status.get("epochs_finished") == config.epochs


def _require_device(configurations: tuple[Configuration, ...]) -> None:
    for config in configurations[:1]:
        require_precision(config.precision, resolve_device(config.device))
