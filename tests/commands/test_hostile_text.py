"""Text from outside is shown as it is, whatever it holds: by every command, as the name of a run, a file or a class."""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import cli
from evae.experiments.results import Results
from evae.runs.run import Run
from tests.commands.test_json import TINY, folder
from tests.support.hostile.text import NAMES, TEXTS, is_plain
from tests.support.places import RESULTS
from tests.support.processes.runner import runner

__all__ = ["folder"]

PNG = b"\x89PNG"


def invoked(*arguments: str | Path, status: int = 0) -> Result:
    result = runner().invoke(cli.main, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    assert is_plain(result.stdout), result.stdout
    assert is_plain(result.stderr), result.stderr
    return result


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(PNG)


@pytest.fixture(params=NAMES)
def run(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Path:
    """A trained run whose folder has been given a hostile name."""
    return Path(shutil.copytree(folder / "run", tmp_path / NAMES[request.param]))


def test_a_run_of_any_name_is_resumed_drawn_evaluated_and_sampled(run: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    trained = invoked("train", "--resume", run, "--epochs", "2", "--plot", plot)
    assert Run.open(run).status["state"] == "finished"
    assert is_png(plot)
    assert "HOSTILE" in trained.stdout
    evaluated = invoked("evaluate", run, "--features", "none", "--device", "cpu", "--plot", plot)
    assert all(map(is_png, (plot, run / "walks.png", run / "samples.png", run / "reconstructions.png")))
    assert "HOSTILE" in evaluated.stdout
    assert json.loads((run / "evaluation.json").read_text())["run"] == run.name
    sampled = invoked("sample", run, "--sampler", "mixture", "--components", "2", "--images", "2", "--device", "cpu")
    assert "HOSTILE" in sampled.stdout


@pytest.mark.parametrize("name", NAMES)
def test_files_and_columns_of_any_name_are_read_and_written(name: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / NAMES[name]
    place.mkdir()
    sample = Path(shutil.copy(folder / "sample.txt", place / f"{NAMES[name]}.txt"))
    plot = place / f"{NAMES[name]}.png"
    invoked("test-fit", sample, "--replicates", "19", "--no-cache", "--plot", plot)
    assert is_png(plot)
    invoked("test-fit", sample, "--column", NAMES[name], status=2)
    invoked("test-fit", place / "nothing", status=2)
    table = place / "table.csv"
    with table.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        csv.writer(stream).writerows([(NAMES[name], "other"), *((f"{number}.5", 1) for number in range(30))])
    # A name that is not one line of UTF-8 is refused.
    odd = name == "terminals and bytes"
    found = invoked("test-fit", table, "--replicates", "19", "--no-cache", "--column", NAMES[name], status=2 * odd)
    assert "HOSTILE" in (found.stderr if odd else found.stdout)
    invoked("test-fit", table, "--replicates", "19", status=2)
    invoked("simulate-tm", "--m", "50", "--replicates", "20", "--resume", place / "state", "--plot", plot)
    invoked("simulate-tm", "--m", "60", "--replicates", "20", "--resume", place / "state", status=2)
    invoked("verify-lemmas", "--list", "lemma-3.2", "--output", place / "ledger.txt")
    invoked("verify-lemmas", NAMES[name], status=2)
    invoked("verify-lemmas", "--assume", f"lemma-3.2.minimum={NAMES[name]}", status=2)
    invoked("datasets", "list", "--data-dir", place)
    invoked("train", "--name", NAMES[name], status=2)
    invoked("train", "--dataset", NAMES[name], status=2)
    invoked("report", "--results", place / "nothing", status=2)
    invoked(f"x{NAMES[name]}", status=2)


@pytest.mark.parametrize("name", NAMES)
def test_classes_of_any_name_are_read(name: str, tmp_path: Path) -> None:
    place = tmp_path / NAMES[name]
    for split in ("train", "test"):
        for number in range(4):
            picture = place / split / f"{NAMES[name]}{number % 2}" / f"{number}{NAMES[name]}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (32, 32)).astype(np.uint8)
            Image.fromarray(pixels).save(picture)
    data = ["--data-dir", str(tmp_path / "data")]
    invoked("datasets", "check", f"folder:{place}", *data)
    invoked(
        "train", "--dataset", f"folder:{place}", *TINY, *data, "--runs-dir", tmp_path / NAMES["tables, plots and fonts"]
    )
    picture.write_bytes(b"no picture")
    broken = invoked("datasets", "check", f"folder:{place}", *data, status=1)
    assert "HOSTILE" in broken.stdout


Field = Callable[[dict[str, Any], str], None]

#: The fields of results.json that are shown, each as a function that sets it.
FIELDS: dict[str, Field] = {
    "name": lambda document, text: document["runs"][0].update(name=text),
    "note": lambda document, text: document["runs"][0]["evaluation"].update(note=text),
    "warning": lambda document, text: document["runs"][0]["evaluation"]["features"].update(warning=text),
    "device": lambda document, text: document["runs"][0]["environment"].update(device_name=text),
    "version": lambda document, text: document["runs"][0]["environment"]["packages"].update(torch=text),
    "failure": lambda document, text: document.update(failures=[{"name": text, "reason": text}]),
}


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Some runs of the project's first table."""
    whole = Results.load(RESULTS / "table-1.json")
    records = [dataclasses.replace(record, data_sha256={"train": "0"}) for record in whole.where(dataset="mnist")]
    document: dict[str, Any] = dataclasses.replace(whole, records=tuple(records[:4])).document()
    return document


@pytest.mark.parametrize("text", TEXTS)
def test_results_with_any_text_in_their_fields_keep_the_form_of_their_tables(
    text: str, results: dict[str, Any], tmp_path: Path
) -> None:
    hostile = copy.deepcopy(results)
    for change in FIELDS.values():
        change(hostile, TEXTS[text])
    # No file has a name with such characters, and the configuration says so.
    if text != "no character":
        for run in hostile["runs"]:
            run["configuration"]["dataset"] = f"folder:{TEXTS[text]}"
    written, output = tmp_path / "results.json", tmp_path / "merged"
    written.write_text(json.dumps({**hostile, "planned": len(hostile["runs"]) + 1}))
    found = invoked("reproduce", "--merge", written, "--output", output, "--plot", tmp_path / "plot.png")
    assert "HOSTILE" in found.stdout
    assert is_png(tmp_path / "plot.png")
    assert is_png(output / "curves.png")
    for name in ("table.md", "table.tex", "runs.csv"):
        assert is_plain((output / name).read_text(encoding="utf-8"))
    require_columns((output / "table.md").read_text(encoding="utf-8"))
    require_balance((output / "table.tex").read_text(encoding="utf-8"))
    with (output / "runs.csv").open(newline="", encoding="utf-8") as stream:
        head, *rows = csv.reader(stream)
    assert {len(row) for row in rows} == {len(head)}
    assert not any(row[0].startswith(("=", "+", "-", "@")) for row in rows)


def require_columns(markdown: str) -> None:
    """Every row of a table has as many cells as the line below its head, and no markup stands in the cells."""
    width = 0
    for line in markdown.splitlines():
        bars = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))
        width = bars if re.fullmatch(r"\|[ :|-]+\|", line) else width
        assert not line.startswith("|") or not width or bars == width, line
        assert re.findall(r"(?<!\\)(?:\\\\)*[`<~\[$*]", re.sub(r"^\*\*|\*\*$", "", line)) == [], line


def require_balance(latex: str) -> None:
    """Braces balance, special characters are escaped, and only our own commands stand there."""
    plain = re.sub(r"\\[{}&%$#_\\]", "", latex)
    assert plain.count("{") == plain.count("}")
    assert plain.count(r"\begin{") == plain.count(r"\end{") > 0
    assert r"\end{document}" not in plain
    assert not set(plain) & set('%#~^`"')
    rows = [row for row in plain.splitlines() if "&" in row]
    assert rows
    assert all("HOSTILE" not in row or row.count("&") == 6 for row in rows)


@pytest.mark.parametrize("value", [-1, 0])
def test_an_error_that_is_not_positive_is_no_result(value: float, results: dict[str, Any], tmp_path: Path) -> None:
    wrong = copy.deepcopy(results)
    wrong["runs"][0]["evaluation"]["reconstruction_error"]["one_posterior_draw"] = value
    (tmp_path / "results.json").write_text(json.dumps(wrong))
    found = invoked("reproduce", "--merge", tmp_path / "results.json", "--output", tmp_path / "merged", status=2)
    assert "results.json holds no results" in found.stderr
    assert not (tmp_path / "merged").exists()
