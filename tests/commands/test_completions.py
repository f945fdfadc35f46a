"""What a shell offers when the command line is completed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import FishComplete, ShellComplete, ZshComplete

from cli import main
from commands.shared import completions
from evae import configuration
from evae.evaluation.names import SAMPLERS
from evae.experiments.plan import TABLES
from evae.features.names import CHOICES
from simulations.engines.choice import ENGINES, check_engine
from simulations.engines.names import ENGINE_NAMES
from tests.support.hostile.text import NAMES
from tests.support.places import ROOT
from tests.support.processes.runner import runner
from theory import densities
from theory.kernels import KERNELS
from theory.ledger.registry import claims
from theory.ledger.registry import select as claims_named


def offered(line: str) -> list[str]:
    """What is offered for the last word of a line, as click finds it."""
    *words, last = line.split(" ")
    shell = ShellComplete(main, {}, "evae", completions.VARIABLE)
    return [item.value for item in shell.get_completions(words, last)]


def kind_offered(line: str) -> set[str]:
    *words, last = line.split(" ")
    shell = ShellComplete(main, {}, "evae", completions.VARIABLE)
    return {item.type for item in shell.get_completions(words, last)}


def test_commands_and_options_are_offered() -> None:
    assert offered("") == sorted(main.commands)
    assert offered("sim") == ["simulate-tm"]
    assert offered("datasets c") == ["check"]
    assert offered("reproduce --la") == ["--latent-dims"]
    assert offered("simulate-tm --m 10 --rep") == ["--replicates"]
    assert offered("nothing --la") == []


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("simulate-tm --kernel ", KERNELS),
        ("test-fit FILE --kernel ", KERNELS),
        ("simulate-tm --engine ", ["auto", *ENGINES]),
        ("train --model ", configuration.PRESETS),
        ("train --posterior ", configuration.POSTERIORS),
        ("train --objective ", configuration.OBJECTIVES),
        ("train --kernel ", configuration.KERNELS),
        ("train --interval ", configuration.INTERVALS),
        ("train --divergence ", configuration.DIVERGENCES),
        ("train --divergence-by ", configuration.KINDS),
        ("train --penalty ", configuration.PENALTIES),
        ("train --prior ", configuration.PRIORS),
        ("train --pseudo-inputs ", configuration.PSEUDO_INPUTS),
        ("train --vamp-components ", configuration.VAMP_COMPONENTS),
        ("train --precision ", configuration.PRECISIONS),
        ("train --schedule ", configuration.SCHEDULES),
        ("train --optimizer ", configuration.OPTIMIZER_NAMES),
        ("reproduce --precision ", configuration.PRECISIONS),
        ("train --network ", ["appendix-b", "mlp"]),
        ("train --pixels ", list(configuration.PIXELS)),
        ("train --prior-length ", ["learned"]),
        ("train --decoder-bound ", configuration.DECODER_BOUNDS),
        ("train --gradient ", configuration.GRADIENTS),
        ("train --shape ", configuration.LEARNED_SHAPES),
        ("evaluate RUN --device ", configuration.DEVICES),
        ("evaluate RUN --features ", CHOICES),
        ("sample RUN --sampler ", SAMPLERS),
        ("reproduce --table ", TABLES),
        ("verify-lemmas --format ", ["table", "json", "markdown", "latex"]),
        ("verify-lemmas --assume ", [f"{name}=" for name in claims()]),
        ("completion ", completions.SHELLS),
    ],
)
def test_values_are_those_that_the_command_takes(line: str, names: Iterable[str]) -> None:
    assert sorted(offered(line)) == sorted(names)


def test_every_claim_and_every_group_is_offered() -> None:
    found = offered("verify-lemmas ")
    assert set(claims()) < set(found)
    assert all(claims_named([name]) for name in found if name != "kernel")
    assert "lemma-3.2" in offered("verify-lemmas lemma-3.2.unique lem")


def test_a_density_or_weight_that_is_offered_lacks_its_numbers_alone() -> None:
    for name in offered("simulate-tm --density "):
        other = {"mixture:": "1*normal(0,1)", "scipy:": "invgauss(0.5)", "expression:": "2*x,0,1", "t:": "5"}
        numbers = other.get(name, "1,2" if name.endswith(":") else "")
        assert densities.density_named(name + numbers)
    for name in offered("simulate-tm --weight "):
        assert densities.weight_named(name + ("" if name == "one" else "-1,1"), "normal")
    assert {"normal", "normal:", "uniform:", "mixture:", "scipy:"} < set(offered("test-fit FILE --density "))
    assert offered("test-fit FILE --weight w") == ["window:"]


def test_every_engine_that_is_offered_is_one() -> None:
    assert all(check_engine(name) for name in ENGINE_NAMES)


def test_data_sets_are_offered_with_their_paths() -> None:
    assert offered("train --dataset ") == [*configuration.DATASETS, "npz:", "folder:"]
    assert offered("datasets get fa") == ["fashion-mnist"]
    assert kind_offered("train --dataset npz:da") == {"file"}
    assert offered("reproduce --datasets mnist,ci") == ["mnist,cifar10"]
    assert offered("reproduce --models vae,evae-d") == ["vae,evae-direct"]


def test_files_and_folders_are_left_to_the_shell() -> None:
    for line in ("test-fit ", "verify-lemmas --output ", "simulate-tm --json ", "simulate-tm --plot x"):
        assert kind_offered(line) == {"file"}
    for line in ("train --data-dir ", "reproduce --output ", "evaluate --data-dir x"):
        assert kind_offered(line) == {"dir"}


def test_run_folders_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for run in ("runs/mnist-vae", "runs/digits-evae", "elsewhere/third"):
        folder = tmp_path / run
        folder.mkdir(parents=True)
        (folder / "config.json").touch()
    # What a shell would execute in part is left to the shell's own completion of folders.
    for name in NAMES.values():
        shutil.copytree(tmp_path / "elsewhere" / "third", tmp_path / "runs" / name)
    (tmp_path / "runs" / "no-run").mkdir()
    assert offered("evaluate ") == ["runs/digits-evae", "runs/mnist-vae"]
    assert offered("sample runs/m") == ["runs/mnist-vae"]
    assert offered("train --runs-dir elsewhere --resume ") == ["elsewhere/third"]
    assert offered("evaluate elsewhere/") == ["elsewhere/third"]
    assert kind_offered("evaluate else") == {"dir"}
    assert kind_offered("evaluate runs/=HOST") == {"dir"}


@pytest.mark.parametrize("shell", [ZshComplete, FishComplete])
def test_zsh_and_fish_are_told_the_same(shell: type[ShellComplete], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "evae simulate-tm --kernel bi")
    monkeypatch.setenv("COMP_CWORD", "bi" if shell is FishComplete else "3")
    told = shell(main, {}, "evae", completions.VARIABLE).complete()
    assert "biweight" in told
    assert "triweight" not in told


@pytest.mark.parametrize("shell", completions.SHELLS)
def test_the_script_is_printed(shell: str) -> None:
    printed = runner().invoke(main, ["completion", shell])
    assert printed.exit_code == 0
    assert f"_EVAE_COMPLETE={shell}_complete" in printed.stdout


class Bash:
    """An interactive bash on a terminal, without start-up files, which completes for ``python cli.py``."""

    def __init__(self) -> None:
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(ROOT)
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            os.execvpe(
                "bash",
                ["bash", "--norc", "--noprofile", "-i"],
                {**os.environ, "PATH": path, "TERM": "dumb", "PS1": "$ "},
            )
        self.type('eval "$(python cli.py completion bash --python)"; echo re""ady\n')
        self.wait_for("ready")

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, text: str) -> str:
        """Read until ``text`` is shown, or for ten seconds."""
        shown, deadline = "", time.monotonic() + 10
        while text not in shown and time.monotonic() < deadline:
            if select.select([self._terminal], [], [], 0.1)[0]:
                shown += os.read(self._terminal, 4096).decode()
        return shown

    def completed(self, line: str, to: str) -> str:
        """What a line is after Tab; ``to`` is what is waited for. The line is then taken away."""
        self.type(f"{line}\t")
        shown = self.wait_for(to)
        self.type("\x15")
        return shown

    def end(self) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._terminal)


@pytest.fixture(scope="module")
def bash() -> Iterator[Bash]:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    shell = Bash()
    yield shell
    shell.end()


@pytest.mark.parametrize(
    ("line", "to"),
    [
        ("python cli.py simul", "python cli.py simulate-tm "),
        ("python cli.py simulate-tm --kernel bi", "--kernel biweight "),
        ("python cli.py simulate-tm --weight=win", "--weight=window:"),
        ("python cli.py train --dataset npz:resu", "--dataset npz:results/"),
        ("python cli.py verify-lemmas --assume lemma-3.2.mini", "--assume lemma-3.2.minimum="),
        ("python cli.py sample results/", "sample results/digits-evae"),
        ("python resu", "python results/"),
    ],
)
def test_tab_in_bash(bash: Bash, line: str, to: str) -> None:
    assert to in bash.completed(line, to)


def test_completing_loads_nothing_heavy() -> None:
    script = (
        "import os, sys, time\n"
        "began = time.perf_counter()\n"
        "import cli\n"
        "for line in ['', 'verify-lemmas ', 'train --model ', 'simulate-tm --engine ', 'sample RUN --sampler ',\n"
        "             'evaluate R --features ', 'reproduce --table ', 'simulate-tm --density ']:\n"
        "    os.environ.update(_EVAE_COMPLETE='bash_complete', COMP_LINE=f'evae {line}')\n"
        "    try: cli.main(prog_name='evae')\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'sympy', 'numba', 'matplotlib', 'statsmodels', 'scipy', 'sklearn', 'numpy', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), time.perf_counter() - began < 8 * 0.3, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == "[] True\n"
    assert {"plain,evae-exact", "plain,multinomial", "plain,classifier"} < set(done.stdout.split())


def test_the_script_for_python_is_for_bash_alone() -> None:
    refused = runner().invoke(main, ["completion", "fish", "--python"])
    assert refused.exit_code == 2
    assert refused.stderr == "Error: --python is for bash: fish completes evae alone. Leave it out.\n"


def test_every_option_with_a_value_is_completed_unless_it_is_a_number_or_free_text() -> None:
    """A new option must say what is offered for it, or be listed here."""
    free = {
        "--column",
        "--fix",
        "--name",
        "--cluster",
        "--support",
        "--kernel-support",
        "--power-support",
        "--bandwidth",
        "--walk",
        "--latent-dims",
        "--seeds",
    }
    groups = (main.commands, main.commands["datasets"].commands)  # type: ignore[attr-defined]
    for name, command in (pair for group in groups for pair in group.items()):
        for parameter in command.params:
            if isinstance(parameter.type, click.types.StringParamType) and parameter.opts[0] not in free:
                is_free = (name, parameter.opts[0]) == ("verify-lemmas", "--density")
                assert is_free or parameter._custom_shell_complete is not None, (name, parameter.opts)
