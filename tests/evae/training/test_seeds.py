"""Each of several seeds that are trained at once is what it would be alone, and one that fails fails alone."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from evae import VAE, Configuration, Run, data, evaluate, resume, resume_seeds, train, train_seeds
from evae.compute.processes import Processes
from evae.compute.random_streams import StackedGenerators, Stream, generator
from evae.data import ImageData
from evae.evaluation.holdout import holdout_metrics
from evae.exceptions import ResumeWarning
from evae.models.initial_weights import initial_model
from evae.models.objectives import objective_for
from evae.models.regularisation.combinations import combinations
from evae.models.stacked import split_by_model, stack_models
from evae.runs.epoch_record import EpochRecord, LatentSummary, NoiseToSignal
from evae.training.callbacks import Callback
from evae.training.display import TrainingDisplay
from evae.training.group import SomeDiverged, TrainingInterrupted
from evae.training.loop import train_epoch
from evae.training.progress import Progress
from evae.training.session import Session
from evae.training.steps import Steps
from foundation.errors import InputError
from tests.evae.conftest import invoke, refusal, small
from tests.evae.training import trainer
from tests.evae.training.test_resume import Stopping, result
from tests.support.examples import each_value
from tests.support.processes.faults import Ended, Faults

SEEDS = (0, 5)

#: Real digits: three batches an epoch, the last of them short.
SETTINGS = {"batch_size": 12, "epochs": 2, "latent_dim": 4, "device": "cpu", "lr": 1e-3, "limit_train": None}

#: A checkpoint after every batch.
OFTEN = 1e-9

#: How far terms may be apart after six steps of Adam in single precision, in parts of the loss. A grouped convolution
#: adds up in another order than a plain one, and where a gradient is all but zero Adam makes a step of its rounding.
ROUNDING = 1e-3


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings with 28 digits to train on and 20 held out, because measuring takes most of a short run's time."""
    path = tmp_path_factory.mktemp("digits") / "few.npz"
    images = data.load("digits")
    np.savez(path, train_images=images.train[:28, 0].numpy(), test_images=images.holdout[:20, 0].numpy())
    return {**SETTINGS, "dataset": f"npz:{path}", "data_dir": str(path.parent)}


@pytest.fixture(scope="module")
def together(digits: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, ...]:
    """Three finished runs that were never stopped; tests leave them as they are."""
    folder = tmp_path_factory.mktemp("together")
    return train_seeds(small(folder, name="run", model="evae", **digits, checkpoint_minutes=OFTEN), SEEDS)


#: Everything that trains; a penalty, which is a function of the whole batch; and a decoder with a bound of its own.
PAIRS = [dict(one.options) for one in combinations() if one.refusal is None]
PAIRS += [{"penalty": "dip"}, {"posterior": "none", "objective": "reconstruction", "penalty": "dip"}]
PAIRS += [{"objective": "iwae", "importance_samples": 2, "importance_groups": 2, "decoder_bound": "all"}]


def step(model: VAE, options: dict[str, Any], images: Tensor, source: Any) -> dict[str, Tensor]:
    """Return the terms of one step; the gradients of the sum over runs of their mean are in the model."""
    model.zero_grad()
    objective = objective_for(Configuration(**options))
    logits, posterior, drawn = model.train()(images, source, **objective.draw_options)
    terms = objective.terms(logits, images, posterior, drawn, model.prior, model.networks)
    (torch.stack([*terms.values()]).sum() / (len(images) / model.networks)).backward()
    return terms


