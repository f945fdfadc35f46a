"""Several processes train one run: as one would, written by one, ended by any."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from evae import Configuration, EarlyStopping, Run, train
from evae.compute.place import Place, place
from evae.compute.processes import Processes, process_group
from evae.compute.random_streams import RowsOf, Stream, generator
from evae.exceptions import ResumeWarning
from evae.models.posterior_family import PosteriorFamily
from evae.training.group import TrainingInterrupted
from evae.training.train import resume
from foundation.errors import InputError
from tests.evae.compute.crew import step_in_double_precision
from tests.evae.conftest import command_environment, write_mnist
from tests.evae.training.test_resume import Stopping
from tests.support.places import ROOT
from tests.support.processes.faults import complaints
from tests.support.processes.forks import Forks

#: Batches of 13, 13 and 1: two processes have uneven shares, and in the last the second has none.
OPTIONS = {"dataset": "mnist", "limit_train": 27, "batch_size": 13, "epochs": 2, "latent_dim": 4, "lr": 1e-3}

#: Of a loss, the part by which two curves may differ. Rounding alone is 1e-7; Adam makes more of it, where a gradient
#: is all but zero: 1.6e-4 was the most that was seen, on several CPUs. In double precision the gradients are compared.
ROUNDING = 3e-4


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_mnist(tmp_path_factory.mktemp("data")))


class Outcome:
    """What came of the processes: their exit codes, and what each said."""

    def __init__(self, folder: Path, codes: list[int]) -> None:
        self.codes = codes
        said, complained = (
            [(folder / f"{name}-{rank}").read_text() for rank in range(len(codes))] for name in ("out", "err")
        )
        self.said = [text.splitlines() for text in said]
        self.complained = [complaints(text) for text in complained]

    @property
    def sentence(self) -> str:
        """The one that all of them said together."""
        (line,) = [line for lines in self.complained for line in lines]
        return line.removeprefix("Error: ")


class Crew:
    """Starts processes in a process that has imported torch already; see `crew`."""

    def __init__(self, forks: Forks) -> None:
        self._process = forks.fork("tests.evae.compute.crew:serve")

    def do(self, folder: Path, **order: Any) -> Outcome:
        folder.mkdir(exist_ok=True)
        print(json.dumps({"folder": str(folder), **order}), file=self._process.stdin, flush=True)
        return Outcome(folder, json.loads(self._process.stdout.readline()))

    def train(self, folder: Path, *arguments: object, count: int = 2, **befalls: Any) -> Outcome:
        """Give one command to all processes."""
        command = ["train", "--device", "cpu", *(str(argument) for argument in arguments)]
        return self.do(folder, commands=[command] * count, **befalls)

    def end(self) -> None:
        self._process.end()


@pytest.fixture(scope="module")
def crew(forks: Forks) -> Iterator[Crew]:
    crew = Crew(forks)
    yield crew
    crew.end()


def new(folder: Path, images: str, **options: object) -> list[object]:
    """The options of a new run, named run."""
    settings = {**OPTIONS, "data_dir": images, "runs_dir": folder, "name": "run", **options}
    return [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]


def alone(folder: Path, images: str, **options: object) -> Configuration:
    """The same, for one process."""
    settings: dict[str, Any] = {**OPTIONS, "data_dir": images, "runs_dir": str(folder), "name": "run", "device": "cpu"}
    return Configuration(**{**settings, **options})


def curve(run: Run) -> list[float]:
    """Every loss, and its terms as parts of it, epoch by epoch."""
    splits = [record[split] for record in run.metrics for split in ("train", "holdout")]
    return [value for terms in splits for value in (terms["loss"], *(term / terms["loss"] for term in terms.values()))]


def as_of(run: Run) -> Any:
    """A loss curve that is the run's within rounding."""
    return pytest.approx(curve(run), rel=ROUNDING, abs=ROUNDING)


