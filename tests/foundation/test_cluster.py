"""A dask cluster is reached, or started, or refused in a sentence; work survives its workers, and not its scheduler."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest

from foundation import cluster as clusters
from foundation.cluster import Channel, Cluster, ClusterLost, WorkersDied, open_cluster
from foundation.errors import InputError
from tests.support.clusters import Processes, processes
from tests.support.processes.forks import Forks

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def local() -> Iterator[Cluster]:
    with open_cluster("local:2", gpus=1) as found:
        yield found


def slowly(seconds: float, marks: Path) -> str:
    """Take a while, and leave a mark of the process that did."""
    (marks / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(seconds)
    return "done"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse() -> None:
    raise InputError("a sentence.")


def variable(name: str) -> str | None:
    return os.environ.get(name)


def until(marks: Path) -> int:
    """Wait until something is marked; return the process that did it."""
    while not (found := list(marks.iterdir())):
        time.sleep(0.01)
    return int(found[0].name.partition("-")[0])


def awaited(futures: list[Any], found: Cluster) -> None:
    """Wait for the first of the futures as the program does."""
    while not wait(futures[:1], 0.05).done:
        found.check_alive()
    futures[0].result(0)


def test_a_cluster_started_here_has_as_many_workers_as_asked_for_and_gives_one_the_gpu(local: Cluster) -> None:
    assert [worker.threads for worker in local.list_workers()] == [1, 1]
    assert sorted(worker.resources.get("GPU", 0) for worker in local.list_workers()) == [0, 1]
    assert local.submit(variable, "CUDA_VISIBLE_DEVICES", needs={"GPU": 1}).result(30) == "0"
    assert local.submit(os.getpid).result(30) != os.getpid()


def test_what_the_work_raises_is_raised_here(local: Cluster) -> None:
    with pytest.raises(InputError, match=r"^a sentence\.$"):
        local.submit(refuse).result(30)


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
@pytest.mark.parametrize("own", [False, True], ids=["without credentials", "with its own credentials"])
def test_a_cluster_started_here_admits_only_its_own_processes(local: Cluster, scheme: str, own: bool) -> None:
    """Whoever can connect to a scheduler or a worker runs code as its user."""
    from distributed.core import connect
    from distributed.security import Security

    arguments = Security.temporary().get_connection_args("client") if own else {}
    for address in (local.client.scheduler.address, *(worker.address for worker in local.list_workers())):
        assert address.startswith("tls://127.0.0.1:")
        at = address.replace("tls", scheme)
        with pytest.raises((OSError, TypeError, RuntimeError)):
            local.client.sync(connect, at, timeout=5, **arguments)
    assert local.submit(os.getpid).result(30) != os.getpid()


def test_a_cluster_started_here_shows_nothing_over_http_and_writes_where_only_its_user_can(local: Cluster) -> None:
    known = local.client.scheduler_info()
    for port in [one["services"]["dashboard"] for one in (known, *known["workers"].values())]:
        for page in ("", "health", "metrics", "status", "info/main/workers.html", "json/identity.json"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}")
    for worker in known["workers"].values():
        folders = [
            path for path in Path(worker["local_directory"]).parents if path.name.startswith("epanechnikov-vae-")
        ]
        assert [path.stat().st_mode & 0o777 for path in folders] == [0o700]


def test_without_cryptography_no_cluster_is_started_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    sentence = r"--cluster local:N needs cryptography, .* pip install 'epanechnikov-vae\[cluster\]'"
    with pytest.raises(InputError, match=sentence), open_cluster("local:2"):
        pass


def test_results_arrive_where_a_callback_of_dask_blocks_the_thread_that_all_clients_share(local: Cluster) -> None:
    """A result lost with its scheduler blocked it so, and with it every later cluster of the process."""
    release = threading.Event()
    task = local.client.submit(os.getpid, pure=False)
    task.add_done_callback(lambda _: release.wait(60))
    try:
        assert local.submit(os.getpid).result(30) != os.getpid()
    finally:
        release.set()


def test_no_future_outlives_its_cluster(mortal: Processes, tmp_path: Path) -> None:
    with open_cluster(mortal.address) as found:
        future = found.submit(slowly, 300, tmp_path)
    with pytest.raises(ClusterLost, match=r"\((the connection was closed|CancelledError)\)"):
        future.result(0)


def report_until_stopped(channel: Channel) -> str:
    channel.report({"began": True})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if channel.stop_requested():
            return "stopped"
        time.sleep(0.01)
    return "never stopped"


def test_work_reports_and_can_be_stopped(local: Cluster) -> None:
    told: list[Any] = []
    began = threading.Event()

    def note(message: Any) -> None:
        told.append(message["began"])
        began.set()

    future = local.submit(report_until_stopped, local.listen(note))
    assert began.wait(30)
    local.request_stop()
    assert future.result(30) == "stopped"
    assert told == [True]


def test_a_stop_of_one_program_does_not_stop_the_next(mortal: Processes) -> None:
    with open_cluster(mortal.address) as found:
        found.listen(lambda _: None)
        found.request_stop()
        with open_cluster(mortal.address) as another:
            assert another.submit(stopped, another.listen(lambda _: None)).result(30) is False


def stopped(channel: Channel) -> bool:
    return channel.stop_requested()


def test_the_work_of_a_worker_that_dies_is_done_again_once_counted(mortal: Processes, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with open_cluster(mortal.address) as found:
        futures = [found.submit(slowly, 0.5, marks) for _ in range(4)]
        os.kill(until(marks), signal.SIGKILL)
        assert [future.result(60) for future in futures] == ["done"] * 4
        assert len(list(marks.iterdir())) == 5


def test_work_that_kills_its_workers_is_given_up_in_a_sentence(local: Cluster) -> None:
    with pytest.raises(WorkersDied, match=r"\d workers of the cluster at local:2 died in the same task"):
        local.submit(die).result(120)


def test_a_scheduler_that_is_killed_ends_all_work_in_a_sentence(mortal: Processes, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with open_cluster(mortal.address) as found:
        futures = [found.submit(slowly, 300, marks) for _ in range(3)]
        until(marks)
        mortal.kill_scheduler()
        with pytest.raises(ClusterLost, match=rf"the cluster at {mortal.address} was lost while it computed"):
            awaited(futures, found)


def test_a_cluster_whose_workers_are_all_gone_is_not_waited_for_for_ever(
    mortal: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clusters, "SECONDS_WITHOUT_WORKERS", 0.5)
    monkeypatch.setattr(clusters, "SECONDS_BETWEEN_CHECKS", 0.05)
    with open_cluster(mortal.address) as found:
        found.check_alive()
        for worker in mortal.workers:
            worker.kill()
        future = found.submit(slowly, 0, tmp_path)
        with pytest.raises(ClusterLost, match=r"\(no worker for 0\.5 seconds\)"):
            awaited([future], found)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("local:0", "--cluster local:N must have N from 1 to 256, got 0"),
        ("local:9999", "must have N from 1 to 256, got 9999"),
        ("local:two", r"--cluster must be local:N or a scheduler's address, got 'local:two'\. Write local:4 or tcp://"),
        ("local", "--cluster must be local:N or a scheduler's address, got 'local'"),
        ("nonsense", "--cluster must be local:N or a scheduler's address, got 'nonsense'"),
        ("", "--cluster must be local:N or a scheduler's address, got ''"),
        ("tcp://127.0.0.1:9", "no dask scheduler answers at tcp://127.0.0.1:9 within 0.5 seconds"),
        ("tls://127.0.0.1:9", "--cluster tls://127.0.0.1:9 needs certificates, and dask's configuration names none"),
        ("127.0.0.1:9", r"no dask scheduler answers at 127\.0\.0\.1:9 .* or omit --cluster"),
    ],
)
def test_an_address_where_nobody_answers_is_refused_in_a_sentence(
    address: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(InputError, match=sentence), open_cluster(address):
        pass


def test_a_scheduler_without_workers_is_refused(forks: Forks, tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match=r"has no workers\. Start some: dask worker tcp://")
    with processes(forks, tmp_path, workers=0) as started, refused, open_cluster(started.address):
        pass


def test_workers_with_another_version_of_the_program_are_refused(
    local: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.client, "run", lambda _: {"a": "0.0.0"})
    with pytest.raises(InputError, match=r"must have version [\d.]+ of this program \(a worker has version 0\.0\.0\)"):
        clusters._require_same_version(local)


def test_workers_without_the_program_are_refused(local: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: object) -> None:
        raise ModuleNotFoundError("No module named 'theory'")

    monkeypatch.setattr(local.client, "run", run)
    with pytest.raises(InputError, match=r"\(No module named 'theory'\)\. Install it in the environment"):
        clusters._require_same_version(local)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'epanechnikov-vae\[cluster\]'"), open_cluster("local:2"):
        pass
