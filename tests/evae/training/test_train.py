"""A run learns, repeats itself, says what happened to it, and stops when it should."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from evae import VAE, Configuration, Run, data, train
from evae.configuration.recipe import KERNELS, OBJECTIVES, POSTERIORS, PRESETS
from evae.data import ImageData
from evae.evaluation.holdout import holdout_metrics, latent_summary
from evae.exceptions import DivergenceError
from evae.models.initial_weights import initial_model
from evae.models.objectives import EvidenceLowerBound, objective_for
from evae.models.posterior_family import PosteriorFamily
from evae.runs.epoch_record import EpochRecord, NoiseToSignal
from evae.training.callbacks import Callback
from evae.training.group import TrainingInterrupted
from evae.training.progress import Progress
from foundation.errors import InputError
from tests.evae.conftest import command_environment, small
from tests.support.examples import first


class Recorder(Callback):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.batches: list[Progress] = []
        self.records: list[EpochRecord] = []

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        (self.run,), (self.model,), self.data = runs, models, data

    def on_batch_end(self, progress: Progress) -> None:
        self.batches.append(progress)

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        self.records.append(records[0])


@pytest.mark.parametrize(
    "model", first(5, sorted(PRESETS, key=["vae", "evae", "ae", "iwae", "vamp-evae", *PRESETS].index))
)
def test_loss_falls_in_training_and_on_hold_out_images(tmp_path: Path, model: str) -> None:
    run = train(small(tmp_path, model=model, epochs=3))
    for losses in zip(*((record.train["loss"], record.holdout["loss"]) for record in run.records), strict=True):
        assert list(losses) == sorted(losses, reverse=True)
        assert len(set(losses)) == 3


def test_the_settings_are_those_of_appendix_c() -> None:
    config = Configuration()
    assert (config.lr, config.batch_size, config.epochs, config.latent_dim) == (1e-4, 100, 50, 64)


def test_terms_add_up_to_the_loss_and_have_one_scale(trained: dict[str, Run]) -> None:
    for model, term in (("vae", "kl"), ("evae", "kernel_penalty")):
        (record,) = trained[model].records
        for terms in (record.train, record.holdout):
            assert terms["loss"] == pytest.approx(terms["reconstruction"] + terms[term], rel=1e-12)
            assert terms[term] > 0
        # 1,024 pixels of at most log 2 nats for a network that knows nothing.
        assert 0.3 < record.train["reconstruction"] / record.reconstruction < 3


def test_training_terms_are_means_over_images_also_with_a_short_last_batch(tmp_path: Path) -> None:
    """With a learning rate too small to change a weight, the epoch's mean is the mean over its images."""
    callback = Recorder()
    config = small(tmp_path, limit_train=70, batch_size=50, lr=1e-30)
    (record,) = train(config, callback).records
    sums = callback.batches[-1].sums
    assert [progress.images for progress in callback.batches] == [50, 70]
    assert record.train["reconstruction"] == pytest.approx(float(sums[:, :, 0].sum()) / 70)
    assert callback.batches[0].means()["reconstruction"] == pytest.approx(float(sums[0, 0, 0]) / 50)


def test_hold_out_terms_do_not_depend_on_the_mode_or_the_callers_random_numbers() -> None:
    config = Configuration(latent_dim=4)
    images = data.load("digits")
    model = initial_model(config, images.image_shape)
    model.train()
    first = holdout_metrics(model, EvidenceLowerBound(), images.holdout, seed=0)
    assert model.training
    torch.manual_seed(99)
    model.eval()
    assert holdout_metrics(model, EvidenceLowerBound(), images.holdout, seed=0) == first
    assert not model.training
    assert holdout_metrics(model, EvidenceLowerBound(), images.holdout, seed=1) != first


def test_the_log_tells_how_much_noise_is_left(trained: dict[str, Run]) -> None:
    vae, evae = (trained[model].records[0].latent for model in ("vae", "evae"))
    assert set(vae.spreads) == {"sigma"}
    assert set(evae.spreads) == {"r", "B"}
    for latent in (vae, evae):
        document = latent.document()
        assert document["rate"] > 0
        ratio = document["noise_to_signal"]
        assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
        assert 0 <= document["active_dimensions"] <= 4


