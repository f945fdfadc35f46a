"""Encoders and decoders of the user's own, and the small one of this program."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import evae
from evae import VAE, Configuration, Run
from evae.configuration.recipe import POSTERIORS, PRESETS
from evae.models.custom.mlp import WIDTH
from evae.models.initial_weights import initial_model
from evae.models.stacked import stack_models
from foundation.errors import InputError

SHAPE = (1, 12, 12)

#: A module of the user's, which leaves a mark when it is imported.
SOURCE = """
import pathlib
from torch import nn

pathlib.Path(__file__).with_suffix(".imported").touch()

def build(image_shape, latent_dim):
    pixels = image_shape[0] * image_shape[1] * image_shape[2]
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3))
    decoder = nn.Sequential(nn.Linear(latent_dim, 16), nn.ReLU(), nn.Linear(16, pixels), nn.Unflatten(1, image_shape))
    return encoder, decoder

def wider(image_shape, latent_dim):
    pixels = image_shape[0] * image_shape[1] * image_shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 17)), build(image_shape, latent_dim)[1]

def broken(image_shape, latent_dim):
    raise KeyError("no such layer")

def one(image_shape, latent_dim):
    return nn.Flatten()
"""

Networks = tuple[nn.Module, nn.Module]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, which holds the user's module."""
    (tmp_path / "users_networks.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("users_networks", None)


def networks(shape: tuple[int, int, int] = SHAPE, latent_dim: int = 3) -> Networks:
    pixels = math.prod(shape)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 8), nn.ReLU())
    return encoder, nn.Sequential(nn.Linear(latent_dim, pixels), nn.Unflatten(1, shape))


def images(number: int, side: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, side, side), dtype=np.uint8)


def config(folder: Path, **options: object) -> Configuration:
    settings = {"latent_dim": 3, "epochs": 2, "batch_size": 16, "lr": 1e-3, "device": "cpu", "runs_dir": folder}
    return Configuration(**{**settings, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_any_posterior_gets_its_heads_on_the_features_of_an_encoder(posterior: str) -> None:
    model = VAE(*networks(), posterior, image_shape=SHAPE, latent_dim=3)
    logits, codes, _ = model(torch.rand(5, *SHAPE))
    assert logits.shape == (5, *SHAPE)
    assert codes.mean.shape == (5, 3)
    shape = {"shape"} if model.family.learns_shape else set()
    assert set(model.parts) == {f"encoder.heads.{head}" for head in model.family.heads} | shape


def test_an_encoder_may_return_the_parameters_themselves() -> None:
    class Direct(nn.Module):
        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"mu": images.flatten(1)[:, :3], "sigma": images.flatten(1)[:, 3:6]}

    model = VAE(Direct(), networks()[1], "gaussian", image_shape=SHAPE, latent_dim=3)
    pictures = torch.rand(4, *SHAPE)
    assert torch.equal(model.encode(pictures).mean, pictures.flatten(1)[:, :3])
    with pytest.raises(InputError, match="returns a dictionary without r: the posterior has the parameters mu and r"):
        VAE(Direct(), networks()[1], "epanechnikov", image_shape=SHAPE, latent_dim=3)
    with pytest.raises(InputError, match=re.escape("must return mu of shape (2, 4), got float32 of shape (2, 3)")):
        VAE(Direct(), networks(latent_dim=4)[1], "gaussian", image_shape=SHAPE, latent_dim=4)


@pytest.mark.parametrize(
    ("encoder", "decoder", "sentence"),
    [
        (nn.Identity(), None, "must return features of shape (2, F) for images of shape (2, 1, 12, 12), got float32"),
        (
            nn.Linear(7, 2),
            None,
            "the encoder of the network given in Python failed on a tensor of shape (2, 1, 12, 12)",
        ),
        (
            None,
            nn.Linear(3, 7),
            "must return logits of shape (2, 1, 12, 12) for codes of shape (2, 3), got float32 of ",
        ),
        (
            None,
            nn.Linear(4, 7),
            "the decoder of the network given in Python failed on a tensor of shape (2, 3): Runtime",
        ),
    ],
)
def test_outputs_of_other_shapes_and_failures_are_named(
    encoder: nn.Module | None, decoder: nn.Module | None, sentence: str
) -> None:
    usual = networks()
    with pytest.raises(InputError, match=re.escape(sentence)):
        VAE(encoder or usual[0], decoder or usual[1], "gaussian", image_shape=SHAPE, latent_dim=3)


def test_trying_a_network_changes_neither_its_buffers_nor_its_modes() -> None:
    encoder, decoder = networks()
    encoder = nn.Sequential(encoder, nn.BatchNorm1d(8), nn.Dropout())
    encoder[2].eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    VAE(encoder, decoder, "gaussian", image_shape=SHAPE, latent_dim=3)
    assert [layer.training for layer in encoder] == [True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 5)])