def timeless(run: Run) -> tuple[Any, ...]:
    records = [
        {name: value for name, value in record.items() if name not in ("seconds", "images_per_second")}
        for record in run.metrics
    ]
    return records, run.weights_path.read_bytes(), (run.path / "reconstructions.png").read_bytes(), run.status


@pytest.fixture(scope="module")
def by_one(images: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(alone(tmp_path_factory.mktemp("one"), images))


@pytest.fixture(scope="module")
def by_two(crew: Crew, images: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("two")
    outcome = crew.train(folder, *new(folder, images))
    assert outcome.codes == [0, 0]
    assert outcome.complained == [[], []]
    assert outcome.said[0][-1].startswith("Next: ")
    assert outcome.said[1] == []
    return Run.open(folder / "run")


def test_two_processes_have_the_loss_curve_of_one(by_one: Run, by_two: Run) -> None:
    assert curve(by_two) == as_of(by_one)
    assert curve(by_two) != curve(by_one)


@pytest.mark.slow
def test_and_so_they_have_of_an_evae(crew: Crew, images: str, tmp_path: Path) -> None:
    one = train(alone(tmp_path / "one", images, model="evae"))
    assert crew.train(tmp_path, *new(tmp_path, images, model="evae")).codes == [0, 0]
    assert curve(Run.open(tmp_path / "run")) == as_of(one)


@pytest.mark.slow
def test_processes_have_one_learning_rate_and_stop_together(crew: Crew, images: str, tmp_path: Path) -> None:
    """The first process alone knows the loss that the rate depends on, and what a callback says."""
    updates = {"schedule": "plateau", "clip_gradient": 20.0, "optimizer": "adamw", "epochs": 4}
    one = train(alone(tmp_path / "one", images, **updates), EarlyStopping(patience=1, min_delta=1e9))
    options = dataclasses.asdict(alone(tmp_path / "two", images, **updates))
    assert crew.do(tmp_path, options=options, count=2).codes == [0, 0]
    two = Run.open(tmp_path / "two" / "run")
    assert curve(two) == as_of(one)
    assert one.status == two.status
    assert two.status["epochs_finished"] == 2


def test_the_gradient_is_that_of_the_whole_batch(crew: Crew, tmp_path: Path) -> None:
    """Of 7 images one process has 3 and two have 2, in double precision, where nothing hides behind rounding."""
    one = step_in_double_precision(Processes())
    assert crew.do(tmp_path, task="gradients", count=3).codes == [0, 0, 0]
    for rank in range(3):
        shared = load_file(tmp_path / f"{rank}")
        assert shared.keys() == one.keys()
        for name, gradient in one.items():
            assert gradient.dtype == torch.float64
            torch.testing.assert_close(shared[name], gradient, rtol=1e-10, atol=1e-10 * float(gradient.abs().max()))


@pytest.mark.slow
def test_a_program_may_train_one_run_after_another(crew: Crew, tmp_path: Path) -> None:
    assert crew.do(tmp_path, task="gradients", count=2, joins=2).codes == [0, 0]


def test_one_process_writes_what_a_run_of_one_has_and_says_how_many_there_were(by_one: Run, by_two: Run) -> None:
    """How many epochs have a checkpoint depends on how long they take."""
    files = [
        {re.sub(r"epoch-\d+", "epoch", str(path.relative_to(run.path))) for path in run.path.rglob("*")}
        for run in (by_one, by_two)
    ]
    assert files[0] == files[1]
    assert [run.environment["processes"] for run in (by_one, by_two)] == [1, 2]
    assert by_two.status == {"state": "finished", "epochs_finished": 2}


@given(images=st.integers(0, 200), count=st.integers(1, 9))
def test_every_image_of_a_batch_is_in_one_share_and_shares_are_even(images: int, count: int) -> None:
    shares = [range(images)[Processes(Place(rank, count)).rows(images)] for rank in range(count)]
    assert [image for share in shares for image in share] == list(range(images))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("posterior", ["gaussian", "epanechnikov", "uniform", "kde", "none"])
def test_an_image_has_the_noise_that_it_has_in_the_whole_batch(posterior: str) -> None:
    family = PosteriorFamily(posterior)
    outputs = [torch.randn(7, 5) for _ in family.heads]
    whole = family.from_heads(*outputs).rsample(generator(0, Stream.NOISE))
    rows = slice(3, 5)
    noise = RowsOf(generator(0, Stream.NOISE), 7, rows)
    share = family.from_heads(*(output[rows] for output in outputs)).rsample(noise)
    torch.testing.assert_close(share, whole[rows], rtol=1e-6, atol=1e-6)


def of_the_whole_batch(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `crew.normalise` finds, by PyTorch's own layer."""
    layer = nn.BatchNorm2d(batch["input"].shape[1]).to(batch["input"].dtype)
    layer.load_state_dict({name: batch[name] for name in layer.state_dict()})
    images = batch["input"].clone().requires_grad_()
    output = layer(images)
    output.backward(batch["gradient"])
    assert images.grad is not None
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    gradients = {"of_input": images.grad, "of_weight": layer.weight.grad, "of_bias": layer.bias.grad}
    evaluated = {"in_evaluation": layer.eval()(batch["input"]).detach()}
    return {"output": output.detach(), **gradients, **evaluated, **layer.state_dict()}


def a_batch(offset: float) -> dict[str, Tensor]:
    """Six images of three channels, and a layer that has learned; the first process has 4 of them, the last 2."""
    layer = nn.BatchNorm2d(3)
    layer.load_state_dict({**layer.state_dict(), "running_mean": torch.randn(3), "weight": torch.randn(3)})
    batch = {"input": torch.randn(6, 3, 4, 5) + offset, "gradient": torch.randn(6, 3, 4, 5)}
    return {**cast({**batch, **layer.state_dict()}, torch.float64), "ends": torch.tensor([0, 4, 4, 6])}


def cast(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def of_all_processes(crew: Crew, folder: Path, batch: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    save_file(batch, folder / "given.safetensors")
    assert crew.do(folder, task="normalise", count=3).codes == [0, 0, 0]
    return [load_file(folder / f"{rank}") for rank in range(3)]


def test_batch_normalisation_is_that_of_the_whole_batch(crew: Crew, tmp_path: Path) -> None:
    """Forward, gradient and running statistics, with uneven shares of which one is empty."""
    batch = a_batch(offset=2.0)
    expected, parts = of_the_whole_batch(batch), of_all_processes(crew, tmp_path, batch)
    for name in ("output", "of_input"):
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), expected[name], rtol=1e-12, atol=1e-12)
    for name in ("of_weight", "of_bias"):
        total = torch.stack([part[name] for part in parts]).sum(0)
        torch.testing.assert_close(total, expected[name], rtol=1e-12, atol=1e-12)
    for name in ("running_mean", "running_var", "num_batches_tracked", "in_evaluation"):
        for part in parts:
            torch.testing.assert_close(part[name], expected[name], rtol=1e-12, atol=1e-12)
            assert part[name].equal(parts[0][name])


def test_a_mean_far_from_zero_costs_batch_normalisation_no_digits(crew: Crew, tmp_path: Path) -> None:
    """A variance of 1 about a mean of 4,000: by E[x^2] - E[x]^2 single precision would have it wrong by about 1."""
    batch = a_batch(offset=4000.0)
    single = cast(batch, torch.float32)
    exact = of_the_whole_batch(cast(single, torch.float64))
    for part in of_all_processes(crew, tmp_path, single):
        torch.testing.assert_close(part["running_var"].double(), exact["running_var"], rtol=1e-5, atol=0)


def test_a_signal_to_one_process_stops_all_after_the_same_batch_and_they_resume_to_the_bit(
    crew: Crew, images: str, tmp_path: Path, by_two: Run
) -> None:
    """The checkpoint is in the second epoch, after its second batch of three."""
    outcome = crew.train(tmp_path, *new(tmp_path, images), victim=1, signal=signal.SIGTERM, step=5)
    assert outcome.codes == [128 + signal.SIGTERM] * 2
    assert outcome.sentence.startswith("interrupted by SIGTERM; the weights and metrics of epoch 1 are in ")
    run = Run.open(tmp_path / "run")
    assert run.status == {"state": "interrupted", "epochs_finished": 1}
    assert "epoch-00002-batch-000002" in {path.name for path in (run.path / "checkpoints").iterdir()}
    outcome = crew.train(tmp_path, "--resume", run.path)
    assert outcome.codes == [0, 0]
    assert "The run is resumed from epoch 2, batch 2." in outcome.said[0]
    assert timeless(run) == timeless(by_two)


def test_a_second_signal_does_not_break_a_stop(crew: Crew, images: str, tmp_path: Path) -> None:
    """On Ctrl-C the terminal sends SIGINT to all processes, and torchrun sends it once more."""
    outcome = crew.train(tmp_path, *new(tmp_path, images), victim=0, signal=signal.SIGINT, step=2, times=2)
    assert outcome.codes == [128 + signal.SIGINT] * 2
    assert outcome.sentence.startswith("interrupted by SIGINT; no epoch was finished")
    checkpoint, _ = Run.open(tmp_path / "run").checkpoints.newest()
    assert str(checkpoint and checkpoint.position) == "epoch 1, batch 2"


@pytest.mark.slow
def test_two_processes_resume_a_run_of_one(crew: Crew, images: str, tmp_path: Path, by_one: Run) -> None:
    with pytest.raises(TrainingInterrupted) as caught:
        train(alone(tmp_path, images), Stopping(2, 2))
    outcome = crew.train(tmp_path, "--resume", caught.value.run.path)
    assert outcome.codes == [0, 0]
    assert outcome.complained == [
        ["Warning: the run was trained with a number of processes of 1 and resumes with 2: its last bits may differ."],
        [],
    ]
    assert curve(caught.value.run) == as_of(by_one)


def test_one_process_resumes_a_run_of_two_whichever_was_killed(
    crew: Crew, images: str, tmp_path: Path, by_one: Run
) -> None:
    for victim in (0, 1):
        folder = tmp_path / str(victim)
        started = time.monotonic()
        outcome = crew.train(folder, *new(folder, images), victim=victim, signal=signal.SIGKILL, step=5)
        assert time.monotonic() - started < 10
        assert sorted(outcome.codes) == [-signal.SIGKILL, 2]
        run = Run.open(folder / "run")
        assert outcome.sentence == (
            "this run is trained by 2 processes, and the other died without reporting an error: it was killed, or the "
            f"machine ran out of memory; resume with: python cli.py train --resume {run.path}"
        )
        assert run.status["state"] == "interrupted"
        assert "died without reporting an error" in run.status["reason"]
        with pytest.warns(ResumeWarning, match="a number of processes of 2 and resumes with 1"):
            resume(run)
        assert curve(run) == as_of(by_one)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"data_dir": "nowhere"}, "train-images-idx3-ubyte is missing."),
        ({"lr": 1e30, "epochs": 1}, "became nan"),
    ],
)
def test_what_all_processes_find_wrong_is_said_once(
    crew: Crew, images: str, tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    outcome = crew.train(tmp_path, *new(tmp_path, images, **options))
    assert outcome.codes == [2, 2]
    assert sentence in outcome.sentence


def test_a_name_that_is_taken_is_said_by_the_first_process_and_nothing_is_changed(crew: Crew, by_two: Run) -> None:
    before = timeless(by_two)
    outcome = crew.train(by_two.path.parent, *new(by_two.path.parent, by_two.configuration.data_dir))
    assert outcome.codes == [2, 2]
    assert outcome.sentence.startswith(f"run {by_two.path} already exists, and runs are never overwritten")
    assert timeless(by_two) == before


def test_what_only_another_process_finds_wrong_is_said_by_the_first(crew: Crew, images: str, tmp_path: Path) -> None:
    other = write_mnist(tmp_path)
    path = other / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1 - 28 * 28 * 3] ^= 255
    for name, sentence in (("nowhere", "is missing"), (str(other), "process 1 finds other images of mnist in ")):
        path.write_bytes(content)
        commands = [
            ["train", "--device", "cpu", *map(str, new(tmp_path / "runs", folder))] for folder in (images, name)
        ]
        outcome = crew.do(tmp_path, commands=commands)
        assert outcome.codes == [2, 2]
        assert outcome.complained[1] == []
        assert sentence in outcome.sentence
        assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_disk_that_fails_the_first_process_ends_the_others(crew: Crew, images: str, tmp_path: Path) -> None:
    outcome = crew.train(tmp_path, *new(tmp_path, images), victim=0, file_size=100_000)
    assert outcome.codes == [2, 2]
    assert "run could not be written: File too large" in outcome.sentence
    assert Run.open(tmp_path / "run").status["state"] == "failed"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("train --epochs -3", "--epochs must be a whole number from 1 to 1,000,000,000, got -3. The paper uses 50."),
        ("train --epoch 3", "train has no option --epoch. Did you mean --epochs?"),
        (
            "evaluate run",
            "torchrun started 2 processes, but only train supports that. Run evaluate directly.",
        ),
    ],
)
def test_a_wrong_command_is_refused_once(crew: Crew, tmp_path: Path, command: str, sentence: str) -> None:
    """Before the processes have joined, the others wait to be ended when the first has spoken."""
    outcome = crew.do(tmp_path, commands=[command.split()] * 2)
    first, other = outcome.codes
    assert first == 2
    assert other in (2, 128 + signal.SIGTERM, -signal.SIGTERM)
    assert outcome.sentence == sentence