def test_the_log_has_r_and_b_wherever_they_exist() -> None:
    expected = {
        "vae": {"sigma"},
        "evae": {"r", "B"},
        "evae-exact": {"r", "B"},
        "evae-direct": {"r"},
        "evae-repaired": {"r"},
        "gaussian-kde": {"r", "B"},
        "beta-vae": {"sigma"},
        "ae": set(),
        "laplace-vae": {"scale"},
        "gm-vae": {"sigma"},
        "gm-evae": {"r"},
        "vamp-vae": {"sigma"},
        "vamp-evae": {"r"},
        "evae-beta": {"sigma", "a"},
        "evae-beta-repaired": {"sigma", "a"},
        "evae-radial": {"sigma"},
        "evae-radial-full": {"sigma"},
        "gaussian-full": {"sigma"},
        "iwae": {"sigma"},
        "iwae-epanechnikov": {"r"},
    }
    images = torch.randint(0, 256, (20, 1, 32, 32), dtype=torch.uint8)
    for name in PRESETS:
        config = Configuration(model=name, latent_dim=3)
        terms, latent = holdout_metrics(initial_model(config, (1, 32, 32)), objective_for(config), images, seed=0)
        assert set(latent.spreads) == expected[name]
        assert latent.noise_to_signal is not None
        assert latent.active_dimensions is not None
        assert (latent.rate is None) == (name in ("ae", "gaussian-kde"))
        names = objective_for(config).names
        assert terms["loss"] == pytest.approx(sum(terms[term] for term in names))
        assert set(terms) == {"loss", "reconstruction_at_mean", *names}


def test_a_point_without_signal_is_not_an_active_dimension() -> None:
    q = PosteriorFamily("none").from_heads(torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 4.0]]))
    latent = latent_summary([q])
    assert latent.active_dimensions == 1
    assert latent.noise_to_signal == NoiseToSignal(min=0.0, median=None, max=None)


@pytest.mark.parametrize("model", ["vae", "evae"])
def test_the_same_seed_gives_the_same_run_to_the_bit(tmp_path: Path, trained: dict[str, Run], model: str) -> None:
    torch.manual_seed(12345)
    again = train(small(tmp_path, model=model))
    assert again.records[0].holdout == trained[model].records[0].holdout
    weights = trained[model].read_weights()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in again.read_weights().items())


def test_another_seed_gives_another_run(tmp_path: Path, trained: dict[str, Run]) -> None:
    other = train(small(tmp_path, seed=1))
    assert other.records[0].holdout != trained["vae"].records[0].holdout


def test_training_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    before, python_before = torch.get_rng_state(), random.getstate()
    train(small(tmp_path))
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == python_before


