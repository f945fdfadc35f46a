"""Optimizers, schedules and clipping: each as PyTorch has it, captured, stacked, and through any stop."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from evae import Configuration, Run, data, resume, train, train_seeds
from evae.compute.processes import Processes
from evae.configuration.options import OPTIMIZER_NAMES, SCHEDULES
from evae.training.callbacks import Callback
from evae.training.group import TrainingInterrupted
from evae.training.loop import train_epoch
from evae.training.session import Session
from evae.training.steps import WARM_UP, Steps
from evae.training.updates import schedules
from evae.training.updates.clipping import clip_gradients
from evae.training.updates.optimizers import OPTIMIZERS, make_optimizer, set_learning_rate
from evae.training.updates.schedules import learning_rate
from foundation.errors import InputError
from tests.evae.conftest import refusal, small, write_mnist
from tests.evae.training.tape import Tape
from tests.evae.training.test_resume import OFTEN, Stopping, result
from tests.evae.training.test_seeds import ROUNDING, apart, curves, digits
from tests.evae.training.test_steps import FULL, assert_same_bits, session, state
from tests.support.examples import examples

__all__ = ["digits"]

CPU = torch.device("cpu")


def test_the_names_are_those_of_the_options() -> None:
    assert tuple(OPTIMIZERS) == OPTIMIZER_NAMES
    assert (Configuration().optimizer, Configuration().schedule) == ("adam", "constant")


@given(epochs=st.integers(1, 30), lr=st.floats(1e-6, 1.0))
@settings(max_examples=examples(10))
def test_cosine_is_pytorchs(epochs: int, lr: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    config = Configuration(epochs=epochs, lr=lr, schedule="cosine")
    for epoch in range(1, epochs + 1):
        assert learning_rate(config, epoch) == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        reference.step()


@given(losses=st.lists(st.integers(-3, 3), max_size=40))
def test_plateau_is_pytorchs(losses: list[int]) -> None:
    """PyTorch's patience is the number of epochs that are let pass, ours the one at which the rate is halved."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=schedules.PATIENCE - 1, threshold=0.0, threshold_mode="abs", eps=0.0
    )
    config = Configuration(lr=0.1, schedule="plateau")
    for epoch, loss in enumerate(losses, 1):
        optimizer.step()
        reference.step(loss)
        assert learning_rate(config, epoch + 1, losses[:epoch]) == reference.get_last_lr()[0]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("options", "reference"),
    [
        ({}, functools.partial(torch.optim.Adam)),
        ({"optimizer": "adamw"}, functools.partial(torch.optim.AdamW, weight_decay=0.01)),
        ({"optimizer": "adamw", "weight_decay": 0.3}, functools.partial(torch.optim.AdamW, weight_decay=0.3)),
        ({"optimizer": "sgd"}, functools.partial(torch.optim.SGD, momentum=0.9)),
        ({"optimizer": "sgd", "weight_decay": 0.3}, functools.partial(torch.optim.SGD, momentum=0.9, weight_decay=0.3)),
    ],
)
def test_an_optimizer_is_pytorchs_at_the_rate_that_was_set(
    options: dict[str, Any], reference: Any, schedule: str
) -> None:
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    optimizer = make_optimizer(Configuration(**options, lr=0.25, schedule=schedule), ours, CPU)
    expected = reference(theirs.parameters(), lr=0.25, foreach=False)
    for step in range(4):
        if step == 2:
            set_learning_rate(optimizer, 0.125)
            # A constant rate is not touched.
            expected.param_groups[0]["lr"] = 0.25 if schedule == "constant" else 0.125
        for model, own in ((ours, optimizer), (theirs, expected)):
            own.zero_grad()
            (model(torch.ones(5, 3)) + 1).square().sum().backward()
            own.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)


def gradients(networks: int) -> list[nn.Parameter]:
    """Parameters of a stack with gradients in both memory formats, and one without."""
    shapes = [(4 * networks, 3, 2, 2), (2 * networks,), (2 * networks, 5)]
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape)
    first = parameters[0]
    assert first.grad is not None
    first.data = first.data.contiguous(memory_format=torch.channels_last)
    first.grad = first.grad.contiguous(memory_format=torch.channels_last)
    return [*parameters, nn.Parameter(torch.zeros(3))]


