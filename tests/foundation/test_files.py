"""A file is replaced only when its new content is on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from foundation.files import atomic_write, require_creatable_folder, write_json


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was synced and renamed, in order, each by the file or folder that it was done to."""
    done: list[tuple[str, str]] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        sync(descriptor)
        done.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))

    def replaced(path: Path, target: Any) -> Path:
        done.append(("rename", str(path)))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    return done


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc to ask which file a descriptor is open on")
def test_content_is_synced_before_it_gets_its_name_and_the_name_after_that(
    operations: list[tuple[str, str]], tmp_path: Path
) -> None:
    with atomic_write(tmp_path / "result") as temporary:
        temporary.write_text("content")
        assert operations == []
    name = str(temporary)
    assert operations == [("sync", name), ("rename", name), ("sync", str(tmp_path))]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_document_that_is_not_json_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"value": 1})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"value": float("nan")})
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_folder_that_cannot_be_created_is_known_without_creating_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path, tmp_path / "new", tmp_path / "new" / "newer"):
        require_creatable_folder(path)
    for path in (tmp_path / "file", tmp_path / "file" / "new", tmp_path / "link" / "new"):
        with pytest.raises(NotADirectoryError):
            require_creatable_folder(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]