@pytest.mark.parametrize(
    "options", each_value(PAIRS), ids=lambda options: "-".join(str(one) for one in options.values() if one)
)
def test_every_term_and_gradient_of_a_step_is_that_of_the_seed_alone(options: dict[str, Any]) -> None:
    """In double precision, to 1e-10 of the largest gradient of a weight."""
    config = Configuration(**options, latent_dim=3)
    alone = [initial_model(dataclasses.replace(config, seed=seed), (1, 32, 32)).double() for seed in (3, 4)]
    parted = [initial_model(dataclasses.replace(config, seed=seed), (1, 32, 32)).double() for seed in (3, 4)]
    whole = stack_models(parted)
    images = torch.rand(2, 5, 1, 32, 32, dtype=torch.float64)
    noise = StackedGenerators(tuple(generator(seed, Stream.NOISE) for seed in (3, 4)))
    terms = step(whole, options, images.flatten(0, 1), noise)
    gradients = {name: parameter.grad for name, parameter in whole.named_parameters()}
    for number, seed in enumerate((3, 4)):
        expected = step(alone[number], options, images[number], generator(seed, Stream.NOISE))
        for name, term in expected.items():
            torch.testing.assert_close(terms[name].view(2, -1)[number], term, rtol=1e-10, atol=0)
        for name, parameter in alone[number].named_parameters():
            found = gradients[name]
            if parameter.grad is None or found is None:
                assert parameter.grad is found
            else:
                largest = float(parameter.grad.abs().max())
                torch.testing.assert_close(
                    split_by_model(found, 2)[number], parameter.grad, rtol=0, atol=1e-10 * largest
                )
        for name, buffer in alone[number].named_buffers():
            torch.testing.assert_close(parted[number].state_dict()[name], buffer, rtol=1e-12, atol=1e-14)