@pytest.mark.parametrize("most", [1e-3, 6.0, 1e3])
def test_gradients_are_clipped_network_by_network_as_pytorch_clips_those_of_one(most: float) -> None:
    stack = gradients(3)
    alone = []
    for number in range(3):
        own = [nn.Parameter(torch.zeros(part.shape[0] // 3, *part.shape[1:])) for part in stack[:3]]
        for part, whole in zip(own, stack, strict=False):
            assert whole.grad is not None
            part.grad = whole.grad.chunk(3)[number].clone() * (number + 1)
        alone.append(own)
    for place, whole in enumerate(stack[:3]):
        whole.grad = torch.cat([grad for own in alone if (grad := own[place].grad) is not None])
    norms = clip_gradients(stack, most, networks=3)
    for number, own in enumerate(alone):
        expected = nn.utils.clip_grad_norm_(own, most)
        assert float(norms[number]) == pytest.approx(float(expected))
        for part, whole in zip(own, stack, strict=False):
            assert whole.grad is not None
            torch.testing.assert_close(whole.grad.chunk(3)[number], part.grad)


def test_a_network_may_have_weights_of_one_value() -> None:
    weight = nn.Parameter(torch.tensor(1.0))
    weight.grad = torch.tensor(-8.0)
    assert float(clip_gradients([weight], 2.0)) == 8.0
    assert float(weight.grad) == pytest.approx(-2.0)


#: Each of the optimizers, schedules and norms at least once.
COMBINATIONS: list[dict[str, Any]] = [
    {"optimizer": "adamw", "schedule": "plateau", "weight_decay": 0.1},
    {"optimizer": "sgd", "schedule": "cosine", "clip_gradient": 5.0, "weight_decay": 0.01},
    {"schedule": "cosine", "clip_gradient": 50.0},
]


@pytest.mark.parametrize("options", COMBINATIONS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize("seeds", [(0,), (3, 4)])
def test_replayed_steps_are_those_made_again_at_every_rate(options: dict[str, Any], seeds: tuple[int, ...]) -> None:
    """The rate is lowered when the step has been captured: one that was captured as a number would stay."""

    def trained(capture: Tape | None) -> dict[str, Tensor]:
        steps = Steps(session(seeds, model="evae", **options), capture=capture)
        for epoch, rate in ((1, 1e-2), (2, 1e-4)):
            set_learning_rate(steps.session.optimizer, rate)
            train_epoch(steps, epoch, Callback())
        return state(steps.session)

    tape = Tape()
    found, expected = trained(tape), trained(None)
    assert (tape.recordings, tape.replays) == (1, 2 * FULL - WARM_UP)
    assert_same_bits(found, expected)


def test_the_rate_of_an_epoch_is_that_of_its_steps() -> None:
    """SGD without momentum's memory: the first step from the same weights is the rate times the gradient."""
    moves = []
    for rate in (1e-4, 2e-4):
        steps = Steps(session(optimizer="sgd", schedule="cosine"))
        set_learning_rate(steps.session.optimizer, rate)
        weight = next(steps.session.model.parameters())
        before = weight.detach().clone()
        steps.reseed(1)
        steps(torch.arange(4)[None])
        moves.append((weight - before).detach())
    torch.testing.assert_close(moves[1], 2 * moves[0], rtol=1e-2, atol=1e-7)


def test_seeds_at_once_are_clipped_as_single_runs_are(digits: dict[str, Any]) -> None:
    """The steps of SGD are as long as the clipped gradient: a norm over the whole stack would make them shorter."""
    config = Configuration(model="evae", **{**digits, **COMBINATIONS[1], "lr": 1e-2})
    images = data.load(config.dataset, config.data_dir)
    together = curves(config, images, (0, 7))
    for seed, found in zip((0, 7), together, strict=True):
        (alone,) = curves(dataclasses.replace(config, seed=seed), images, [seed])
        assert apart(found, alone) < ROUNDING


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three batches an epoch, the last of them short."""
    place = write_mnist(tmp_path_factory.mktemp("data"))
    return {"dataset": "mnist", "data_dir": str(place), "limit_train": 28, "batch_size": 12, "epochs": 4, "lr": 0.1}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate is halved after one epoch without a lower loss."""
    monkeypatch.setattr(schedules, "PATIENCE", 1)


def rates(run: Run) -> list[float | None]:
    return [record.learning_rate for record in run.records]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("options", COMBINATIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_a_run_that_was_stopped_anywhere_ends_as_one_that_never_was(
    noise: dict[str, Any], tmp_path: Path, options: dict[str, Any]
) -> None:
    settings = {**noise, **options}
    whole = train(small(tmp_path / "whole", name="run", **settings))
    assert len(set(rates(whole))) > 1
    assert all(rate is not None and rate <= 0.1 for rate in rates(whole))
    for epoch, batch in ((1, 1), (4, 3)):
        config = small(tmp_path / f"{epoch}-{batch}", name="run", **settings, checkpoint_minutes=OFTEN)
        with pytest.raises(TrainingInterrupted) as caught:
            train(config, Stopping(epoch, batch))
        assert result(resume(caught.value.run)) == result(whole)


@pytest.mark.usefixtures("impatient")
def test_more_epochs_on_a_plateau_are_as_if_they_had_been_asked_for_at_once(
    noise: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**noise, "schedule": "plateau"}
    whole = train(small(tmp_path / "whole", name="run", **settings))
    run = resume(train(small(tmp_path, name="run", **{**settings, "epochs": 3})), epochs=4)
    assert result(run) == result(whole)


def test_a_cosine_has_the_epochs_that_it_began_with(noise: dict[str, Any], tmp_path: Path) -> None:
    run = train(small(tmp_path, **{**noise, "epochs": 1, "schedule": "cosine"}))
    with pytest.raises(InputError, match=r"--epochs must be 1 to resume the run .*: its --schedule cosine has brought"):
        resume(run, epochs=2)
    assert rates(run) == [0.1]


def test_the_rates_are_recorded_unless_constant(noise: dict[str, Any], tmp_path: Path) -> None:
    run = train(small(tmp_path, **{**noise, "epochs": 2, "schedule": "cosine"}))
    assert rates(run) == [0.1, pytest.approx(0.05)]
    assert dict(run.records[1].scalars())["speed/learning_rate"] == rates(run)[1]
    plain = train(small(tmp_path, **{**noise, "epochs": 1}))
    assert "learning_rate" not in plain.metrics[0]


def test_seeds_at_once_share_a_rate(noise: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--schedule plateau gives each run a learning rate by its own loss"):
        train_seeds(small(tmp_path, **noise, schedule="plateau"), (0, 1))
    assert not tmp_path.exists() or list(tmp_path.iterdir()) == []
    (run,) = train_seeds(small(tmp_path, **{**noise, "epochs": 1}, schedule="plateau"), (2,))
    assert rates(run) == [0.1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--weight-decay", "0.1"], "--weight-decay does nothing with --optimizer adam: it belongs to adamw or sgd."),
        (["--optimizer", "sgd", "--weight-decay", "-1"], "--weight-decay must be a number from 0 to 1e6, got -1.0."),
        (["--optimizer", "adamm"], "--optimizer 'adamm' is not known. Did you mean adam?"),
        (["--schedule", "cos"], "--schedule 'cos' is not known."),
        (["--clip-gradient", "0"], "--clip-gradient must be a positive number, got 0.0."),
    ],
)
def test_an_option_out_of_place_is_refused(options: list[str], sentence: str) -> None:
    assert sentence in refusal("train", *options)


def test_the_checkpoint_of_another_optimizer_is_refused(noise: dict[str, Any], tmp_path: Path) -> None:
    run = train(small(tmp_path, **{**noise, "epochs": 1, "optimizer": "sgd"}))
    run.replace_configuration(dataclasses.replace(run.configuration, optimizer="adam"))
    with pytest.raises(InputError, match="the checkpoint of epoch 1 is of another model than config"):
        resume(run.path, epochs=2)


def test_a_step_with_an_infinite_gradient_is_noticed() -> None:
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([math.inf, 1.0])
    assert math.isinf(float(clip_gradients([weight], 1.0)))
    assert not bool(weight.grad.isfinite().all())


def test_every_state_of_an_optimizer_is_in_a_checkpoint() -> None:
    for name, kind in OPTIMIZERS.items():
        trained = Session.begin(
            Configuration(latent_dim=2, optimizer=name, batch_size=4), data.load("digits"), Processes()
        )
        Steps(trained)(torch.arange(4)[None])
        found = {part for moments in trained.optimizer.state.values() for part in moments}
        assert found == set(kind.state)
