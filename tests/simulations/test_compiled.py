"""Machine code kept on disk: used as long as no module of the package has changed, and with the same results."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import CacheWarning
from simulations import compiled
from simulations.engines.choice import ENGINES
from tests.support.examples import examples
from tests.support.places import ROOT
from tests.support.replicate_bits import Environment


def _double(number: int) -> int:
    return 2 * number


@pytest.fixture(autouse=True)
def warned_again() -> None:
    """Each reason is told once in a process."""
    compiled._warn.cache_clear()
    compiled.discard_stale_code.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which `_double` is cached, in a new cache."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    doubled = compiled.compiled(_double)
    assert doubled(3) == 6
    return Path(doubled.stats.cache_path)  # type: ignore[attr-defined]


def loaded() -> bool:
    """Whether another process, as it were, finds the machine code of `_double`; it computes the same."""
    again = compiled.compiled(_double)
    assert again(3) == 6
    return bool(again.stats.cache_hits)  # type: ignore[attr-defined]


def test_code_is_loaded_until_a_module_changes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded()
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    for text in ("b", "c"):
        (tmp_path / "callee.py").write_text(text)
        compiled.digest_sources.cache_clear()
        compiled.discard_stale_code.cache_clear()
        assert not loaded()
        assert loaded()
        # What was made from the other modules is gone.
        assert len(list(folder.iterdir())) == 1
    compiled.digest_sources.cache_clear()


def test_only_code_of_other_modules_is_removed(tmp_path: Path) -> None:
    ours = f"cells._fill-51.py311.{compiled.digest_sources()[:16]}-{'0' * 32}.code"
    stale = f"cells._fill-51.py311.{'0' * 16}-{'0' * 32}.code"
    others = ["cells._fill-51.py311.nbi", "cells.cpython-311.pyc", "notes.code"]
    for name in (ours, stale, *others):
        (tmp_path / name).touch()
    compiled.discard_stale_code(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {ours, *others}


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_compiled_again(kept: float, folder: Path) -> None:
    """As a power cut leaves it: an empty file of numba's own cache ended every later command."""
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    assert not loaded()
    assert loaded()


@settings(max_examples=examples(30))
@given(st.data())
def test_a_flipped_bit_anywhere_is_noticed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        files = compiled.CodeFiles(Path(place), "function")
        files.save("key", b"machine code" * 20)
        (path,) = Path(place).iterdir()
        content = bytearray(path.read_bytes())
        bit = data.draw(st.integers(0, 8 * len(content) - 1))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        assert files.load("key") is None


def test_a_file_under_the_name_of_another_is_not_run(folder: Path) -> None:
    (path,) = folder.iterdir()
    path.unlink()
    path.mkdir()
    with pytest.warns(CacheWarning, match="cannot be written"):
        assert not loaded()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_a_folder_that_cannot_be_written_costs_a_warning(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiled.CodeFiles, "save", full)
    with pytest.warns(CacheWarning, match=rf"folder cannot be written \({os.strerror(number)}\); set NUMBA_CACHE_DIR"):
        assert not loaded()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize(("mode", "private"), [(0o700, True), (0o755, True), (0o777, False), (0o757, False)])
def test_a_folder_that_others_write_is_not_used(
    mode: int, private: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    folder = Path(compiled.CodeCache(_double).cache_path)
    folder.chmod(mode)
    assert compiled.is_private(folder, Path(__file__)) is private
    expected = contextlib.nullcontext() if private else pytest.warns(CacheWarning, match="others can write to")
    with expected:
        assert not loaded()
    assert bool(list(folder.iterdir())) is private


def test_a_folder_of_another_user_is_not_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    owner = tmp_path.stat().st_uid
    source = SimpleNamespace(stat=lambda: SimpleNamespace(st_uid=4321, st_gid=os.getegid()))
    assert compiled.is_private(tmp_path, source) is (owner == 0)  # type: ignore[arg-type]
    monkeypatch.setattr(Path, "stat", lambda *_, **__: SimpleNamespace(st_uid=1234, st_gid=0, st_mode=0o40755))
    monkeypatch.setattr(Path, "exists", lambda *_: True)
    assert not compiled.is_private(tmp_path, source)  # type: ignore[arg-type]


#: With these the first process and later ones had different last bits when functions called each other's machine code.
SENSITIVE = ["multinomial"], ["gaussian"]

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
    for index in sorted((tmp_path / "cache").rglob("*.code"))[::2]:
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