def test_the_networks_of_64_pixels_and_three_channels_are_stacked_too() -> None:
    config = Configuration(latent_dim=2)
    alone = [initial_model(dataclasses.replace(config, seed=seed), (3, 64, 64)).double() for seed in (0, 1)]
    parted = [initial_model(dataclasses.replace(config, seed=seed), (3, 64, 64)).double() for seed in (0, 1)]
    images = torch.rand(4, 3, 64, 64, dtype=torch.float64)
    sources = [generator(seed, Stream.NOISE) for seed in (0, 1)]
    logits, posterior, _ = stack_models(parted)(images, StackedGenerators(tuple(sources)))
    for number, seed in enumerate((0, 1)):
        expected, q, _ = alone[number](images.view(2, 2, 3, 64, 64)[number], generator(seed, Stream.NOISE))
        torch.testing.assert_close(logits.view(2, 2, 3, 64, 64)[number], expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(posterior.mean.view(2, 2, 2)[number], q.mean, rtol=1e-10, atol=1e-12)


def test_a_stacked_model_and_its_parts_have_one_memory() -> None:
    models = [initial_model(Configuration(latent_dim=2, seed=seed), (1, 32, 32)).place_on("cpu") for seed in (0, 1)]
    before = [{name: tensor.clone() for name, tensor in model.state_dict().items()} for model in models]
    whole = stack_models(models)
    for model, state in zip(models, before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.mul_(2)
    for model, state in zip(models, before, strict=True):
        assert all(torch.equal(parameter, 2 * state[name]) for name, parameter in model.named_parameters())
    assert stack_models(models[:1]) is models[0]


def test_a_step_in_bfloat16_is_that_of_the_seed_alone_to_its_digits() -> None:
    config = Configuration(latent_dim=3, precision="bf16")
    alone = [initial_model(dataclasses.replace(config, seed=seed), (1, 32, 32)).place_on("cpu") for seed in (3, 4)]
    images = torch.rand(2, 5, 1, 32, 32)
    expected = [model.train()(images[number], None, "bf16")[1].mean for number, model in enumerate(alone)]
    parted = [initial_model(dataclasses.replace(config, seed=seed), (1, 32, 32)).place_on("cpu") for seed in (3, 4)]
    found = stack_models(parted).train()(images.flatten(0, 1), None, "bf16")[1].mean
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.view(2, 5, 3), torch.stack(expected), rtol=0, atol=0.02)


def curves(config: Configuration, images: ImageData, seeds: Sequence[int]) -> list[list[dict[str, float]]]:
    """The terms of every epoch, in training and on hold-out images, for each seed."""
    session = Session.begin(config, images, Processes(), seeds)
    steps = Steps(session)
    found: list[list[dict[str, float]]] = [[] for _ in seeds]
    for epoch in range(1, config.epochs + 1):
        progress, _ = train_epoch(steps, epoch, Callback())
        for number, (seed, model) in enumerate(zip(seeds, session.models, strict=True)):
            holdout, _ = holdout_metrics(model, session.objective, images.holdout, seed)
            found[number] += [progress.means(number), holdout]
    return found


def apart(found: list[dict[str, float]], expected: list[dict[str, float]]) -> float:
    """The largest difference of two runs' terms, in parts of the loss."""
    differences = [
        abs(one[name] - other[name]) / other["loss"]
        for one, other in zip(found, expected, strict=True)
        for name in one.keys() | other.keys()
    ]
    return max(differences)


@pytest.mark.parametrize("model", ["vae", "evae", "ae", "evae-repaired"])
def test_the_loss_curves_of_seeds_at_once_are_those_of_single_runs(digits: dict[str, Any], model: str) -> None:
    config = Configuration(model=model, **digits)
    images = data.load(config.dataset, config.data_dir)
    together = curves(config, images, (0, 7))
    for seed, found in zip((0, 7), together, strict=True):
        (alone,) = curves(dataclasses.replace(config, seed=seed), images, [seed])
        assert apart(found, alone) < ROUNDING
    assert apart(*together) > 10 * ROUNDING


@pytest.mark.usefixtures("double")
def test_in_double_precision_whole_epochs_are_those_of_the_seed_alone(
    digits: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nothing but rounding is between them: the order, the noise, the short batch and Adam are the seed's."""
    for module in ("training.steps", "evaluation.holdout"):
        monkeypatch.setattr(f"evae.{module}.as_images", lambda pixels: pixels.double() / 255)
    config = Configuration(model="evae", **digits)
    images = data.load(config.dataset, config.data_dir)
    seeds = (0, 7, 2**63 - 1)
    for seed, found in zip(seeds, curves(config, images, seeds), strict=True):
        (alone,) = curves(config, images, [seed])
        assert apart(found, alone) < 1e-9


def test_each_run_has_all_that_a_single_run_has(
    digits: dict[str, Any], together: tuple[Run, ...], tmp_path: Path
) -> None:
    alone = train(small(tmp_path, name="run-seed5", model="evae", seed=5, **digits, checkpoint_minutes=OFTEN))
    assert [run.name for run in together] == ["run-seed0", "run-seed5"]
    for run in together:
        names = {str(path.relative_to(run.path)) for path in run.path.rglob("*")}
        assert names == {str(path.relative_to(alone.path)) for path in alone.path.rglob("*")}
        assert run.status == {"state": "finished", "epochs_finished": 2}
        assert run.environment["seeds_at_once"] == 2
    documents = [json.loads((run.path / "config.json").read_text()) for run in (together[1], alone)]
    assert documents[0]["data"] == documents[1]["data"]
    first, second = (document["configuration"] for document in documents)
    assert {**first, "runs_dir": ""} == {**second, "runs_dir": ""}
    assert_alike(together[1], alone)


def assert_alike(run: Run, other: Run) -> None:
    """Two runs have the same metrics within rounding."""
    assert len(run.metrics) == len(other.metrics)
    for found, expected in zip(run.metrics, other.metrics, strict=True):
        assert found.keys() == expected.keys()
        assert found["latent"].keys() == expected["latent"].keys()
        assert apart([found["train"], found["holdout"]], [expected["train"], expected["holdout"]]) < ROUNDING


def test_a_run_can_be_loaded_and_evaluated_as_any_other(together: tuple[Run, ...], tmp_path: Path) -> None:
    copy = Run(Path(shutil.copytree(together[1].path, tmp_path / "copy")))
    document = evaluate(copy, device="cpu", features="none")
    expected = copy.metrics[-1]["holdout"]
    assert document["reconstruction_error"]["one_posterior_draw"] == pytest.approx(expected["reconstruction"])
    first, second = (VAE.load(run).state_dict()["encoder.heads.mu.weight"] for run in together)
    assert not torch.equal(first, second)


def stopped(config: Configuration, epoch: int, batch: int) -> tuple[Run, ...]:
    with pytest.raises(TrainingInterrupted) as caught:
        train_seeds(config, SEEDS, Stopping(epoch, batch))
    return caught.value.runs


def test_an_interrupted_group_says_how_to_resume_and_resumes_to_the_bit(
    digits: dict[str, Any], together: tuple[Run, ...], tmp_path: Path
) -> None:
    config = small(tmp_path, name="run", model="evae", **digits)
    with pytest.raises(TrainingInterrupted) as caught:
        train_seeds(config, SEEDS, Stopping(2, 2))
    runs = caught.value.runs
    folders = [tmp_path / f"run-seed{seed}" for seed in SEEDS]
    assert caught.value.signal_number == signal.SIGINT
    assert caught.value.sentence == (
        f"interrupted by SIGINT; the weights and metrics of epoch 1 are in {folders[0]} and the folders of the other "
        "run, and `evaluate` measures each; resume with: python cli.py train "
        + " ".join(f"--resume {folder}" for folder in folders)
    )
    for run in runs:
        assert run.status == {"state": "interrupted", "epochs_finished": 1}
        assert sorted(path.name for path in run.checkpoints.folder.iterdir())[-1] == "epoch-00002-batch-000002"
    again = resume_seeds(folders)
    assert [result(run) for run in again] == [result(run) for run in together]


def test_one_run_of_an_interrupted_group_resumes_alone(
    digits: dict[str, Any], together: tuple[Run, ...], tmp_path: Path
) -> None:
    runs = stopped(small(tmp_path, name="run", model="evae", **digits), 2, 2)
    with pytest.warns(ResumeWarning, match="a number of seeds at once of 2 and resumes with 1: its last bits may"):
        run = resume(runs[1])
    assert run.status == {"state": "finished", "epochs_finished": 2}
    assert_alike(run, together[1])
    with pytest.raises(InputError) as caught:
        resume_seeds(runs)
    assert str(caught.value) == (
        f"the runs cannot be resumed together: {runs[0].path} is at epoch 2, batch 2, {run.path} at epoch 2. Resume "
        "those that are at the same position together, and the others alone."
    )


def test_a_group_killed_between_two_runs_resumes_to_the_bit(faults: Faults, mnist_data: Path, tmp_path: Path) -> None:
    def folders(runs: str) -> list[Path]:
        return [tmp_path / runs / f"run-seed{seed}" for seed in (0, 1)]

    def trained(runs: str, **broken: Any) -> Ended:
        options = [*trainer.SETTINGS, "--dataset", "mnist", "--data-dir", mnist_data, "--seeds", "0-1", "--name", "run"]
        return faults.run("train", *options, "--runs-dir", tmp_path / runs, watched=tmp_path / runs, **broken)

    whole = trained("whole")
    assert whole.code == 0, whole.errors
    # The first has a checkpoint that the second lacks.
    moment = 1 + whole.moments.index("renamed run-seed0/checkpoints/epoch-00002-batch-000002")
    assert trained("killed", at={moment: signal.SIGKILL}).code == -signal.SIGKILL
    killed = [Run.open(folder) for folder in folders("killed")]
    assert [run.status["state"] for run in killed] == ["interrupted", "interrupted"]
    newest = [sorted(path.name for path in run.checkpoints.folder.glob("epoch*"))[-1] for run in killed]
    assert newest == ["epoch-00002-batch-000002", "epoch-00002-batch-000001"]
    ended = faults.run("train", *itertools.chain(*(("--resume", run.path) for run in killed)))
    assert ended.code == 0, ended.errors
    assert [result(run) for run in killed] == [result(Run.open(folder)) for folder in folders("whole")]


def test_a_group_killed_before_its_first_checkpoints_begins(
    digits: dict[str, Any], together: tuple[Run, ...], tmp_path: Path
) -> None:
    runs = stopped(small(tmp_path, name="run", model="evae", **digits), 1, 1)
    for path in runs[0].checkpoints.folder.glob("epoch-00001*"):
        shutil.rmtree(path)
    shutil.rmtree(runs[1].checkpoints.folder)
    again = resume_seeds(runs)
    assert [result(run) for run in again] == [result(run) for run in together]


def test_runs_that_differ_in_more_than_their_seeds_do_not_resume_at_once(
    digits: dict[str, Any], together: tuple[Run, ...], tmp_path: Path
) -> None:
    other = train(small(tmp_path, name="other", model="vae", **{**digits, "epochs": 1}))
    with pytest.raises(InputError) as caught:
        resume_seeds([together[0], other], epochs=2)
    assert str(caught.value) == (
        f"the runs cannot be resumed together: {together[0].path} has --model evae, {other.path} has --model vae, "
        "and only their seeds may differ. Resume each alone."
    )
    with pytest.raises(InputError, match=r"each run must be given once, got .* twice"):
        resume_seeds([together[0], str(together[0].path)])


def test_a_taken_name_leaves_no_run_of_the_group(digits: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "run-seed1").mkdir()
    with pytest.raises(InputError, match="run-seed1 already exists, and runs are never overwritten"):
        train_seeds(small(tmp_path, name="run", **digits), (0, 1, 2))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["run-seed1"]


class Poisoning(Callback):
    """Breaks a weight of some runs after a step, and keeps what it is told."""

    def __init__(self, numbers: Sequence[int], step: int) -> None:
        self.numbers, self.step = numbers, step
        self.failed: dict[int, str] = {}
        self.trained: list[list[int]] = []

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:  # noqa: ARG002
        self.runs, self.models = runs, models

    def on_batch_end(self, progress: Progress) -> None:
        if progress.step == self.step:
            for number in self.numbers:
                with torch.no_grad():
                    self.models[number].get_parameter("encoder.heads.r.bias").fill_(math.nan)

    def on_run_failed(self, number: int, reason: str) -> None:
        self.failed[number] = reason

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        self.trained.append(list(records))


def test_a_run_whose_loss_is_not_a_number_fails_alone(
    digits: dict[str, Any], together: tuple[Run, ...], tmp_path: Path
) -> None:
    poisoning = Poisoning([1], step=4)
    with pytest.raises(SomeDiverged) as caught:
        train_seeds(small(tmp_path, name="run", model="evae", **digits), SEEDS, poisoning)
    runs = [Run.open(tmp_path / f"run-seed{seed}") for seed in SEEDS]
    reason = (
        "the reconstruction term became nan in epoch 2, batch 2 of 3 (step 5). The last checkpoint, from before that, "
        "is kept. A new run with a smaller --lr is the usual remedy."
    )
    assert str(caught.value) == f"1 of 2 runs failed. {runs[1].path}: {reason} The other run finished."
    assert caught.value.finished == (runs[0],)
    assert poisoning.failed == {1: reason}
    assert poisoning.trained == [[0, 1], [0]]
    status = {"state": "failed", "epochs_finished": 1, "reason": f"DivergenceError: {reason}"}
    assert runs[1].status == status
    assert (runs[1].weights_epoch, len(runs[1].metrics)) == (1, 1)
    assert all(bool(tensor.isfinite().all()) for tensor in runs[1].read_weights().values())
    assert result(runs[0]) == result(together[0])


def test_a_lost_weight_of_one_run_gets_into_no_checkpoint_and_stops_no_other(
    digits: dict[str, Any], tmp_path: Path
) -> None:
    config = small(tmp_path, name="run", model="evae", **digits, checkpoint_minutes=OFTEN)
    with pytest.raises(SomeDiverged, match=r"weight encoder\.heads\.r\.bias became nan by epoch 2, batch 1 \(step 4\)"):
        train_seeds(config, (0, 1), Poisoning([0], step=4))
    lost, other = Run.open(tmp_path / "run-seed0"), Run.open(tmp_path / "run-seed1")
    checkpoint, damage = lost.checkpoints.newest()
    assert checkpoint is not None
    assert (str(checkpoint.position), damage) == ("epoch 1, batch 3", [])
    assert (lost.status["state"], other.status["state"]) == ("failed", "finished")


def test_when_no_run_is_left_training_ends(digits: dict[str, Any], tmp_path: Path) -> None:
    poisoning = Poisoning([0, 1], step=1)
    with pytest.raises(SomeDiverged, match=r"^2 of 2 runs failed\. .* No other run is left\.$"):
        train_seeds(small(tmp_path, name="run", model="evae", **digits), (0, 1), poisoning)
    assert poisoning.trained == []
    assert [run.status["state"] for run in poisoning.runs] == ["failed", "failed"]


def test_what_the_machine_could_not_do_is_said_of_the_run_it_concerns(digits: dict[str, Any], tmp_path: Path) -> None:
    class Removing(Callback):
        def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:  # noqa: ARG002
            shutil.rmtree(tmp_path / "run-seed1")

    with pytest.raises(InputError, match=r"run-seed1 was removed while its run was trained\."):
        train_seeds(small(tmp_path, name="run", **digits), (0, 1), Removing())
    status = Run.open(tmp_path / "run-seed0").status
    assert (status["state"], status["epochs_finished"]) == ("failed", 2)


COMMAND = ["--epochs", "1", "--latent-dim", "3", "--limit-train", "20", "--device", "cpu"]


def test_the_command_trains_runs_that_are_named_after_their_seeds_and_resumes_them(
    digits: dict[str, Any], tmp_path: Path
) -> None:
    options = ["--dataset", digits["dataset"], "--runs-dir", tmp_path]
    outcome = invoke("train", *COMMAND, *options, "--seeds", "0-1,4", "--name", "mine")
    assert outcome.exit_code == 0, outcome.output
    names = [tmp_path / f"mine-seed{seed}" for seed in (0, 1, 4)]
    lines = outcome.stdout.splitlines()
    assert lines[0].endswith("of 32x32; 3 runs at once")
    assert lines[1:4] == [f"seed {seed}: run {name}" for seed, name in zip((0, 1, 4), names, strict=True)]
    assert " ± " in lines[-3]
    assert lines[-2] == f"The runs are in {', '.join(map(str, names))}; look at reconstructions.png in each."
    outcome = invoke("train", *itertools.chain(*(["--resume", name] for name in names)), "--epochs", "2", "--json", "-")
    assert outcome.exit_code == 0, outcome.output
    documents = json.loads(outcome.stdout)["runs"]
    assert [(one["run"], one["state"], one["epochs_finished"], len(one["metrics"])) for one in documents] == [
        (str(name), "finished", 2, 2) for name in names
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seeds", "0,0"], "--seeds must name at least one, and none twice; got 0,0."),
        (["--seeds", "3-1"], "--seeds: 3-1 is not a range from a smaller number to a larger one."),
        (["--seeds", "many"], "--seeds takes whole numbers and ranges, such as 0,1,2 or 0-7; got 'many'."),
        (["--seeds", "0-64"], "--seeds trains at most 64 runs at once, got 65 seeds."),
        (["--seeds", "0-1", "--seed", "0"], "--seeds and --seed exclude each other. Give one of them."),
        (["--seeds", "0-1", "--resume", "mine"], "--seeds and --resume exclude each other. Give one of them."),
        (["--seeds", "0-1", "--latent-dim", "0"], "--latent-dim must be a whole number from 1 to 65,536, got 0."),
    ],
)
def test_wrong_use_of_several_seeds_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    assert refusal("train", *arguments, "--runs-dir", tmp_path / "runs").startswith(sentence)
    assert not (tmp_path / "runs").exists()


def test_several_seeds_under_torchrun_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", 0), ("WORLD_SIZE", 2), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 2)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(InputError, match=r"torchrun started 2 processes, which share one run, and several runs at"):
        train_seeds(small(tmp_path), (0, 1))


def test_the_display_shows_means_and_leaves_out_a_run_without_a_finite_loss(capsys: pytest.CaptureFixture[str]) -> None:
    display = TrainingDisplay(Console(width=200), bar=None)
    latent = LatentSummary({"r": 0.5}, NoiseToSignal(None, None, None), active_dimensions=2)
    losses = ({"loss": 10.0, "reconstruction": 8.0, "kl": 2.0}, {"loss": 14.0, "reconstruction": 10.0, "kl": 4.0})
    records = {
        number: EpochRecord(1, loss, loss, 2.0, latent, images_per_second=5.0) for number, loss in enumerate(losses)
    }
    display.on_epoch_end(records)
    shown = "12.00 ± 2.83 = reconstruction 9.00 + kl 3.00"
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith(f"epoch 1/0  train {shown}  hold-out {shown}  mean r 0.5  2 active")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_seeds_at_once_on_cuda_are_those_of_single_runs(digits: dict[str, Any], tmp_path: Path) -> None:
    settings = {**digits, "device": "cuda", "deterministic": True}
    runs = train_seeds(small(tmp_path / "together", model="evae", **settings), (0, 7))
    for seed, run in zip((0, 7), runs, strict=True):
        alone = train(small(tmp_path / "alone", model="evae", seed=seed, **settings))
        assert_alike(run, alone)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_no_step_of_several_seeds_on_cuda_waits_for_the_device() -> None:
    images = torch.randint(0, 256, (60, 1, 32, 32), dtype=torch.uint8)
    config = Configuration(model="evae", batch_size=20, device="cuda")
    cuda = torch.device("cuda")
    session = Session.begin(config, ImageData(images, images[:0]), Processes(device=cuda), seeds=(0, 1, 2))
    steps = Steps(session)

    class Forbidding(Callback):
        """From the end of the first step to that of the last nothing may wait."""

        def on_batch_end(self, progress: Progress) -> None:
            torch.cuda.set_sync_debug_mode("error" if progress.batch < progress.batches else "default")

    try:
        progress, _ = train_epoch(steps, 1, Forbidding())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(math.isfinite(progress.means(number)["loss"]) for number in range(3))
