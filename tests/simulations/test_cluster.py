"""A dask cluster computes the same bits as threads do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from simulations import Result, Study, simulate
from simulations.cluster import cluster
from simulations.study import block_values, replicate_values
from theory.errors import InputError

STUDY = Study(m=60, replicates=2500, seed=5)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        yield local.scheduler_address


def told(result: Result) -> dict[str, object]:
    return {key: value for key, value in result.document().items() if not key.endswith(("seconds", "second"))}


def test_a_cluster_gives_the_result_of_threads_to_the_last_bit(address: str, tmp_path: Path) -> None:
    alone = simulate(STUDY)
    assert told(simulate(STUDY, cluster=address)) == told(alone)
    path = tmp_path / "state.json"
    simulate(replace(STUDY, replicates=1000), resume=path)
    assert told(simulate(STUDY, cluster=address, resume=path)) == told(alone)


def test_a_worker_that_computes_other_values_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.cluster.answers", lambda _pool, compute, first: [compute(first) * (1 + 2**-52)])
    with pytest.raises(InputError, match="computes another first replicate than this machine"):
        simulate(STUDY, cluster=address)


def test_a_block_is_a_pure_function_of_the_study_and_its_place() -> None:
    values = replicate_values(STUDY)
    assert (block_values(STUDY, "exact", None, range(1200, 1210)) == values[1200:1210]).all()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_an_address_where_nobody_answers_is_refused_in_a_sentence(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("simulations.cluster.SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(InputError, match=r"no dask scheduler answers at .* or run without --cluster"), cluster(address):
        pass


def test_a_cluster_that_goes_away_is_an_error_in_a_sentence(address: str) -> None:
    from distributed.comm import CommClosedError

    with pytest.raises(InputError, match=r"failed while it computed .* With --resume FILE"), cluster(address):
        raise CommClosedError("closed by peer")


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'epanechnikov-vae\[cluster\]'"), cluster("tcp://127.0.0.1:9"):
        pass
