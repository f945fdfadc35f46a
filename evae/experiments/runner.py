"""The runs of a table, one after another here or side by side on a cluster; what is done is not done again."""

from __future__ import annotations

import dataclasses
import itertools
import signal
from collections.abc import Iterator

from evae.arithmetic import require_precision, resolve_device
from evae.configuration import Configuration
from evae.experiments.distributed import on_cluster
from evae.experiments.grid import Plan
from evae.experiments.judging import Judge
from evae.experiments.results import Failure, Results, RunRecord
from evae.experiments.watching import GridWatcher
from evae.features.choice import chosen_features
from theory.errors import Interruption, reason_of


def reproduce(plan: Plan, watcher: GridWatcher | None = None, *, cluster: str | None = None) -> Results:
    """Train and judge every run of a plan that is not finished yet.

    Before anything is trained, every data set is read and the features' weights are found and checked. A run that
    another call began goes on; one that fails is listed, and the others are trained all the same.

    Parameters
    ----------
    plan : Plan
    watcher : GridWatcher, optional
    cluster : str, optional
        The address of a dask scheduler, or ``local:N``, which starts one with N workers here: each run is trained and
        judged by a worker, which must see the folders of the runs and the data under the same paths. The results do
        not depend on it, nor on workers that die: their runs go on from a checkpoint on another.

    Raises
    ------
    InputError
        If a data set, the device, the features or the cluster cannot be used: then nothing is trained; or if the
        cluster is lost.
    Interruption
        On SIGINT or SIGTERM, when a checkpoint of every run under way is written. The same call goes on.
    """
    watcher = watcher or GridWatcher()
    if cluster is None:
        _require_device(plan.configurations)
    # What a cluster's workers have, this machine need not have.
    device = plan.configurations[0].device if cluster is None else "auto"
    # Once for all runs, so that all are judged in the same features.
    choice = chosen_features(plan.features, plan.inception_weights, watcher.preparing)
    plan = dataclasses.replace(plan, features=choice.features, choice=choice.reason)
    judges = {dataset: _judge_of(plan, dataset, device, watcher) for dataset in plan.datasets}
    outcomes = _one_by_one(plan, judges, watcher) if cluster is None else on_cluster(plan, judges, watcher, cluster)
    found = list(outcomes)
    records = tuple(outcome for outcome in found if isinstance(outcome, RunRecord))
    failures = tuple(outcome for outcome in found if isinstance(outcome, Failure))
    return Results(plan.table, plan.features, records, failures)


def _one_by_one(plan: Plan, judges: dict[str, Judge], watcher: GridWatcher) -> Iterator[RunRecord | Failure]:
    finished, total = 0, len(plan.configurations)
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
                    f"interrupted by {stopped.name}; {finished} of the {total} runs are finished, and the same "
                    "command goes on.",
                    stopped,
                ) from None
            except Exception as error:
                failure = Failure(config.name or "", reason_of(error))
                watcher.run_failed(failure)
                yield failure
            else:
                finished += 1
                (watcher.run_finished if found is None else watcher.run_found)(record)
                yield record


def _judge_of(plan: Plan, dataset: str, device: str, watcher: GridWatcher) -> Judge:
    config = next(config for config in plan.configurations if config.dataset == dataset)
    config = dataclasses.replace(config, device=device)
    weights = plan.inception_weights
    return Judge.of(config, plan.features, weights, watcher.preparing, watcher.comparing, plan.choice)


def _require_device(configurations: tuple[Configuration, ...]) -> None:
    for config in configurations[:1]:
        require_precision(config.precision, resolve_device(config.device))
