"""`train` and `evaluate` on the command line: real runs, one sentence for a mistake, files that can be read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

import cli
from evae import Configuration, Run
from evae.configuration.options import DATASETS, DEVICES, PRECISIONS
from evae.configuration.recipe import (
    DIVERGENCES,
    INTERVALS,
    KERNELS,
    KINDS,
    OBJECTIVES,
    PENALTIES,
    POSTERIORS,
    PRESETS,
    PRIORS,
    PSEUDO_INPUTS,
)
from tests.evae.conftest import invoke, refusal
from tests.support.processes.faults import Faults

BELONGS = "it belongs to --objective elbo or kde-bound or uniform-prior. Leave it out."

NO_B = "equation (8) weighs B and r, and only the posterior kde has both."

SMALL = ["--epochs", "1", "--latent-dim", "4", "--limit-train", "60", "--device", "cpu"]

#: Enough that nothing is said of batch statistics.
ENOUGH_STEPS = ["--batch-size", "1"]


def options(command: str) -> dict[str, Any]:
    parameters = cli.main.commands[command].params
    return {parameter.name: parameter for parameter in parameters if parameter.name is not None}


def test_train_leaves_a_run_and_says_how_to_evaluate_it(tmp_path: Path) -> None:
    drawing = tmp_path / "curves.svg"
    options = ["--runs-dir", tmp_path, "--name", "my-run", "--model", "evae", "--plot", drawing]
    result = invoke("train", *SMALL, *options)
    assert result.exit_code == 0, result.output
    assert "mean spread of the noise" in drawing.read_text(encoding="utf-8")
    lines = result.stdout.splitlines()
    (epoch,) = [line for line in lines if line.startswith("epoch 1/1  train ")]
    assert "kernel penalty" in epoch
    assert "hold-out" in epoch
    assert "mean r" in epoch
    assert "images/s" in epoch
    assert lines[-1] == f"Next: python cli.py evaluate {tmp_path / 'my-run'}"
    assert Run.open(tmp_path / "my-run").status["state"] == "finished"


@pytest.mark.parametrize(
    "command", [["train"], ["evaluate", "no-run"], ["reproduce", "--table", "1", "--datasets", "digits"]]
)
def test_a_plot_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, command: list[str]) -> None:
    runs = [] if command[0] == "evaluate" else ["--runs-dir", tmp_path / "runs"]
    assert refusal(*command, *runs, "--plot", "curves.gif").startswith(
        "--plot must end in .png, .svg or .pdf, got curves.gif"
    )
    missing = tmp_path / "missing" / "curves.png"
    assert refusal(*command, *runs, "--plot", missing).startswith(
        f"--plot must be a file in a writable folder, got {missing}"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_json_of_train_is_the_log_of_the_run_and_alone_on_standard_output(tmp_path: Path) -> None:
    result = invoke("train", *SMALL, "--runs-dir", tmp_path, "--json", "-")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    run = Run.open(document["run"])
    assert document["metrics"] == run.metrics
    assert document["state"] == "finished"
    assert document["configuration"]["latent_dim"] == 4


def test_posterior_and_objective_replace_the_presets(tmp_path: Path) -> None:
    options = [
        "--model",
        "evae",
        "--kernel",
        "uniform",
        "--objective",
        "elbo",
        "--beta",
        "0.5",
        "--prior-length",
        "0.3",
    ]
    result = invoke("train", *SMALL, *options, "--runs-dir", tmp_path, "--json", "-")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert Path(document["run"]).name == "digits-first60-evae-elbo-uniform-kernel-B0.3-beta0.5-d4-seed0"
    assert document["recipe"] == {
        "posterior": "kde",
        "objective": "elbo",
        "kernel": "uniform",
        "prior_length": 0.3,
        "interval": "printed",
        "beta": 0.5,
        "divergence_by": "exact",
        "prior": "normal",
    }
    (record,) = document["metrics"]
    assert list(record["train"]) == ["loss", "reconstruction", "beta_kl"]
    assert record["latent"]["mean_B"] == pytest.approx(0.3)
    result = invoke("evaluate", document["run"], "--features", "none", "--json", "-")
    assert json.loads(result.stdout)["recipe"] == document["recipe"]


def test_quiet_says_nothing(tmp_path: Path) -> None:
    result = invoke("train", *SMALL, *ENOUGH_STEPS, "--runs-dir", tmp_path, "--quiet")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--latent-dim", "0"],
            "--latent-dim must be a whole number from 1 to 65,536, got 0. The paper uses 8, 16, 32 or 64.",
        ),
        (["--epochs", "-3"], "--epochs must be a whole number from 1 to 1,000,000,000, got -3. The paper uses 50."),
        (["--dataset", "mnits"], "--dataset 'mnits' is not known. Did you mean mnist?"),
        (["--model", "betavae"], "--model 'betavae' is not known. Did you mean beta-vae?"),
        (["--model", "ae", "--beta", "2"], f"--beta does nothing with the objective reconstruction: {BELONGS}"),
        (["--objective", "kde-bound"], f"--objective kde-bound has no exact formula for --posterior gaussian: {NO_B}"),
        (["--precision", "fp16"], "--precision 'fp16' is not known. Did you mean bf16?"),
        (["--checkpoint-minutes", "0"], "--checkpoint-minutes must be a positive number, got 0.0."),
        (["--bogus"], "train has no option --bogus. `python cli.py train --help` lists its options."),
        (["--epochs", "many"], "Invalid value for '--epochs': 'many' is not a valid integer."),
        (["--lr", "nan"], "--lr must be a positive number, got nan. The paper uses 1e-4."),
    ],
)
def test_a_wrong_option_is_one_sentence(arguments: list[str], sentence: str) -> None:
    assert refusal("train", *arguments) == sentence


def test_a_missing_data_folder_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    sentence = refusal("train", "--dataset", "mnist", "--data-dir", tmp_path, "--runs-dir", tmp_path / "runs")
    assert sentence.startswith(
        f"{tmp_path / 'MNIST' / 'raw' / 'train-images-idx3-ubyte'} is missing. Point --data-dir at"
    )


def test_an_existing_run_is_refused(trained: dict[str, Run]) -> None:
    run = trained["vae"]
    assert "never overwritten" in refusal("train", "--runs-dir", run.path.parent, "--name", run.name)


def test_an_unwritable_runs_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refusal("train", *SMALL, "--runs-dir", tmp_path / "file" / "runs")


def test_evaluating_what_is_not_a_run_is_one_sentence(tmp_path: Path, trained: dict[str, Run]) -> None:
    assert "must be a run folder, got no folder" in refusal("evaluate", tmp_path / "nowhere")
    assert "is not a run folder" in refusal("evaluate", tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "config.json is damaged" in refusal("evaluate", tmp_path)
    (tmp_path / "config.json").write_bytes((trained["vae"].path / "config.json").read_bytes())
    assert "holds no weights" in refusal("evaluate", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    assert "model.safetensors is cut short or damaged" in refusal("evaluate", tmp_path)
    assert refusal("evaluate") == "evaluate needs RUN. `python cli.py evaluate --help` shows examples."


def test_resume_finds_a_run_by_name_with_more_epochs_and_refuses_the_rest(tmp_path: Path) -> None:
    assert invoke("train", *SMALL, "--runs-dir", tmp_path, "--name", "run", "--quiet").exit_code == 0
    first = Run.open(tmp_path / "run").metrics
    resumed = ("train", "--resume", "run", "--runs-dir", tmp_path)
    sentence = refusal(*resumed, "--latent-dim", "8", "--epochs", "2")
    assert sentence.startswith(f"--latent-dim must be 4 to resume the run {tmp_path / 'run'}, got 8.")
    result = invoke(*resumed, "--epochs", "2", "--latent-dim", "4")
    assert result.exit_code == 0, result.output
    assert "The run is resumed from epoch 1." in result.stdout.splitlines()
    run = Run.open(tmp_path / "run")
    assert run.metrics[:1] == first
    assert [record["epoch"] for record in run.metrics] == [1, 2]
    assert refusal(*resumed, "--epochs", "1").startswith("--epochs must be at least 2 to resume the run ")
    sentence = refusal("train", "--resume", "walk", "--runs-dir", tmp_path)
    assert sentence.startswith("walk must be a run, but neither walk nor ")
    with run.locked():
        assert "is being written by another process" in refusal(*resumed)


def test_a_damaged_checkpoint_is_one_sentence_of_warning(tmp_path: Path) -> None:
    assert invoke("train", *SMALL, *ENOUGH_STEPS, "--runs-dir", tmp_path, "--name", "run", "--quiet").exit_code == 0
    weights = tmp_path / "run" / "checkpoints" / "epoch-00001" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    result = invoke("train", "--resume", tmp_path / "run", "--json", "-", "--quiet")
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Warning: {weights} is cut short (1,000 of ")
    assert line.endswith("The run is resumed from epoch 0.")
    assert json.loads(result.stdout)["state"] == "finished"


def test_the_defaults_and_names_are_those_of_the_configuration() -> None:
    given = cli.main.commands["train"].make_context("train", []).params
    defaults = {field.name: field.default for field in fields(Configuration)}
    assert {name: given[name] for name in defaults} == defaults
    choices = {*DATASETS, *PRESETS, *DEVICES, *POSTERIORS, *OBJECTIVES, *KERNELS, *INTERVALS, *DIVERGENCES, *PRECISIONS}
    choices |= {*KINDS, *PENALTIES, *PRIORS, *PSEUDO_INPUTS}
    explained = " ".join(f"{option.help} {option.metavar}" for option in options("train").values())
    assert all(name in explained for name in choices)


@pytest.mark.parametrize("command", ["train", "evaluate", "sample", "reproduce"])
def test_every_option_is_explained(command: str) -> None:
    assert all(option.help for option in options(command).values() if isinstance(option, click.Option))


def test_help_and_a_wrong_option_do_not_wait_for_torch() -> None:
    script = (
        "import sys, cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sympy', 'numba', 'matplotlib', 'statsmodels', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    helps = [[command, "--help"] for command in ("train", "evaluate", "sample", "reproduce")]
    for arguments in (*helps, ["train", "--latent-dim", "0"], ["reproduce", "--table", "3"]):
        result = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_its_exit_code_and_says_what_was_saved(
    faults: Faults, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    arguments = ["--epochs", "10000", "--latent-dim", "4", "--limit-train", "60", "--device", "cpu"]
    stopped = faults.run(
        "train",
        *(*arguments, "--runs-dir", tmp_path, "--name", "run"),
        watched=tmp_path,
        at_kinds={"synced run/metrics.jsonl": number},
    )
    assert stopped.code == code
    (line,) = stopped.errors.splitlines()
    assert line.startswith(f"Error: interrupted by {number.name}; the weights and metrics of epoch ")
    assert line.endswith(f"; resume with: python cli.py train --resume {tmp_path / 'run'}")
    run = Run.open(tmp_path / "run")
    assert run.status["state"] == "interrupted"
    assert run.status["epochs_finished"] == run.weights_epoch == len(run.metrics) >= 1
