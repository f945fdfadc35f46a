"""Precision and determinism hold for as long as a run trains, and no longer."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from commands.shared.failures import warnings_as_sentences
from evae import VAE, Configuration, Run, train
from evae.compute import precision as arithmetic
from evae.compute.precision import deterministic_algorithms, full_precision_or_tf32, layers_in, require_precision
from evae.exceptions import ArithmeticWarning
from evae.models.initial_weights import initial_model
from evae.training.callbacks import Callback
from evae.training.progress import Progress
from foundation.errors import InputError
from tests.evae.conftest import invoke, small

IMITATED = "this CPU lacks instructions for bfloat16: --precision bf16 takes many times as long as fp32."


def settings() -> tuple[Any, ...]:
    """All of torch's that a run touches."""
    cudnn: Any = torch.backends.cudnn
    return (
        torch.backends.cuda.matmul.fp32_precision,
        cudnn.conv.fp32_precision,
        cudnn.rnn.fp32_precision,
        cudnn.deterministic,
        cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )


class Looking(Callback):
    """Notes torch's settings in the middle of training."""

    def on_batch_end(self, progress: Progress) -> None:  # noqa: ARG002
        self.seen = settings()


def test_fp32_is_ieee_arithmetic_while_a_run_trains_and_settings_come_back(tmp_path: Path) -> None:
    before, looking = settings(), Looking()
    train(small(tmp_path, limit_train=20), looking)
    assert looking.seen[:3] == ("ieee", "ieee", "ieee")
    assert looking.seen[3:] == before[3:]
    assert settings() == before


def test_tf32_is_asked_of_cuda_and_settings_come_back_after_an_error() -> None:
    before = settings()
    with full_precision_or_tf32("tf32"):
        assert settings()[:3] == ("tf32", "tf32", "tf32")

    def fail() -> None:
        with full_precision_or_tf32("bf16"), deterministic_algorithms(True):
            assert settings()[:3] == ("ieee", "ieee", "ieee")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert settings() == before


def test_tf32_does_nothing_on_the_cpu_and_is_refused_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--precision tf32 needs a CUDA device, got the CPU\. Use fp32 or"):
        train(small(tmp_path / "runs", precision="tf32"))
    assert not (tmp_path / "runs").exists()
    require_precision("fp32", torch.device("cpu"))


@pytest.mark.parametrize("able", [True, False])
def test_a_cpu_that_imitates_bfloat16_is_warned_of(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "_multiplies_bfloat16", lambda: able)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for precision in ("fp32", "bf16"):
            require_precision(precision, torch.device("cpu"))
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
        require_precision("bf16", torch.device("cuda"))
    assert [str(warning.message) for warning in said] == ([] if able else [IMITATED])
    assert {warning.category for warning in said} <= {ArithmeticWarning}


def test_the_command_says_so_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "_multiplies_bfloat16", lambda: False)
    options = ["--runs-dir", str(tmp_path), "--limit-train", "5", "--epochs", "1", "--latent-dim", "2"]
    result = invoke("train", *options, "--device", "cpu", "--precision", "bf16")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == f"Warning: {IMITATED}"


def test_a_sentence_is_said_once_however_many_runs_it_concerns(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings_as_sentences():
        for sentence in ("Slow.", "Slow.", "Slower."):
            warnings.warn(sentence, ArithmeticWarning, stacklevel=1)
    assert capsys.readouterr().err == "Warning: Slow.\nWarning: Slower.\n"


def test_deterministic_algorithms_are_in_force_while_a_run_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # cuBLAS reads the variable once: it stays.
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    before, looking = settings(), Looking()
    run = train(small(tmp_path, limit_train=20, deterministic=True), looking)
    assert run.configuration.deterministic
    assert looking.seen[3:] == (True, False, True, False)
    assert settings() == before
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_an_operation_without_a_deterministic_algorithm_is_refused() -> None:
    with deterministic_algorithms(True), pytest.raises(RuntimeError, match="does not have a deterministic"):
        torch.ones(2).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]), accumulate=False)


def test_on_the_cpu_a_run_is_the_same_with_and_without_deterministic(tmp_path: Path, trained: dict[str, Run]) -> None:
    run = train(small(tmp_path, model="vae", deterministic=True))
    weights = trained["vae"].read_weights()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in run.read_weights().items())


@pytest.mark.filterwarnings("ignore::evae.exceptions.ArithmeticWarning")
def test_bf16_learns_and_its_loss_is_near_that_of_fp32(tmp_path: Path) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        run = train(small(tmp_path, precision=precision, epochs=3))
        losses[precision] = [record.holdout["loss"] for record in run.records]
        assert losses[precision] == sorted(losses[precision], reverse=True)
        assert all(tensor.dtype != torch.bfloat16 for tensor in run.read_weights().values())
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


def test_bf16_rounds_the_layers_and_nothing_else() -> None:
    model: VAE = initial_model(Configuration(latent_dim=4), (1, 32, 32)).eval()
    images = torch.rand(3, 1, 32, 32)
    with layers_in("bf16", images.device):
        assert model.encoder(images)["mu"].dtype == torch.bfloat16
    logits, posterior, _ = model(images, torch.Generator().manual_seed(1), "bf16")
    exact, exact_posterior, _ = model(images, torch.Generator().manual_seed(1))
    assert logits.dtype == posterior.mean.dtype == torch.float32
    assert torch.allclose(posterior.mean, exact_posterior.mean, atol=0.01)
    assert torch.allclose(logits, exact, atol=0.05)
    assert not torch.equal(logits, exact)
    # The draw is made in single precision: mean and noise differ by what the heads were rounded, not the noise by more.
    draw = posterior.rsample(torch.Generator().manual_seed(1))
    assert (draw - draw.bfloat16().float()).abs().max() > 0


def test_the_name_of_a_run_says_its_precision() -> None:
    assert Configuration(precision="bf16").default_name == "digits-vae-d64-bf16-seed0"
