"""Training from Python shows its progress where somebody looks on, and is silent elsewhere."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from evae import ProgressBar, train
from evae.training.callbacks.progress_bar import open_callbacks
from foundation.terminal import is_notebook
from tests.evae.conftest import small
from tests.support.places import ROOT


class Output:
    """An output of a cell that can be written again."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def update(self, bundle: dict[str, str], raw: bool) -> None:
        assert raw
        self.texts.append(bundle["text/plain"])


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Output:
    """A process that executes the cells of a notebook."""
    output = Output()
    shell = types.SimpleNamespace(kernel=object())
    display = types.SimpleNamespace(display=lambda *_, **__: output)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell, version_info=(9, 0), display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return output


def test_in_a_notebook_a_bar_is_written_again_above_a_line_per_epoch(
    notebook: Output, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(small(tmp_path, epochs=2))
    printed = capsys.readouterr()
    lines = [line for line in printed.out.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert printed.err == ""
    assert "4/4" in notebook.texts[-1]
    assert "\x1b" not in notebook.texts[-1]
    assert "images/s" in notebook.texts[-1]


def test_a_script_without_a_terminal_is_silent_unless_it_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(small(tmp_path))
    assert capsys.readouterr() == ("", "")
    train(small(tmp_path), ProgressBar())
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "epoch 1/1" in printed.err


@pytest.mark.parametrize(
    ("terminal", "show", "given", "bars"),
    [(True, True, 0, 1), (True, False, 0, 0), (True, True, 1, 1), (False, True, 0, 0), (False, False, 1, 1)],
)
def test_there_is_one_bar_where_there_should_be(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, show: bool, given: int, bars: int
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", str(int(terminal)))
    with open_callbacks([ProgressBar() for _ in range(given)], show) as recorder:
        found = [member for member in recorder.members if isinstance(member, ProgressBar)]
        assert len(found) == bars
        assert all(bar.members for bar in found)
    assert not any(bar.members for bar in found)


def test_the_shell_of_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_notebook()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: object()))
    assert not is_notebook()


@pytest.mark.slow
def test_a_kernel_shows_the_bar_and_the_lines(tmp_path: Path) -> None:
    source = (
        f"import os, sys; os.chdir({str(tmp_path)!r}); sys.path.insert(0, {str(ROOT)!r})\n"
        "import evae\n"
        "run = evae.train(evae.Configuration(latent_dim=2, limit_train=60, epochs=1, device='cpu'))"
    )
    notebook: Any = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=120).execute()
    outputs = notebook.cells[0].outputs
    (bar,) = [output["data"]["text/plain"] for output in outputs if output["output_type"] == "display_data"]
    assert "1/1" in bar
    assert "epoch 1/1" in "".join(output.get("text", "") for output in outputs)
