"""Machine code kept on disk: used as long as no module of the package has changed, and with the same results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulations import compiled
from simulations.engines.choice import ENGINES
from tests.support.places import ROOT
from tests.support.replicate_bits import Environment


def test_the_code_on_disk_is_marked_with_the_modules_it_was_made_from() -> None:
    folder = Path(compiled.compiled(_double).stats.cache_path)  # type: ignore[attr-defined]
    assert compiled.compiled(_double)(3) == 6
    assert (folder / compiled.MARK).read_text() == compiled._digest()


def _double(number: int) -> int:
    return 2 * number


def test_code_made_from_other_modules_is_removed_and_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    for name in ("cells._fill-51.py311.nbi", "cells.cpython-311.pyc"):
        (folder / name).write_text("kept")
    (folder / compiled.MARK).write_text("another digest")
    compiled.discard_stale_code(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["cells.cpython-311.pyc", compiled.MARK]
    (folder / "cells._fill-51.py311.nbi").write_text("of these modules")
    compiled.discard_stale_code.cache_clear()
    compiled.discard_stale_code(folder)
    assert (folder / "cells._fill-51.py311.nbi").exists()


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    compiled.discard_stale_code(tmp_path / "file" / "cache")


def test_the_digest_changes_with_any_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "compiled.py").write_text("a")
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    digests = []
    for text in ("b", "c"):
        (tmp_path / "callee.py").write_text(text)
        compiled._digest.cache_clear()
        digests.append(compiled._digest())
    compiled._digest.cache_clear()
    assert digests[0] != digests[1]


#: With these the first process and later ones had different last bits when functions called each other's machine code.
SENSITIVE = ["multinomial"], ["triweight", "gaussian"]

EVERY = list(ENGINES), ["epanechnikov", "uniform", "triangular", "biweight", "triweight", "cosine", "gaussian"]


@pytest.mark.parametrize(
    ("engines", "kernels"),
    [pytest.param(*SENSITIVE, id="sensitive"), pytest.param(*EVERY, id="every", marks=pytest.mark.slow)],
)
def test_the_first_process_on_a_cache_and_later_ones_compute_the_same_bits(
    engines: list[str], kernels: list[str], tmp_path: Path
) -> None:
    """The first compiles, the second loads."""
    caching = Environment.with_cache(tmp_path / "cache")
    first, second = caching.compute(engines, kernels), caching.compute(engines, kernels)
    assert first.compiled >= second.loaded > 0
    assert first.loaded == second.compiled == 0
    assert first.kept
    assert second.kept
    assert len(first.replicates) == len(engines) * len(kernels)
    assert first.replicates == second.replicates
    # The bits can be equal by chance, on another kind of processor, where a call is bound to one of two copies.
    assert first.shared == []


@pytest.mark.slow
def test_a_process_that_cannot_cache_computes_the_same_bits(tmp_path: Path) -> None:
    caching = Environment.with_cache(tmp_path / "cache").compute(*EVERY)
    alone = Environment.without_cache(tmp_path / "package").compute(*EVERY)
    assert (caching.kept, alone.kept) == (True, False)
    assert (alone.compiled, alone.loaded) == (caching.compiled, 0)
    assert alone.replicates == caching.replicates
    assert alone.shared == []


@pytest.mark.slow
def test_a_process_that_loads_half_of_the_functions_computes_the_same_bits(tmp_path: Path) -> None:
    caching = Environment.with_cache(tmp_path / "cache")
    first = caching.compute(*EVERY)
    for index in sorted((tmp_path / "cache").rglob("*.nbi"))[::2]:
        index.unlink()
    second = caching.compute(*EVERY)
    assert min(second.compiled, second.loaded) > 0
    assert second.replicates == first.replicates


#: Its first replicate was one of those with different last bits.
STUDY = ("simulate-tm", "--m", 5000, "--kernel", "gaussian", "--engine", "multinomial", "--seed", 9, "--json", "-")


def simulated(environment: Environment, *options: object) -> dict[str, Any]:
    """Return what a process reports, without the time it took."""
    document = json.loads(environment.run(ROOT / "cli.py", *STUDY, *options))
    return {name: value for name, value in document.items() if not name.endswith(("seconds", "second"))}


@pytest.mark.slow
def test_what_the_first_process_began_another_resumes_to_the_identical_result(tmp_path: Path) -> None:
    caching, state = Environment.with_cache(tmp_path / "cache"), tmp_path / "state.json"
    simulated(caching, "--replicates", 400, "--resume", state)
    resumed = simulated(caching, "--replicates", 800, "--resume", state)
    assert resumed == simulated(caching, "--replicates", 800)


@pytest.mark.slow
def test_workers_that_the_first_process_starts_compute_its_bits(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    caching = Environment.with_cache(tmp_path / "cache")
    on_workers = simulated(caching, "--replicates", 800, "--cluster", "local:2")
    assert on_workers == simulated(caching, "--replicates", 800)