def test_mlp_has_two_hidden_layers_on_either_side_for_images_of_any_size(shape: tuple[int, int, int]) -> None:
    model, pixels = VAE.mlp(shape, 4, "gaussian"), math.prod(shape)
    hidden = WIDTH * WIDTH + WIDTH
    encoder = (pixels * WIDTH + WIDTH) + hidden + 2 * (WIDTH * 4 + 4)
    decoder = (4 * WIDTH + WIDTH) + hidden + (WIDTH * pixels + pixels)
    assert sum(parameter.numel() for parameter in model.parameters()) == encoder + decoder
    assert model.reconstruct(torch.rand(2, *shape)).shape == (2, *shape)


@pytest.mark.usefixtures("double")
def test_stacked_mlps_compute_what_each_computes_alone() -> None:
    options = {"network": "mlp", "latent_dim": 2, "model": "evae"}
    alone = [initial_model(Configuration(seed=seed, **options), (3, 6, 6)).double() for seed in (0, 1)]  # type: ignore[arg-type]
    pictures = torch.rand(2, 4, 3, 6, 6)
    expected = [
        (model.encode(each).mean, model.decode(codes))
        for model, each, codes in zip(alone, pictures, codes_of(2), strict=True)
    ]
    whole = stack_models(alone)
    means, decoded = whole.encode(pictures.flatten(0, 1)).mean, whole.decode(torch.cat([*codes_of(2)]))
    assert torch.allclose(means, torch.cat([mean for mean, _ in expected]), atol=1e-12)
    assert torch.allclose(decoded, torch.cat([images for _, images in expected]), atol=1e-12)


def codes_of(networks: int) -> Tensor:
    return torch.linspace(-1, 1, networks * 8, dtype=torch.float64).view(networks, 4, 2)


def test_models_of_one_seed_share_trunk_and_decoder_whatever_the_posterior(tmp_path: Path) -> None:
    def start(**options: object) -> dict[str, Tensor]:
        chosen = dataclasses.replace(config(tmp_path), network="given", **options)  # type: ignore[arg-type]
        return initial_model(chosen, SHAPE, networks).state_dict()

    vae, evae_, other = start(), start(model="evae"), start(seed=1)
    shared = [name for name in vae if "heads.sigma" not in name]
    assert all(torch.equal(vae[name], evae_[name]) for name in shared)
    assert any("heads.mu" in name for name in shared)
    assert all(not torch.equal(vae[name], other[name]) for name in shared)