class Listening(Recorder):
    """Keeps the images that enter the encoder in training, and the codes that enter the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[torch.Tensor] = []
        self.codes: list[torch.Tensor] = []

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        super().on_start(runs, models, data)
        for module, kept in ((models[0].encoder, self.images), (models[0].decoder, self.codes)):
            module.register_forward_pre_hook(
                lambda module, given, kept=kept: kept.append(given[0].detach().clone()) if module.training else None
            )


def listen(folder: Path, **options: object) -> Listening:
    """Train with weights that stand still, so that only order and noise change from batch to batch."""
    callback = Listening()
    train(small(folder, lr=1e-30, **options), callback)
    return callback


def test_every_epoch_shows_every_image_once_in_a_separate_order(tmp_path: Path) -> None:
    first, second = listen(tmp_path, epochs=2, limit_train=60, batch_size=60).images
    assert not torch.equal(first, second)
    assert torch.equal(first.flatten(1).sort(0).values, second.flatten(1).sort(0).values)


def test_order_and_noise_of_an_epoch_depend_on_the_seed_and_the_epoch_alone(tmp_path: Path) -> None:
    short = listen(tmp_path, epochs=1, limit_train=60, batch_size=30)
    long = listen(tmp_path, epochs=2, limit_train=60, batch_size=30)
    for single, again in ((short.images, long.images), (short.codes, long.codes)):
        assert all(torch.equal(one, other) for one, other in zip(single, again[:2], strict=True))
    other = listen(tmp_path, epochs=1, limit_train=60, batch_size=30, seed=1)
    assert not torch.equal(other.images[0], short.images[0])


def test_every_epoch_has_separate_noise(tmp_path: Path) -> None:
    """With a single image there is one order only: what differs is the noise."""
    first, second = listen(tmp_path, epochs=2, limit_train=1).codes
    assert not torch.equal(first, second)


def test_a_finished_run_leaves_everything(trained: dict[str, Run]) -> None:
    run = trained["evae"]
    present = {path.name for path in run.path.iterdir()}
    expected = {"config.json", "environment.json", "metrics.jsonl", "model.safetensors", "reconstructions.png"}
    assert expected | {"status.json"} <= present
    assert not [name for name in present if name.endswith(".part")]
    assert run.status == {"state": "finished", "epochs_finished": 1}
    assert run.weights_epoch == 1
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.split("+")[0]
    assert environment["device"] == "cpu"
    assert (run.path / "reconstructions.png").read_bytes().startswith(b"\x89PNG")


def test_the_default_name_describes_the_run_and_gives_way_to_the_one_before(tmp_path: Path) -> None:
    names = [train(small(tmp_path)).name for _ in range(2)]
    assert names == ["digits-first130-vae-d4-seed0", "digits-first130-vae-d4-seed0-2"]


def test_a_run_of_a_given_name_is_never_overwritten(tmp_path: Path) -> None:
    run = train(small(tmp_path, name="mine"))
    before = run.weights_path.read_bytes()
    with pytest.raises(InputError, match=r"mine already exists, and runs are never overwritten\. Give another --name"):
        train(small(tmp_path, name="mine", seed=5))
    assert run.weights_path.read_bytes() == before


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        train(small(tmp_path / "runs", dataset="mnist", data_dir=str(tmp_path)))
    assert not (tmp_path / "runs").exists()


def test_a_loaded_model_reconstructs_as_the_trained_one_did(trained: dict[str, Run]) -> None:
    for run in trained.values():
        model = VAE.load(run.path)
        assert not model.training
        holdout = data.load("digits").holdout
        terms, _ = holdout_metrics(model, objective_for(run.configuration), holdout, run.configuration.seed)
        assert terms == run.records[-1].holdout


class Poison(Recorder):
    """Breaks a weight after a given batch of the second epoch."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch

    def on_batch_end(self, progress: Progress) -> None:
        if (progress.epoch, progress.batch) == (2, self.batch):
            with torch.no_grad():
                self.model.get_parameter("encoder.heads.sigma.bias").fill_(math.inf)


def test_a_loss_that_is_not_a_number_names_term_epoch_and_batch_and_keeps_the_epoch_before(tmp_path: Path) -> None:
    poison = Poison(batch=2)
    with pytest.raises(
        DivergenceError, match=r"the reconstruction term became nan in epoch 2, batch 3 of 5 \(step 8\)\."
    ):
        train(small(tmp_path, epochs=3, batch_size=30), poison)
    status = poison.run.status
    assert (status["state"], status["epochs_finished"]) == ("failed", 1)
    assert "reconstruction term became nan" in status["reason"]
    assert poison.run.weights_epoch == 1
    assert all(bool(tensor.isfinite().all()) for tensor in poison.run.read_weights().values())


def test_a_far_too_large_learning_rate_is_reported_as_divergence(tmp_path: Path) -> None:
    with pytest.raises(DivergenceError, match="smaller --lr is the usual remedy"):
        train(small(tmp_path, epochs=3, lr=1e30, batch_size=20))


class Failing(Recorder):
    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        super().on_epoch_end(records)
        raise OSError("the disk is on fire")


def test_any_other_failure_is_written_down_too(tmp_path: Path) -> None:
    callback = Failing()
    with pytest.raises(OSError, match="on fire"):
        train(small(tmp_path), callback)
    assert callback.run.status["state"] == "failed"
    assert callback.run.status["reason"] == "OSError: the disk is on fire"


