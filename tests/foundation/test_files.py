"""Only files that are ours are replaced or removed, and only when the new content is on disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import InputError
from foundation.files import (
    atomic_write,
    clear_leftovers,
    hold_lock,
    open_output,
    remove_tree,
    require_creatable_folder,
    require_own_tree,
    write_json,
)
from tests.support.examples import examples
from tests.support.hostile.trees import KINDS, make, snapshot
from tests.support.places import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the kinds of files that these tests make are POSIX's")


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
    with atomic_write(tmp_path / "result") as stream:
        stream.write(b"content")
        assert operations == []
        (temporary,) = map(str, tmp_path.iterdir())
    assert operations == [("sync", temporary), ("rename", temporary), ("sync", str(tmp_path))]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def fail_in_the_middle() -> None:
        with atomic_write(path) as stream:
            stream.write(b"half")
            raise OSError(errno.ENOSPC, "no space left")

    with pytest.raises(OSError, match="no space") as failure:
        fail_in_the_middle()
    assert failure.value.filename == str(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "before"
    with atomic_write(path) as stream:
        stream.write(b"after")
    assert path.read_text() == "after"


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


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_permissions_of_a_file_are_kept(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with atomic_write(path) as stream:
        stream.write(b"new")
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, b"new")


def test_what_a_killed_process_left_goes_and_what_another_is_writing_stays(tmp_path: Path) -> None:
    left = [tmp_path / ".file.0123456789abcdef.part", tmp_path / ".other.fedcba9876543210.part"]
    for path in left:
        path.touch()
    with atomic_write(tmp_path / "file") as stream:
        stream.write(b"mine")
        assert not left[0].exists()
        clear_leftovers(tmp_path)
        assert not left[1].exists()
        assert len(list(tmp_path.iterdir())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_longest_name_that_a_file_can_have_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 127)
    left = tmp_path / f".{'ä' * 100}.0123456789abcdef.part"
    left.touch()
    with atomic_write(path) as stream:
        stream.write(b"content")
    assert list(tmp_path.iterdir()) == [path]


# Hostile trees: whatever lies around a file that is written, nothing else changes.

#: Names of any bytes that a file can have, and those of our own temporary files, locks and leftovers.
NAMES = st.one_of(
    st.binary(min_size=1, max_size=12).filter(lambda name: not {0, ord("/")} & {*name} and name not in (b".", b"..")),
    st.sampled_from([b".out.0123456789abcdef.part", b".out.1.part", b".lock", b"..new", b".config.new", b"out.part"]),
)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@settings(max_examples=examples(60))
@given(
    st.dictionaries(NAMES, st.sampled_from(KINDS), max_size=6), st.sampled_from((None, *KINDS)), st.integers(0, 2**60)
)
def test_nothing_around_a_file_that_is_written_changes(
    places: Path, around: dict[bytes, str], there: str | None, number: int
) -> None:
    root = places / f"{number:x}"
    remove_tree(root)
    inside, outside = root / "inside", root / "outside"
    inside.mkdir(parents=True)
    outside.mkdir()
    (outside / "victim").write_bytes(b"kept")
    for name, kind in around.items():
        if name != b"out":
            make(inside / os.fsdecode(name), kind, outside)
    target = inside / "out"
    if there is not None:
        make(target, there, outside)
    before = snapshot(root)
    written = True
    try:
        with atomic_write(inside / "out") as stream:
            stream.write(b"new")
    except InputError as error:
        assert "must be a regular file, got" in str(error)
        written = False
    assert written == (there in (None, "file"))
    after = snapshot(root)
    if written:
        assert after.pop(target)[1] == b"new"
        before.pop(target, None)
    # Only a regular file with a name of our own form, which no process holds, may be removed.
    leftover = inside / ".out.0123456789abcdef.part"
    if around.get(b".out.0123456789abcdef.part") == "file" and written:
        assert before.pop(leftover)
    assert after == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_follows_links_and_refuses_what_is_no_file(kind: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_bytes(b"earlier")
    out = tmp_path / "out"
    make(out, kind, outside)
    written = {"file": out, "link to a file": outside / "victim", "dangling link": outside / "nothing"}.get(kind)
    if written is None:
        before = snapshot(tmp_path)
        with pytest.raises((InputError, OSError)), open_output(out):
            pass
        assert snapshot(tmp_path) == before
        return
    with open_output(out) as stream:
        stream.write(b"new")
    assert written.read_bytes() == b"new"
    assert out.is_symlink() == (kind != "file")


def test_a_pipe_with_a_reader_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        while True:
            # The reader may not have opened the pipe yet.
            with contextlib.suppress(InputError), open_output(pipe) as stream:
                stream.write(b"through")
                break
        assert reader.communicate(timeout=20)[0] == b"through"
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_a_character_device_is_written_to_and_stays(tmp_path: Path) -> None:
    """A pseudo-terminal of our own: a test never touches the machine's devices."""
    ours, theirs = os.openpty()
    try:
        link = tmp_path / "terminal"
        link.symlink_to(os.ttyname(theirs))
        with open_output(link) as stream:
            stream.write(b"shown")
        assert os.read(ours, 100) == b"shown"
        assert stat.S_ISCHR(os.stat(os.ttyname(theirs)).st_mode)  # noqa: PTH116
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_name_of_standard_output_reaches_the_file_that_it_was_redirected_to(tmp_path: Path) -> None:
    """An atomic replacement would leave the earlier text in a file without a name."""
    script = (
        "from pathlib import Path; from foundation.files import open_output; print('first')\n"
        "with open_output(Path('/dev/stdout')) as stream: stream.write(b'second\\n')\nprint('third')"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "first\nsecond\nthird\n"


def test_a_link_put_in_place_of_a_leftover_while_it_is_looked_at_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").write_text("kept")
    link = tmp_path / ".file.0123456789abcdef.part"
    link.symlink_to(tmp_path / "victim")
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)
    clear_leftovers(tmp_path)
    monkeypatch.undo()
    assert link.is_symlink()
    assert (tmp_path / "victim").read_text() == "kept"


def test_a_lock_that_is_a_link_is_refused_and_its_target_kept(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / ".lock").symlink_to(victim)
    with pytest.raises(InputError, match="must be a regular file, got a link"), hold_lock(tmp_path / ".lock"):
        pass
    assert victim.read_text() == "kept"


def test_a_link_is_removed_and_its_target_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside)
    remove_tree(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert outside.is_dir()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("file", "folder")])
def test_a_tree_of_our_own_holds_only_files_and_folders(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    require_own_tree(tmp_path / "run", 2)
    make(folder / "odd", kind, tmp_path)
    with pytest.raises(InputError, match=r"odd must be a file or a folder, got a (link|pipe|socket)"):
        require_own_tree(tmp_path / "run", 2)


def test_a_process_that_repeats_the_script_of_the_one_that_waits_for_it_does_not_wait_for_its_lock(
    tmp_path: Path,
) -> None:
    """Without a main guard a new process runs the script again, and comes to the lock that the first one holds."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from foundation.files import hold_lock\n"
        "from foundation.processes import LOST, start_process\n"
        "from tests.support.processes.signals import tell_what_is_blocked\n"
        f"with hold_lock(Path({str(tmp_path / 'lock')!r})):\n"
        "    try:\n"
        "        start_process(tell_what_is_blocked)[1].recv()\n"
        "    except LOST:\n"
        "        print('lost')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, script], env=environment, capture_output=True, timeout=60, check=True)
    assert ended.stdout == b"lost\n"
    assert b"filelock" in ended.stderr
