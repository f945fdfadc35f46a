"""A grid on a dask cluster: the same results, whatever becomes of the workers; a lost scheduler loses nothing."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

import pytest

from evae import Run, train
from evae.configuration.configuration import Configuration
from evae.experiments import cluster as distributed
from evae.experiments import runner
from evae.experiments.callbacks import GridCallback
from evae.experiments.cluster import Work, _decides_judge, trained_and_judged
from evae.experiments.outcomes import Outcomes
from evae.experiments.plan import Plan
from evae.experiments.results import Failure, Results, RunRecord
from evae.experiments.runner import reproduce
from foundation.cluster import Channel, Worker
from foundation.errors import InputError, Interruption
from tests.evae.conftest import refusal, small
from tests.support.clusters import Processes

pytest.importorskip("distributed")

SMALL: dict[str, Any] = {"datasets": ("digits",), "latent_dims": (2,), "epochs": 1, "limit_train": 60, "seeds": (0,)}

#: Epochs that take long enough for something to happen in the middle.
LONG: dict[str, Any] = {"epochs": 8, "batch_size": 10}


def plan(folder: Path, **options: Any) -> Plan:
    settings = {**SMALL, "features": "none", "device": "cpu", "lr": 1e-3, "runs_dir": str(folder)}
    return Plan.of("1", **{**settings, **options})


@pytest.fixture(scope="module")
def long_runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """What the long runs come to when nothing happens."""
    folder = tmp_path_factory.mktemp("here")
    return comparable(reproduce(plan(folder, **LONG)), folder)


class Recorder(GridCallback):
    """Remembers what became of the runs, and does something once, after their first epoch."""

    def __init__(self, action: Callable[[], object] | None = None) -> None:
        self.action = action
        self.outcomes: list[tuple[str, str]] = []
        self.handed: tuple[int, int] | None = None
        self.epochs: list[tuple[str, int]] = []

    def on_runs_submitted(self, runs: int, epochs: int) -> None:
        self.handed = runs, epochs

    def on_worker_epoch_end(self, name: str, epoch: int) -> None:
        self.epochs.append((name, epoch))
        if self.action is not None:
            action, self.action = self.action, None
            action()

    def on_run_found(self, record: RunRecord) -> None:
        self.outcomes.append(("found", record.name))

    def on_run_end(self, record: RunRecord) -> None:
        self.outcomes.append(("finished", record.name))

    def on_run_failed(self, failure: Failure) -> None:
        self.outcomes.append(("failed", failure.name))


def comparable(results: Results, folder: Path) -> list[tuple[object, ...]]:
    """All that the runs of a grid come to, but for how long they took."""
    assert not results.failures
    return [
        (record.name, record.curve, record.evaluation, (folder / record.name / "model.safetensors").read_bytes())
        for record in results.records
    ]


def test_a_cluster_gives_the_results_of_this_machine_to_the_last_bit(address: str, tmp_path: Path) -> None:
    callback = Recorder()
    here = reproduce(plan(tmp_path / "here", latent_dims=(2, 3)))
    there = reproduce(plan(tmp_path / "there", latent_dims=(2, 3)), callback, cluster=address)
    assert comparable(there, tmp_path / "there") == comparable(here, tmp_path / "here")
    assert callback.handed == (4, 4)
    assert sorted(callback.outcomes) == sorted(("finished", record.name) for record in here.records)
    left = {path.name for path in (tmp_path / "there").iterdir()} - {".lock"}
    assert left == {record.name for record in here.records}


@pytest.mark.slow
def test_only_what_is_missing_is_handed_out(address: str, tmp_path: Path) -> None:
    reproduce(plan(tmp_path))
    callback = Recorder()
    wider = reproduce(plan(tmp_path, seeds=(0, 1)), callback, cluster=address)
    assert callback.handed == (2, 2)
    assert [kind for kind, _ in callback.outcomes] == ["found", "found", "finished", "finished"]
    assert [record.configuration.seed for record in wider.records] == [0, 0, 1, 1]


def test_a_grid_that_is_done_needs_no_cluster(tmp_path: Path) -> None:
    results = reproduce(plan(tmp_path))
    assert reproduce(plan(tmp_path), cluster="tcp://127.0.0.1:9") == results


def test_a_run_whose_worker_is_killed_resumes_elsewhere_to_the_same_bits(
    mortal: Processes, tmp_path: Path, long_runs: list[tuple[object, ...]]
) -> None:
    killed = Recorder(lambda: mortal.workers[0].send_signal(signal.SIGKILL))
    there = reproduce(plan(tmp_path, **LONG), killed, cluster=mortal.address)
    mortal.workers[0].wait(10)
    assert comparable(there, tmp_path) == long_runs
    # Once each, though one of them was begun twice.
    assert sorted(killed.outcomes) == sorted(("finished", record.name) for record in there.records)


def test_a_lost_scheduler_is_a_sentence_and_the_same_command_resumes_without_it(
    mortal: Processes, tmp_path: Path, long_runs: list[tuple[object, ...]]
) -> None:
    lost = pytest.raises(
        InputError,
        match=r"was lost while it computed .* 0 of the 2 runs are finished; the same command, with a .*resumes",
    )
    with lost:
        reproduce(plan(tmp_path / "runs", **LONG), Recorder(mortal.kill_scheduler), cluster=mortal.address)
    # A worker without a scheduler ends; until then it holds its run.
    for worker in mortal.workers:
        worker.wait(60)
    assert comparable(reproduce(plan(tmp_path / "runs", **LONG)), tmp_path / "runs") == long_runs


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_grid_leaves_a_checkpoint_of_every_run_under_way(
    address: str, tmp_path: Path, number: signal.Signals, long_runs: list[tuple[object, ...]]
) -> None:
    callback = Recorder(lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interruption, match=r"; 0 of the 2 runs are finished; the same command") as interruption:
        reproduce(plan(tmp_path, **LONG), callback, cluster=address)
    assert interruption.value.signal_number == number
    begun = [Run.open(path) for path in tmp_path.iterdir() if path.name != ".lock"]
    assert begun
    for run in begun:
        assert (run.status["state"], run.status.get("reason")) == ("interrupted", None)
    assert comparable(reproduce(plan(tmp_path, **LONG)), tmp_path) == long_runs


@pytest.mark.slow
def test_a_grid_whose_time_is_over_leaves_a_checkpoint_of_every_run_under_way(
    address: str, tmp_path: Path, long_runs: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(runner, "deadline", lambda hours: lambda: hours == 8 and over.is_set())
    grid = plan(tmp_path, **LONG)
    stopped = reproduce(grid, Recorder(over.set), cluster=address, hours=8)
    assert (stopped.records, stopped.failures) == ((), ())
    assert stopped.unfinished == tuple(config.name for config in grid.configurations)
    begun = [Run.open(path) for path in tmp_path.iterdir() if path.name != ".lock"]
    assert begun
    assert {run.status["state"] for run in begun} == {"interrupted"}
    assert comparable(reproduce(grid), tmp_path) == long_runs


@pytest.mark.slow
def test_known_runs_are_not_handed_out_and_what_is_finished_is_kept(address: str, tmp_path: Path) -> None:
    there = reproduce(plan(tmp_path / "there"))
    there.save(tmp_path / "known.json")
    callback = Recorder()
    kept: list[Results] = []
    grid = plan(tmp_path / "here", seeds=(0, 1))
    here = reproduce(grid, callback, cluster=address, known=[tmp_path / "known.json"], kept=kept.append)
    assert callback.handed == (2, 2)
    assert [record.document() for record in here.records[:2]] == [record.document() for record in there.records]
    assert [len(results.records) for results in kept] == [3, 4]
    assert kept[1] == here


@pytest.mark.slow
def test_a_run_that_cannot_be_is_listed_and_the_others_are_done(address: str, tmp_path: Path) -> None:
    reproduce(plan(tmp_path))
    name = "digits-first60-evae-d2-seed0-1epochs-lr0.001"
    run = Run.open(tmp_path / name)
    run.replace_configuration(dataclasses.replace(run.configuration, lr=0.5))
    results = reproduce(plan(tmp_path, latent_dims=(2, 3)), cluster=address)
    assert [failure.name for failure in results.failures] == [name]
    assert results.failures[0].reason.startswith(f"{run.path} was made with --lr 0.5")
    assert len(results.records) == 3


class Alone:
    """A channel of a worker that nobody listens to."""

    def __init__(self, stop: bool = False) -> None:
        self.stop = stop

    def report(self, _message: object) -> None:
        pass

    def stop_requested(self) -> bool:
        return self.stop


def work(channel: object = None, network: dict[str, Any] | None = None) -> Work:
    return Work("none", None, None, network, 1, channel or Alone())  # type: ignore[arg-type]


def test_a_worker_waits_for_a_process_that_still_writes_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "SECONDS_BETWEEN_TRIES", 0.05)
    (config, _) = plan(tmp_path).configurations
    run = train(config)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with run.locked():
            run.set_status("running", epochs_finished=1)
            held.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.5, release.set).start()
    started = time.monotonic()
    assert trained_and_judged(work(), config) is None
    assert time.monotonic() - started > 0.4
    holder.join()
    assert run.status["state"] == "finished"


def test_a_worker_says_why_a_run_failed(tmp_path: Path) -> None:
    config = small(tmp_path, dataset="npz:nowhere.npz")
    assert re.search(r"nowhere\.npz", str(trained_and_judged(work(), config)))


def test_a_worker_that_is_stopped_begins_nothing(tmp_path: Path) -> None:
    said = trained_and_judged(work(Alone(stop=True)), small(tmp_path / "runs"))
    assert said == "interrupted by SIGTERM before it began."
    assert not (tmp_path / "runs").exists()


class Fleet:
    """What a cluster says of its workers."""

    address = "tcp://there:1"

    def __init__(self, *workers: Worker, answer: Any = None) -> None:
        self._workers, self._answer = workers, answer

    def list_workers(self) -> list[Worker]:
        return list(self._workers)

    def run_on_workers(self, *_: object) -> list[Any]:
        return [self._answer]


CPU, CUDA = Worker("tcp://a:1", 1, {}), Worker("tcp://b:1", 1, {"GPU": 1.0})


@pytest.mark.parametrize(
    ("workers", "device", "chosen"),
    [((CPU,), "auto", "cpu"), ((CPU, CUDA), "auto", "cuda"), ((CPU, CUDA), "cpu", "cpu"), ((CUDA,), "cuda", "cuda")],
)
def test_a_run_asks_for_a_gpu_where_a_worker_has_one(
    workers: tuple[Worker, ...], device: str, chosen: str, tmp_path: Path
) -> None:
    assert distributed._device(Fleet(*workers), small(tmp_path, device=device)) == chosen  # type: ignore[arg-type]


@pytest.mark.parametrize(("device", "needs"), [("cuda", {"GPU": 1.0}), ("cpu", {})])
def test_the_runs_of_a_grid_ask_for_what_their_device_needs(
    device: str, needs: dict[str, float], tmp_path: Path
) -> None:
    class Refusing(Fleet):
        asked: ClassVar[list[dict[str, float]]] = []

        def listen(self, _handler: object) -> Channel:
            return Channel("nobody")

        def check_alive(self) -> None:
            pass

        def submit(self, *_: object, needs: dict[str, float]) -> Future[str]:
            self.asked.append(needs)
            future: Future[str] = Future()
            future.set_result("no.")
            return future

    fleet, grid = Refusing(CUDA), plan(tmp_path, device=device)
    judges = {"digits": distributed._judge(small(tmp_path), "none", None)}
    outcomes = Outcomes(grid, GridCallback())
    distributed._hand_out(outcomes, judges, fleet, list(grid.configurations), lambda: False)  # type: ignore[arg-type]
    assert Refusing.asked == [needs, needs]
    assert set(outcomes.results().failures) == {Failure(config.name or "", "no.") for config in grid.configurations}


def test_a_gpu_that_no_worker_has_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no worker of the cluster at .* was started with a GPU as its resource.*GPU=1"
    ):
        reproduce(plan(tmp_path / "runs", device="cuda"), cluster=address)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_needs_a_gpu_is_given_to_the_worker_that_has_one(mortal: Processes) -> None:
    from foundation.cluster import open_cluster

    has = mortal.add_worker("--resources", "GPU=1")
    mortal.wait_for_workers(3)
    with open_cluster(mortal.address) as found:
        assert {found.submit(os.getpid, needs={"GPU": 1}).result(30) for _ in range(6)} == {has.pid}


def test_workers_of_several_threads_are_refused() -> None:
    with pytest.raises(InputError, match=r"computes in 4 threads, .* dask worker tcp://there:1 --nthreads 1"):
        distributed._require_alike(Fleet(Worker("tcp://a:1", 4, {})))  # type: ignore[arg-type]


def test_workers_with_another_torch_are_refused() -> None:
    with pytest.raises(InputError, match=r"has torch 1\.0, and this is .*\. Install the same version"):
        distributed._require_alike(Fleet(CPU, answer="1.0"))  # type: ignore[arg-type]


def test_workers_that_do_not_see_the_folder_of_the_runs_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    refused = pytest.raises(
        InputError, match=rf"does not see {folder}\. Let --runs-dir \(and --data-dir\) be in a folder"
    )
    with refused, distributed._shared_folder(Fleet(CPU, answer=False), folder):  # type: ignore[arg-type]
        pass
    assert list(folder.iterdir()) == []


def test_a_worker_with_another_network_of_features_is_refused(tmp_path: Path) -> None:
    class Network:
        def document(self) -> dict[str, Any]:
            return {"sha256": "another"}

    judge = distributed._judge(small(tmp_path), "none", None)
    judge = dataclasses.replace(judge, network=Network())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="trained on another kind of processor"):
        distributed._require_network(judge, work(network={"sha256": "this"}))


def test_a_channel_can_be_pickled() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(Channel("a"))) == Channel("a")


def test_the_command_refuses_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    options = ["--table", "1", "--datasets", "digits", "--features", "none", "--runs-dir", tmp_path / "runs"]
    assert "--cluster must be local:N or a scheduler's address, got 'nonsense'" in refusal(
        "reproduce", *options, "--cluster", "nonsense"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "change", [{"fit": "pad"}, {"binarise": "static"}, {"limit_train": 60}, {"limit_holdout": 60}, {"dataset": "mnist"}]
)
def test_runs_that_see_other_images_do_not_share_a_judge(change: dict[str, Any]) -> None:
    config = Configuration(dataset="digits")
    assert _decides_judge(dataclasses.replace(config, **change)) != _decides_judge(config)


def test_runs_that_see_the_same_images_share_a_judge() -> None:
    config = Configuration(dataset="digits")
    other = dataclasses.replace(config, model="evae", seed=3, epochs=2, lr=1e-2, pixels="gaussian")
    assert _decides_judge(other) == _decides_judge(config)
