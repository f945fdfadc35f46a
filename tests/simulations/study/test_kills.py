"""A simulation that is killed anywhere resumes to the same result, and what it keeps is whole or not there."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.processes.faults import Faults, killed_at_every_kind

COMMAND = ["simulate-tm", "--m", "60", "--replicates", "1500", "--quiet"]


def told(path: Path) -> dict[str, Any]:
    """A result but for the time it took."""
    return {key: value for key, value in json.loads(path.read_text()).items() if "second" not in key}


def test_a_simulation_killed_at_every_moment_of_its_saving_ends_as_one_never_killed(
    faults: Faults, tmp_path: Path
) -> None:
    """The process number n is killed at its moment n, until there are no more; each resumes from what was saved."""
    whole, folder = tmp_path / "whole.json", tmp_path / "folder"
    folder.mkdir()
    assert faults.run(*COMMAND, "--json", whole).code == 0
    command = [*COMMAND, "--resume", folder / "state.json", "--json", folder / "result.json"]
    names: list[str] = []
    for moment in range(1, 100):
        ended = faults.run(*command, watched=folder, at={moment: signal.SIGKILL})
        assert ended.code in (0, -signal.SIGKILL), ended.errors
        names += ended.moments[-1:]
        if ended.code == 0:
            break
        assert not (folder / "result.json").exists() or told(folder / "result.json") == told(whole)
    assert {"half written", "synced", "renamed"} <= {" ".join(name.split()[:-1]) for name in names}
    assert told(folder / "result.json") == told(whole)
    assert {path.name for path in folder.iterdir()} == {"state.json", "result.json", ".state.json.lock"}


def test_a_null_law_whose_keeping_is_killed_anywhere_is_simulated_again(faults: Faults, tmp_path: Path) -> None:
    sample, cache = tmp_path / "sample.txt", tmp_path / "cache"
    sample.write_text("\n".join(str(number / 10 - 2) for number in range(40)))
    command = ["test-fit", sample, "--replicates", "99", "--quiet", "--json"]
    assert faults.run(*command, tmp_path / "whole.json", "--no-cache").code == 0
    result = tmp_path / "result.json"
    fit = partial(faults.run, *command, result, "--cache-dir", cache, watched=cache)
    killed = []
    for boundary in killed_at_every_kind(fit):
        killed.append(boundary.split()[0])
        # What another process makes of what was left.
        assert faults.run(*command, result, "--cache-dir", cache).code == 0
        assert told(result) == told(tmp_path / "whole.json")
        (kept,) = cache.iterdir()
        kept.unlink()
    assert {"half", "written", "synced", "renamed"} <= set(killed)
    assert told(result) == told(tmp_path / "whole.json")
