"""A trained model is measured against real images, the untrained model and the plain autoencoder."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

import evae
from evae import VAE, Configuration, Run, data, train
from evae.data import as_images
from evae.evaluation.references import error_before_training, find_autoencoder, sample_training_images
from evae.models.initial_weights import initial_model
from evae.models.pixels import reconstruction_error
from tests.evae.conftest import invoke, small


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A VAE and the plain autoencoder of the same settings in one folder; the autoencoder is evaluated first."""
    folder = tmp_path_factory.mktemp("runs")
    runs = {model: train(small(folder, model=model, limit_holdout=40)) for model in ("ae", "vae")}
    for run in runs.values():
        evae.evaluate(run, device="cpu", features="none")
    return runs


def evaluation(run: Run) -> dict[str, object]:
    found: dict[str, object] = json.loads((run.path / "evaluation.json").read_text(encoding="utf-8"))
    return found


def test_as_many_training_images_are_chosen_as_there_are_hold_out_images_none_twice() -> None:
    pixels = torch.arange(100, dtype=torch.uint8).reshape(100, 1, 1, 1)
    chosen = sample_training_images(pixels, 30).flatten().tolist()
    assert len(set(chosen)) == 30
    assert chosen == sorted(chosen)
    # Not the first ones, which may be of one class; of 100, 30 at random lie below 30 with a chance of 1e-25.
    assert max(chosen) >= 30
    assert torch.equal(sample_training_images(pixels, 1000), pixels)


def test_the_choice_is_the_same_for_every_model_of_a_data_set() -> None:
    pixels = torch.randint(0, 256, (50, 1, 2, 2), dtype=torch.uint8)
    assert torch.equal(sample_training_images(pixels, 10), sample_training_images(pixels, 10))


def test_the_untrained_error_is_that_of_the_weights_that_training_starts_from() -> None:
    images = data.load("digits", limit_holdout=40).holdout
    config = Configuration(model="ae", latent_dim=4, seed=3)
    model = initial_model(config, (1, 32, 32)).eval()
    with torch.no_grad():
        logits = model.decoder(model.encode(as_images(images)).mean)
    expected = float(reconstruction_error(logits, as_images(images)).double().mean())
    assert error_before_training(config, images, "cpu") == pytest.approx(expected, rel=1e-6)
    assert error_before_training(dataclasses.replace(config, seed=4), images, "cpu") != pytest.approx(
        expected, rel=1e-6
    )


def test_evaluate_shows_the_plain_autoencoder_of_the_same_settings(judged: dict[str, Run]) -> None:
    found, own = evaluation(judged["vae"])["autoencoder"], evaluation(judged["ae"])
    assert isinstance(found, dict)
    assert found["run"] == judged["ae"].name
    assert found["reconstruction_error"] == own["reconstruction_error"]["posterior_mean"]  # type: ignore[index]
    assert found["sharpness"] == own["sharpness"]["posterior_mean"]  # type: ignore[index]
    assert own["autoencoder"] is None


def test_the_row_of_the_autoencoder_stands_in_the_table(judged: dict[str, Run]) -> None:
    shown = invoke("evaluate", judged["vae"].path, "--device", "cpu", "--features", "none")
    assert shown.exit_code == 0
    error = evaluation(judged["ae"])["reconstruction_error"]["posterior_mean"]  # type: ignore[index]
    (row,) = [line for line in shown.stdout.splitlines() if "by the plain autoencoder" in line]
    assert f"{error:.2f}" in row
    assert f"run {judged['ae'].name}, of the same settings" in " ".join(shown.stdout.split())


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"latent_dim": 5}, {"lr": 2e-3}, {"epochs": 2}, {"batch_size": 50}, {"limit_train": 129}]
)
def test_an_autoencoder_of_other_settings_is_not_a_reference(
    change: dict[str, object], judged: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, plain = judged["vae"].configuration, judged["ae"].configuration
    other = dataclasses.replace(own, **change)  # type: ignore[arg-type]
    monkeypatch.setattr(Run, "configuration", property(lambda run: other if run.name == judged["vae"].name else plain))
    assert find_autoencoder(judged["vae"], None) is None


def test_an_autoencoder_that_was_evaluated_with_other_features_is_not_a_reference(judged: dict[str, Run]) -> None:
    assert find_autoencoder(judged["vae"], None) is not None
    assert find_autoencoder(judged["vae"], {"identity": "another"}) is None


def test_a_damaged_neighbour_is_passed_over(judged: dict[str, Run]) -> None:
    broken = judged["vae"].path.parent / "a-broken-one"
    broken.mkdir(exist_ok=True)
    (broken / "config.json").write_text("{", encoding="utf-8")
    assert find_autoencoder(judged["vae"], None) is not None


@pytest.mark.parametrize("content", ["{", "[]", '{"reconstruction_error": -1}'])
def test_a_damaged_evaluation_of_a_neighbour_is_passed_over(content: str, judged: dict[str, Run]) -> None:
    path = judged["ae"].path / "evaluation.json"
    before = path.read_text(encoding="utf-8")
    path.write_text(content, encoding="utf-8")
    try:
        assert evae.evaluate(judged["vae"], device="cpu", features="none")["autoencoder"] is None
    finally:
        path.write_text(before, encoding="utf-8")


def test_limited_hold_out_images_are_remembered_by_the_run(judged: dict[str, Run]) -> None:
    run = judged["vae"]
    assert run.configuration.limit_holdout == 40
    assert "-holdout40" in run.configuration.default_name
    found = evaluation(run)
    assert (found["images"], found["training_images"]) == (40, 40)
    assert torch.equal(data.load("digits", limit_holdout=40).holdout, data.load("digits").holdout[:40])
    assert VAE.load(run).latent_dim == 4
