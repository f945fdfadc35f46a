"""The command line: what it answers, what it refuses, and with which exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.ledger import deciding_here
from tests.support.places import ROOT


@pytest.fixture
def decided_here() -> Iterator[None]:
    """Claims are decided in this process, in tests that are not about the others."""
    with deciding_here():
        yield


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def refusal(*arguments: str) -> str:
    """Run a command that must be refused, and return its one sentence."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr.rstrip().endswith((".", "?", "?)"))
    return result.stderr


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from click.testing import CliRunner; import cli\n"
        "names = ['', *cli.main.commands]\n"
        "for name in names: assert CliRunner().invoke(cli.main, [*name.split(), '--help']).exit_code == 0\n"
        "heavy = {'torch', 'sympy', 'numba', 'matplotlib', 'statsmodels', 'scipy', 'sklearn', 'numpy', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert output.stdout.strip() == "[]"


def test_every_command_and_option_explains_itself() -> None:
    for command in main.commands.values():
        assert command.help
        assert command.short_help
        assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_without_a_command_the_help_is_shown() -> None:
    assert run().exit_code == 0
    assert "verify-lemmas" in run().stdout


def test_a_mistyped_command_or_option_is_told_the_nearest() -> None:
    assert "Did you mean verify-lemmas?" in refusal("verify-lemma")
    assert "Did you mean --json?" in refusal("verify-lemmas", "--jsn", "-")


def test_the_ledger_is_listed_without_being_decided() -> None:
    result = run("verify-lemmas", "--list", "lemma-3.2")
    assert result.exit_code == 0
    assert "lemma-3.2.minimum" in result.stdout
    assert "proved" not in result.stdout


@pytest.mark.slow
def test_the_whole_ledger_comes_out_as_recorded() -> None:
    result = run("verify-lemmas", "--json", "-")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    unexpected = [claim["id"] for claim in document["claims"] if claim["verdict"] != claim["expected"]]
    assert unexpected == ["theorem-3.1.variance", "theorem-3.1.normality"]  # these wait for --with-simulations
    assert sum(document["summary"].values()) == len(document["claims"])


def test_a_false_minimum_is_refuted_with_exit_code_1() -> None:
    result = run("verify-lemmas", "--assume", "lemma-3.2.minimum=4/(5*r)", "--json", "-")
    (claim,) = json.loads(result.stdout)["claims"]
    assert result.exit_code == 1
    assert (claim["verdict"], claim["printed"], claim["corrected"]) == (
        "refuted",
        "4/(5*r)",
        "the minimum is I(K*) = 3/(5*r)",
    )
    assert "1 not as recorded" in result.stderr


@pytest.mark.usefixtures("decided_here")
def test_an_assumption_joins_the_claims_that_were_named() -> None:
    result = run("verify-lemmas", "algorithm-2", "--assume", "lemma-3.2.minimum=3/(5*r)", "--json", "-", "--quiet")
    assert {claim["id"] for claim in json.loads(result.stdout)["claims"]} == {
        "lemma-3.2.minimum",
        "algorithm-2.median",
        "algorithm-2.inverse",
    }
    assert result.stderr == ""


@pytest.mark.usefixtures("decided_here")
@pytest.mark.parametrize("form", ["table", "json", "markdown", "latex"])
@pytest.mark.parametrize("explain", [True, False])
def test_every_form_goes_to_the_terminal_and_to_a_file(form: str, explain: bool, tmp_path: Path) -> None:
    arguments = ["verify-lemmas", "algorithm-2.median", "--format", form, *(["--explain"] if explain else [])]
    shown = run(*arguments).stdout
    assert "algorithm-2.median" in shown
    target = tmp_path / "ledger"
    assert run(*arguments, "--output", str(target)).exit_code == 0
    assert "algorithm-2.median" in target.read_text(encoding="utf-8")