def test_a_run_that_another_program_holds_is_refused(crew: Crew, tmp_path: Path, by_two: Run) -> None:
    with by_two.locked():
        outcome = crew.train(tmp_path, "--resume", by_two.path, "--epochs", 3)
    assert outcome.codes == [2, 2]
    assert "is being written by another process" in outcome.sentence
    assert by_two.configuration.epochs == 2


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler's variables alone do not make one wait for others."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert place() == Place()


def test_more_processes_than_cuda_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": 1, "RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    sentence = r"torchrun started 2 processes on this machine, which has 1 CUDA device, but each needs its own\. Use "
    with pytest.raises(InputError, match=sentence), process_group(torch.device("cuda")):
        raise AssertionError


def test_torchrun_trains_and_ctrl_c_stops_it_in_order(images: str, tmp_path: Path) -> None:
    command = ["-m", "torch.distributed.run", "--nproc-per-node", "2", str(ROOT / "cli.py"), "train", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, *command, *map(str, new(tmp_path, images, epochs=10_000))],
        cwd=ROOT,
        env={**command_environment(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("epoch 1/"):
            # To torchrun and both processes, as a terminal does.
            os.killpg(process.pid, signal.SIGINT)
            break
    said += process.communicate(timeout=60)[0].splitlines(keepends=True)
    (sentence,) = [line for line in said if line.startswith("Error: ")]
    assert "interrupted by SIGINT; the weights and metrics of epoch" in sentence
    assert not any("KeyboardInterrupt" in line for line in said)
    run = Run.open(tmp_path / "run")
    assert run.status["state"] == "interrupted"
    assert run.environment["processes"] == 2
    checkpoint, damage = run.checkpoints.newest()
    assert checkpoint is not None
    assert damage == []


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_cuda_devices_have_the_loss_curve_of_one(crew: Crew, images: str, tmp_path: Path) -> None:
    one = train(alone(tmp_path / "one", images, device="cuda"))
    outcome = crew.do(tmp_path, commands=[["train", *map(str, new(tmp_path, images, device="cuda"))]] * 2)
    assert outcome.codes == [0, 0]
    assert curve(Run.open(tmp_path / "run")) == as_of(one)
