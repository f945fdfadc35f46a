"""What holds for every test."""

import gc
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.clusters import Processes, processes
from tests.support.examples import PART, draw_part
from tests.support.ledger import decide_once
from tests.support.processes.faults import Faults
from tests.support.processes.forks import Forks
from tests.support.processes.signals import interrupts_accepted
from theory.ledger.finding import Finding

# A process that has run many tests has millions of objects, and looking through them for cycles a sixth of the time.
gc.set_threshold(100_000, 50, 100)


def pytest_configure(config: pytest.Config) -> None:
    """Draw all examples of properties where slow tests run too."""
    draw_part(PART if config.getoption("markexpr") == "not slow" else 1)


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> Iterator[None]:
    """SIGINT has its usual effect in tests and in what they start, even where pytest was started with it ignored."""
    with interrupts_accepted():
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run, the same for all processes that test."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def findings(shared_folder: Path) -> Mapping[str, Finding]:
    """The finding on what is printed for every claim, by its id."""
    return decide_once(shared_folder)


@pytest.fixture(scope="session")
def forks(shared_folder: Path) -> Iterator[Forks]:
    """What forks processes that have imported the program."""
    forks = Forks(shared_folder)
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def faults(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    """A process that runs commands which meet with faults; its caches are its own."""
    faults = Faults(forks, {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("caches"))})
    yield faults
    faults.end()


@pytest.fixture(scope="session")
def mounting_faults(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    """The same with separate mounts: for file systems that are small or cannot be written, whoever the user is."""
    try:
        subprocess.run(["unshare", "-rm", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody have mounts of his own (unshare -rm)")
    faults = Faults(forks, {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("caches"))}, mounting=True)
    yield faults
    faults.end()


@pytest.fixture(scope="module")
def address(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the scheduler of a dask cluster with two workers listens; tests leave all of them alive."""
    pytest.importorskip("distributed")
    with processes(forks, tmp_path_factory.mktemp("cluster"), workers=2) as started:
        yield started.address


@pytest.fixture
def mortal(forks: Forks, tmp_path: Path) -> Iterator[Processes]:
    """A dask cluster with two workers, of which a test may kill what it likes."""
    pytest.importorskip("distributed")
    with processes(forks, tmp_path, workers=2) as started:
        yield started