def test_a_function_is_trained_resumed_evaluated_and_sampled_by_its_name(here: Path) -> None:
    archive = {"train_images": images(40), "test_images": images(20, seed=1)}
    np.savez(here / "mine.npz", **archive)  # type: ignore[arg-type]
    options = {"dataset": "npz:mine.npz", "image_size": 12, "network": "users_networks:build", "data_dir": here}
    whole = evae.train(config(here / "whole", **options))
    assert whole.name == "npz-mine-12px-vae-users_networks-build-d3-seed0"
    # A run that stopped in between ends with the same bits, in spite of the dropout.
    part = evae.train(config(here / "part", **{**options, "epochs": 1}))
    # Another process has another state of the global generator.
    torch.manual_seed(99)
    state = torch.get_rng_state()
    part = evae.resume(part, network="users_networks:build", epochs=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert whole.weights_path.read_bytes() == part.weights_path.read_bytes()
    result = evae.evaluate(whole, model="users_networks:build", device="cpu", features="none")
    assert result["resolution"] == [12, 12]
    assert result["reconstruction_error"]["one_posterior_draw"] == pytest.approx(whole.records[-1].reconstruction)
    assert result["reconstruction_error"]["untrained"] > result["reconstruction_error"]["one_posterior_draw"]


def test_the_code_that_a_run_folder_names_is_not_run_until_it_is_named_again(here: Path) -> None:
    data = images(40), images(20, seed=1)
    run = evae.train(config(here, network="users_networks:build"), data=data)
    sys.modules.pop("users_networks")
    mark = here / "users_networks.imported"
    mark.unlink()
    sentence = re.escape("whose code is run only if you name it: add --network users_networks:build")
    for attempt in (
        lambda: VAE.load(run),
        lambda: evae.evaluate(run, data=data, features="none"),
        lambda: evae.resume(run, data=data, epochs=3),
    ):
        with pytest.raises(InputError, match=sentence):
            attempt()
    with pytest.raises(InputError, match="--network must be users_networks:build, got os:getcwd"):
        VAE.load(run, model="os:getcwd")
    assert not mark.exists()
    assert VAE.load(run, model="users_networks:build").latent_dim == 3
    assert mark.exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "users_networks:broken",
            "its function failed for image_shape=(1, 12, 12) and latent_dim=3: KeyError: 'no such ",
        ),
        ("users_networks:one", "its function must return (encoder, decoder), two torch.nn.Module, got Flatten"),
        ("users_networks:none", "which has no function none. Define none(image_shape, latent_dim) there"),
        ("nowhere_at_all:build", "needs the module nowhere_at_all, which is neither in the current directory"),
    ],
)
def test_a_function_that_makes_no_network_is_refused_before_a_run_has_a_folder(
    here: Path, name: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        evae.train(config(here / "runs", network=name), data=(images(40), images(20)))
    assert not (here / "runs").exists()


def test_an_error_in_training_mode_comes_before_a_run_has_a_folder(tmp_path: Path) -> None:
    class Trap(nn.Module):
        def forward(self, features: Tensor) -> Tensor:
            if self.training:
                raise ValueError("not in training")
            return features

    def build(shape: tuple[int, int, int], latent_dim: int) -> Networks:
        encoder, decoder = networks(shape, latent_dim)
        return nn.Sequential(encoder, Trap()), decoder

    with pytest.raises(InputError, match=r"ValueError: not in training \(test_own_networks.py, line \d+\)"):
        evae.train(config(tmp_path / "runs"), model=build, data=(images(40), images(20)))
    assert not (tmp_path / "runs").exists()


def test_a_model_that_is_given_is_trained_itself_and_given_again_to_be_loaded(tmp_path: Path) -> None:
    data = images(40), images(20, seed=1)
    model = VAE(*networks(), "epanechnikov", image_shape=SHAPE, latent_dim=3)
    # A weight that is not trained keeps its value, also through a checkpoint.
    frozen = next(model.decoder.parameters()).requires_grad_(False)
    before = frozen.clone()
    run = evae.train(config(tmp_path, model="evae-direct"), model=model, data=data)
    assert run.network is not None
    assert run.network["origin"] == "given in Python"
    assert (run.configuration.dataset, run.configuration.network) == ("given", "given")
    again = VAE(*networks(), "epanechnikov", image_shape=SHAPE, latent_dim=3)
    loaded = VAE.load(run, model=again)
    trained = model.state_dict()
    assert all(torch.equal(tensor, trained[name]) for name, tensor in loaded.state_dict().items())
    assert not any(
        torch.equal(p, q) for p, q in zip(again.encoder.parameters(), loaded.encoder.parameters(), strict=True)
    )
    next(again.decoder.parameters()).requires_grad_(False)
    evae.resume(run, model=again, data=data, epochs=3)
    assert torch.equal(next(again.decoder.parameters()), before)
    result = evae.evaluate(run, model=again, data=data, features="none", device="cpu")
    assert "untrained" not in result["reconstruction_error"]


def test_other_networks_and_images_than_those_of_the_run_are_refused(here: Path) -> None:
    data = images(40), images(20, seed=1)
    run = evae.train(config(here), model=networks, data=data)
    with pytest.raises(InputError, match="the names, types or shapes of its weights differ"):
        VAE.load(run, model="users_networks:wider")
    with pytest.raises(InputError, match="their SHA-256 differs"):
        evae.resume(run, model=networks, data=(data[1], data[0]), epochs=3)
    with pytest.raises(InputError, match="their SHA-256 differs"):
        evae.evaluate(run, model=networks, data=(data[1], data[0]), features="none")
    with pytest.raises(InputError, match="must be given again there, as data="):
        evae.evaluate(run, model=networks, features="none")
    with pytest.raises(InputError, match="no images can be given for it"):
        evae.evaluate(evae.train(config(here, network="mlp", limit_train=20, epochs=1)), data=data, features="none")
    assert len(Run.open(run.path).records) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"latent_dim": 4}, "latent_dim must be that of the model, 3, got 4"),
        ({"model": "evae"}, "the posterior must be that of the model, gaussian, got kde"),
        ({"network": "users_networks:build"}, "the network must be named or given, got both"),
    ],
)
def test_a_model_that_is_given_must_be_that_of_the_configuration(
    tmp_path: Path, options: dict[str, object], sentence: str
) -> None:
    model = VAE(*networks(), "gaussian", image_shape=SHAPE, latent_dim=3)
    with pytest.raises(InputError, match=sentence):
        evae.train(config(tmp_path, **options), model=model, data=(images(40), images(20)))


def test_several_seeds_of_a_users_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="whose layers cannot be stacked"):
        evae.train_seeds(config(tmp_path, network="users_networks:build"), (0, 1))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_with_a_network_and_images_of_the_users(preset: str, tmp_path: Path) -> None:
    run = evae.train(
        config(tmp_path, model=preset, epochs=1), model=networks, data=(images(20), torch.rand(4, 1, 12, 12).round())
    )
    assert run.status["state"] == "finished"