def test_bad_input_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert "Did you mean lemma-3.2.minimum?" in refusal("verify-lemmas", "lemma-3.2.minimun")
    assert "is not a call of one of" in refusal("verify-lemmas", "--assume", "lemma-3.2.minimum=__import__('os')")
    assert "takes ID=EXPR" in refusal("verify-lemmas", "--assume", "lemma-3.2.minimum")
    assert "--jobs must be a whole number from 1 to" in refusal("verify-lemmas", "--jobs", "0")
    assert "is a folder" in refusal("verify-lemmas", "algorithm-2", "--json", str(tmp_path))
    assert "No such file" in refusal("verify-lemmas", "algorithm-2", "--json", str(tmp_path / "no" / "file"))
    judged = ("verify-lemmas", "kernel", "--density", "3/4*(1-x**2)", "--support", "-1,1")
    for option in (["--explain"], ["--assume", "lemma-3.2.minimum=1"], ["--format", "latex"], ["--jobs", "2"]):
        assert f"{option[0]} is about the paper's claims" in refusal(*judged, *option)


@pytest.mark.slow
def test_a_user_defined_kernel_is_assessed_and_drawn(tmp_path: Path) -> None:
    judged = ("verify-lemmas", "kernel", "--density", "15/16*(1-x**2)**2", "--support", "-1,1")
    drawing = tmp_path / "kernel.svg"
    assert run(*judged, "--plot", str(drawing)).exit_code == 0
    assert "yours" in drawing.read_text(encoding="utf-8")
    assert "must end in .png, .svg or .pdf" in refusal(*judged, "--plot", "kernel.jpg")
    assert "must integrate to 1, got 1/2" in refusal(
        "verify-lemmas", "kernel", "--density", "x", "--support", "0,1", "--plot", str(drawing)
    )
    assert "yours" in drawing.read_text(encoding="utf-8")


def test_a_plot_of_verdicts_is_refused() -> None:
    sentence = refusal("verify-lemmas", "lemma-3.2", "--plot", "lemma.png")
    assert sentence.startswith("Error: --plot draws a user-defined kernel")


def test_a_python_without_the_packages_is_told_how_to_get_them() -> None:
    script = "import sys; sys.modules['numba'] = None; import cli; cli.main(['simulate-tm', '--m', '10'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: numba is not installed for {sys.executable}. Run `make demo`")


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_decided(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("theory.ledger.parallel.decide", lambda *_: pytest.fail("decided"))
        assert "No such file" in refusal("verify-lemmas", "--output", str(tmp_path / "no" / "file"))


@pytest.mark.usefixtures("decided_here")
def test_an_earlier_result_survives_a_command_that_fails(tmp_path: Path) -> None:
    earlier = tmp_path / "result.json"
    earlier.write_text("earlier", encoding="utf-8")
    refusal("verify-lemmas", "--assume", "lemma-3.2.minimum=4/", "--json", str(earlier))
    assert earlier.read_text(encoding="utf-8") == "earlier"
    assert list(tmp_path.iterdir()) == [earlier]
    assert run("verify-lemmas", "algorithm-2", "--json", str(earlier)).exit_code == 0
    assert json.loads(earlier.read_text(encoding="utf-8"))["summary"] == {"proved": 2}
    assert list(tmp_path.iterdir()) == [earlier]


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for child processes in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_says_so_and_leaves_no_process_behind(number: int, code: int) -> None:
    command = [sys.executable, "cli.py", "verify-lemmas", "--jobs", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while not (children := listing.read_text(encoding="ascii").split()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children
    process.send_signal(number)
    output, message = process.communicate(timeout=30)
    assert process.returncode == code
    assert output == ""
    assert message.strip().startswith("Error: ")
    assert message.strip().count("\n") == 0
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_a_reader_that_goes_away_is_not_an_error() -> None:
    command = f"{sys.executable} cli.py verify-lemmas --list | head -n 1"
    output = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=True)
    assert output.stderr == ""