class Interrupting(Recorder):
    """Sends this process a signal in the middle of the second epoch."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self.number = number

    def on_batch_end(self, progress: Progress) -> None:
        if (progress.epoch, progress.batch) == (2, 1):
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_the_last_epochs_weights(tmp_path: Path, number: signal.Signals) -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    callback = Interrupting(number)
    with pytest.raises(TrainingInterrupted) as caught:
        train(small(tmp_path, epochs=3), callback)
    assert caught.value.signal_number == number
    assert caught.value.sentence.startswith(f"interrupted by {number.name}; the weights and metrics of epoch 1 ")
    assert callback.run.status == {"state": "interrupted", "epochs_finished": 1}
    assert callback.run.weights_epoch == len(callback.run.records) == 1
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_a_run_whose_process_ignores_sigint_is_not_interrupted_by_it(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = train(small(tmp_path, epochs=2), Interrupting(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert run.status["state"] == "finished"


def test_training_in_a_thread_leaves_signals_alone(tmp_path: Path) -> None:
    finished: list[Run] = []
    thread = threading.Thread(target=lambda: finished.append(train(small(tmp_path))))
    thread.start()
    thread.join()
    assert finished[0].status["state"] == "finished"


def test_two_processes_never_write_one_run(trained: dict[str, Run]) -> None:
    run = trained["vae"]
    script = f"import evae; evae.evaluate({str(run.path)!r}, device='cpu', features='none')"
    with run.locked():
        result = subprocess.run(
            [sys.executable, "-c", script], env=command_environment(), capture_output=True, text=True, check=False
        )
    assert result.returncode == 1
    assert "is being written by another process" in result.stderr


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (
            "latent_dim",
            0,
            "--latent-dim must be a whole number from 1 to 65,536, got 0. The paper uses 8, 16, 32 or 64.",
        ),
        ("latent_dim", 2.5, "--latent-dim must be a whole number from 1 to 65,536, got 2.5."),
        ("epochs", -3, "--epochs must be a whole number from 1 to 1,000,000,000, got -3."),
        ("batch_size", 0, "--batch-size must be a whole number from 1 to"),
        ("limit_train", -1, "--limit-train must be a whole number from 1 to"),
        ("lr", 0.0, "--lr must be a positive number, got 0.0"),
        ("lr", math.inf, "--lr must be a positive number, got inf"),
        ("seed", -1, "--seed must be a whole number from 0"),
        ("dataset", "mnits", "--dataset 'mnits' is not known. Did you mean mnist?"),
        (
            "model",
            "transformer",
            "--model 'transformer' is not known. Choose from vae, evae, evae-exact, evae-direct, ",
        ),
        ("device", "tpu", "--device 'tpu' is not known."),
        (
            "posterior",
            "cauchy",
            "--posterior 'cauchy' is not known. Choose from gaussian, epanechnikov, uniform, laplace",
        ),
        ("objective", "kdebound", "--objective 'kdebound' is not known. Did you mean kde-bound?"),
        ("kernel", "parabola", "--kernel 'parabola' is not known."),
        ("interval", "half", "--interval 'half' is not known. Choose from printed, corrected."),
        ("divergence", "renyi", "--divergence 'renyi' is not known. Did you mean renyi2?"),
        ("prior_length", "short", "--prior-length must be learned or a number from 1e-06 to 1e6, got 'short'."),
        (
            "prior_length",
            0,
            "--prior-length must be learned or a number from 1e-06 to 1e6, got 0. Algorithm 1 learns B.",
        ),
        ("prior_length", math.nan, "--prior-length must be learned or a number"),
        ("prior_length", True, "--prior-length must be learned or a number"),
        ("beta", 0.0, "--beta must be a number from 1e-06 to 1e6, got 0.0. Without regularisation it is --objective"),
        ("beta", -1, "--beta must be a number"),
        ("beta", "4", "--beta must be a number"),
        ("uniform_length", 1e-6, "--uniform-length must be a number from 0.001 to"),
        ("uniform_length", math.inf, "--uniform-length must be a number from 0.001 to 1e6, got inf."),
        ("name", "../elsewhere", "--name must be a plain folder name"),
        ("name", "", "--name must be a plain folder name"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule(field: str, value: object, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        Configuration(**{field: value})  # type: ignore[arg-type]
    assert sentence in str(caught.value)


PAIRS_WITHOUT_FORMULA = [
    ({"model": "ae", "objective": "elbo"}, "--objective elbo has no exact formula for --posterior none: a point"),
    ({"model": "gaussian-kde", "objective": "elbo"}, "for --posterior kde --kernel gaussian: a normal plus a uniform"),
    ({"model": "gaussian-kde", "objective": "uniform-prior"}, "for --posterior kde: its support is unbounded"),
    (
        {"model": "ae", "objective": "uniform-prior"},
        "--objective uniform-prior has no exact formula for --posterior none",
    ),
    (
        {"objective": "uniform-prior"},
        "--objective uniform-prior has no exact formula for --posterior gaussian: its support is unbounded",
    ),
    *(
        (
            {"posterior": name, "objective": "kde-bound"},
            f"kde-bound has no exact formula for --posterior {name}: equation",
        )
        for name in POSTERIORS
        if name != "kde"
    ),
]

IDLE_OPTIONS = [
    (
        {"model": "ae", "beta": 1.0},
        "--beta does nothing with the objective reconstruction: it belongs to --objective elbo or kde-bound or "
        "uniform-prior.",
    ),
    ({"model": "vae", "kernel": "epanechnikov"}, "--kernel does nothing with the posterior gaussian"),
    ({"model": "evae-direct", "kernel": "uniform"}, "--kernel does nothing with the posterior epanechnikov"),
    ({"model": "evae-repaired", "prior_length": "learned"}, "--prior-length does nothing with the posterior epanech"),
    ({"model": "ae", "interval": "corrected"}, "--interval does nothing with the posterior none"),
    ({"model": "evae", "uniform_length": 2.0}, "--uniform-length does nothing with the objective kde-bound"),
    ({"model": "evae", "divergence_by": "exact"}, "--divergence-by does nothing with the objective kde-bound"),
    (
        {"prior_components": 5},
        "--prior-components does nothing with the prior normal: it belongs to --prior mixture or",
    ),
    ({"model": "gm-vae", "pseudo_inputs": "data"}, "--pseudo-inputs does nothing with the prior mixture"),
    ({"model": "evae", "prior": "mixture"}, "--prior does nothing with the objective kde-bound"),
    ({"prior": "mixture"}, "--objective elbo has no exact formula for --prior mixture: the divergence from a mixture"),
    ({"penalty_weight": 2.0}, "--penalty-weight does nothing without --penalty: it belongs to --penalty dip."),
    (
        {"model": "vae", "shape": 2.0},
        "--shape does nothing with the posterior gaussian: it belongs to --posterior beta",
    ),
    (
        {"model": "evae-beta", "shape": 3.0, "initial_shape": 4.0},
        "--initial-shape does nothing with the shape 3.0: it belongs to --shape learned or encoded. Leave it out.",
    ),
    ({"model": "vae", "divergence": "kl"}, "--divergence does nothing with the objective elbo"),
    ({"model": "evae-repaired", "posterior": "uniform", "divergence": "renyi2"}, "--divergence does nothing with the"),
    (
        {"model": "evae", "objective": "uniform-prior", "prior_length": 1.8},
        "--prior-length 1.8 fills an interval of length 3.6, which leaves the kernel no room",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), [*PAIRS_WITHOUT_FORMULA, *IDLE_OPTIONS])
def test_a_pair_without_a_formula_and_an_option_that_does_nothing_are_refused(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        Configuration(**options)
    assert sentence in str(caught.value)


def test_every_pair_with_an_exact_formula_is_accepted_and_no_other() -> None:
    accepted = set()
    for posterior, objective, kernel in itertools.product(POSTERIORS, OBJECTIVES, KERNELS):
        options = {"kernel": kernel} if posterior == "kde" else {}
        try:
            Configuration(posterior=posterior, objective=objective, **options)  # type: ignore[arg-type]
        except InputError:
            continue
        accepted.add((posterior, objective, kernel if options else None))
    kde = {("kde", objective, kernel) for objective in OBJECTIVES for kernel in ("epanechnikov", "uniform")}
    kde |= {("kde", objective, kernel) for objective in ("kde-bound", "iwae", "reconstruction") for kernel in KERNELS}
    rest = {
        ("gaussian", "elbo"),
        *itertools.product(("laplace", "gaussian-full"), ("elbo",)),
        *itertools.product(("epanechnikov", "uniform", "beta", "radial", "radial-full"), ("elbo", "uniform-prior")),
    }
    rest |= {(posterior, "reconstruction") for posterior in POSTERIORS if posterior != "kde"}
    rest |= {(posterior, "iwae") for posterior in POSTERIORS if posterior not in ("kde", "none")}
    assert accepted == kde | {(*pair, None) for pair in rest}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"model": "evae"}, "digits-evae-d64-seed0"),
        ({"model": "evae", "kernel": "epanechnikov", "prior_length": "learned"}, "digits-evae-d64-seed0"),
        ({"model": "evae-beta", "shape": "learned", "initial_shape": 2}, "digits-evae-beta-d64-seed0"),
        ({"model": "evae-beta", "shape": "1"}, "digits-evae-beta-shape-1-d64-seed0"),
        ({"posterior": "beta", "initial_shape": 8}, "digits-vae-beta-from8-d64-seed0"),
        ({"model": "evae", "kernel": "uniform", "prior_length": "0.5"}, "digits-evae-uniform-kernel-B0.5-d64-seed0"),
        ({"model": "evae", "interval": "corrected"}, "digits-evae-corrected-d64-seed0"),
        ({"model": "evae", "objective": "elbo", "beta": 2}, "digits-evae-elbo-beta2-d64-seed0"),
        ({"model": "gaussian-kde", "kernel": "epanechnikov"}, "digits-gaussian-kde-epanechnikov-kernel-d64-seed0"),
        ({"model": "beta-vae"}, "digits-beta-vae-d64-seed0"),
        ({"model": "beta-vae", "beta": 1.0}, "digits-beta-vae-beta1-d64-seed0"),
        (
            {"model": "beta-vae", "posterior": "none", "objective": "reconstruction"},
            "digits-beta-vae-none-reconstruction",
        ),
        (
            {"model": "evae-repaired", "posterior": "kde", "uniform_length": 2, "divergence": "renyi2"},
            "digits-evae-repaired-kde-l2-renyi2-d64-seed0",
        ),
    ],
)
def test_the_default_name_says_what_differs_from_the_preset(options: dict[str, Any], name: str) -> None:
    assert Configuration(**options).default_name.startswith(name)


def test_a_preset_s_own_option_goes_where_it_would_do_nothing() -> None:
    assert Configuration(model="beta-vae", objective="reconstruction").recipe.beta is None
    assert Configuration(model="gaussian-kde", posterior="uniform", objective="elbo").recipe.kernel is None


@pytest.mark.parametrize("latent_dim", [1, 513])
def test_a_full_covariance_needs_two_dimensions_and_not_too_many(latent_dim: int) -> None:
    sentence = (
        f"--latent-dim must be from 2 to 512 for --posterior radial-full, .*, got {latent_dim}. Use --posterior radial"
    )
    with pytest.raises(InputError, match=sentence):
        Configuration(model="evae-radial-full", latent_dim=latent_dim)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shape": 0.99}, "--shape must be learned or encoded or a number from 1 to 10000, got 0.99"),
        ({"shape": "learn"}, "--shape must be learned or encoded or a number from 1 to 10000, got 'learn'"),
        ({"initial_shape": 1.0}, "--initial-shape must be a number from 1.001 to 10000, got 1.0. By default it is 2"),
    ],
)
def test_a_shape_outside_its_range_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Configuration(model="evae-beta", **options)


def test_cuda_asked_for_in_vain_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        InputError, match=r"--device cuda needs a CUDA device, but torch finds none\. Use --device cpu or auto\."
    ):
        train(small(tmp_path, device="cuda"))
