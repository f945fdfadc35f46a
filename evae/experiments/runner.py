"""The execution of a table's runs, in sequence here or in parallel on a cluster; finished work is not repeated."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from evae.compute.precision import require_precision, resolve_device
from evae.configuration.configuration import Configuration
from evae.data import ImageData, load_for
from evae.evaluation.evaluate import require_judgeable
from evae.experiments.callbacks import GridCallback
from evae.experiments.cluster import on_cluster
from evae.experiments.deadline import deadline
from evae.experiments.judging import Judge, folder_of, foreign_versions
from evae.experiments.known import Known
from evae.experiments.outcomes import Outcomes, ignored
from evae.experiments.plan import Plan
from evae.experiments.results import Results, RunRecord
from evae.features.choice import choose_features, verify_weights
from evae.runs.run import Run
from evae.runs.versions import format_versions, package_version
from evae.training.callbacks import Callback
from evae.training.stop_request import StopRequest
from foundation.errors import InputError, Interruption, describe_error
from foundation.typography import format_count


def reproduce(
    plan: Plan,
    callback: GridCallback | None = None,
    *,
    cluster: str | None = None,
    known: Sequence[str | Path] = (),
    hours: float | None = None,
    kept: Callable[[Results], object] = ignored,
) -> Results:
    """Train and evaluate every run of a plan that is not finished yet.

    Before training, every data set is read and the features' weights are found and checked. A run that an earlier call
    started is resumed; a run that fails is listed, and the others are still trained.

    Parameters
    ----------
    plan : Plan
    callback : GridCallback, optional
    cluster : str, optional
        The address of a dask scheduler, or ``local:N``, which starts one with N workers here: each run is trained and
        evaluated by a worker, which must see the folders of the runs and the data under the same paths. The results
        depend neither on the cluster nor on workers that die: another worker resumes their runs from a checkpoint.
    known : sequence of path, optional
        Files of results. Runs of the plan that they contain are used as they are, and neither trained nor searched for.
    hours : float, optional
        After this time, training stops with a checkpoint, but an evaluation that has started is completed. The results
        list the unfinished runs, and the same call resumes them.
    kept : callable, optional
        Called with the results so far whenever a run was trained and evaluated.

    Raises
    ------
    InputError
        If a data set, the device, the features or the cluster cannot be used, a known run is not comparable with those
        of the plan, or another version made an existing run (nothing is trained then); or if the cluster is lost.
    Interruption
        On SIGINT or SIGTERM, after a checkpoint of every active run is written. The same call resumes the runs.
    """
    late, callback = deadline(hours), callback or GridCallback()
    earlier = Known.of(known, plan)
    _require_own_version([config for config in plan.configurations if config.name not in earlier.runs])
    if cluster is None:
        _require_device(plan.configurations)
    # This machine may lack the device of a cluster's workers.
    device = plan.configurations[0].device if cluster is None else "auto"
    # Chosen once, so that all runs are evaluated with the same features.
    choice = choose_features(plan.features, plan.inception_weights, callback.on_prepare)
    verify_weights(choice, plan.inception_weights, callback.on_prepare)
    plan = dataclasses.replace(plan, features=choice.features, choice=choice.reason)
    judges = _judges_of(plan, device, callback)
    for dataset, judge in judges.items():
        for sentence in () if judge.inventory is None else judge.inventory.sentences():
            callback.on_data_read(dataset, sentence)
    earlier.require_comparable(judges)
    outcomes = Outcomes(plan, callback, kept)
    _take_what_there_is(outcomes, earlier, judges)
    if outcomes.waiting and cluster is None:
        _one_by_one(outcomes, judges, late)
    elif outcomes.waiting:
        on_cluster(outcomes, judges, cluster or "", late)
    return outcomes.results()


def _take_what_there_is(outcomes: Outcomes, earlier: Known, judges: dict[str, Judge]) -> None:
    """Collect known runs and finished runs in their folders, so that no results are written without them."""
    for source, (used, total) in earlier.counts.items():
        outcomes.callback.on_known_runs(source, used, total)
    for config in outcomes.waiting:
        known = earlier.runs.get(config.name or "")
        if known is not None:
            outcomes.known(config, known.record)
            continue
        try:
            found = judges[config.dataset].found(config)
        except InputError as error:
            outcomes.failed(config, str(error))
        else:
            if found is not None:
                outcomes.found(config, found)


def _one_by_one(outcomes: Outcomes, judges: dict[str, Judge], late: Callable[[], bool]) -> None:
    """Train and evaluate the remaining runs, until the end, a signal or the deadline."""
    total = len(outcomes.plan.configurations)
    numbered = enumerate(outcomes.waiting, total - len(outcomes.waiting) + 1)
    dataset, data = "", None
    with StopRequest() as stop:
        for number, config in numbered:
            if stop.requested or late():
                break
            judge = judges[config.dataset]
            # The runs of a data set follow each other, and share its decoded images.
            if config.dataset != dataset or data is None:
                dataset, data = config.dataset, judge.data()
            callback = outcomes.callback.on_run_start(number, total, config)
            try:
                # Another process may have finished it meanwhile.
                found = judge.found(config)
                record = found or _trained_and_judged(judge, config, data, callback, stop, late)
            except (KeyboardInterrupt, Interruption) as error:
                if stop.requested or not late():
                    raise _interruption(stop.signal_behind(error), outcomes) from None
                break
            except Exception as error:
                outcomes.failed(config, describe_error(error))
            else:
                (outcomes.finished if found is None else outcomes.found)(config, record)
        if stop.requested:
            raise _interruption(stop.signal, outcomes)


def _trained_and_judged(
    judge: Judge,
    config: Configuration,
    data: ImageData,
    callback: Callback,
    stop: StopRequest,
    late: Callable[[], bool],
) -> RunRecord:
    """Train and evaluate a run; a signal stops training with a checkpoint, and the evaluation at once."""
    run = judge.trained(config, callback, late)
    with stop.at_once():
        return judge.judged(run, config, data)


def _interruption(told: tuple[str, int], outcomes: Outcomes) -> Interruption:
    name, number = told
    return Interruption(f"interrupted by {name}; {outcomes.progress}. Repeat the command to resume.", number)


def _judges_of(plan: Plan, device: str, callback: GridCallback) -> dict[str, Judge]:
    """Read every data set, then prepare the features of each: that can mean to train a classifier."""
    configs = {config.dataset: dataclasses.replace(config, device=device) for config in reversed(plan.configurations)}
    data = {}
    for dataset in plan.datasets:
        data[dataset] = load_for(configs[dataset], progress=callback.on_prepare)
        require_judgeable(configs[dataset], data[dataset], configs[dataset].data_dir, plan.features)
    return {
        dataset: Judge.of(
            configs[dataset],
            plan.features,
            plan.inception_weights,
            callback.on_prepare,
            callback.on_compare,
            plan.choice,
            data.pop(dataset),
        )
        for dataset in plan.datasets
    }


def _require_device(configurations: tuple[Configuration, ...]) -> None:
    for config in configurations[:1]:
        require_precision(config.precision, resolve_device(config.device))


def _require_own_version(configurations: Sequence[Configuration]) -> None:
    """Raise `InputError` for runs that another version made: more training of them would be wasted."""
    foreign: defaultdict[str, list[Path]] = defaultdict(list)
    for config in configurations:
        path = folder_of(config)
        try:
            versions = foreign_versions(Run.open(path)) if path.exists() else ()
        except InputError:
            # An error in this run is reported for this run alone.
            continue
        if versions:
            foreign[format_versions(versions)].append(path)
    for made_by, paths in foreign.items():
        others = f" and {format_count(len(paths) - 1, 'other run')}" if len(paths) > 1 else ""
        were = "were" if others else "was"
        raise InputError(
            f"{paths[0]}{others} {were} made by {made_by} of this program, and this is {package_version()}, whose "
            "figures do not compare with theirs. Give another --runs-dir, or move them away."
        )
