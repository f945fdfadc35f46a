"""Machine code kept on disk: used again as long as no module of the package has changed."""

from pathlib import Path

import pytest

from simulations import compiled


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
