"""The benchmark of training: every contestant trains the same network, and the targets say what was measured."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks import training
from benchmarks.shared import trainers
from benchmarks.shared.isolation import Epoch, in_a_process
from benchmarks.shared.trainers import Setting, ours, plain_loop, products_alone, pythae
from benchmarks.training import AT_ONCE, BOUND, OURS, PLAIN, PYTHAE, WORKERS, Row
from evae.configuration.configuration import Configuration
from evae.data import as_images
from evae.models.objectives import objective_for

BF16 = f"{OURS}, bf16"
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def setting() -> Setting:
    """Squares of one grey on black, which a network learns at once."""
    pixels = torch.zeros(60, 1, 32, 32, dtype=torch.uint8)
    pixels[:, :, 8:24, 8:24] = 200
    return Setting(pixels, CPU, Configuration(latent_dim=4, batch_size=20, lr=1e-3, device="cpu"))


def pythaes(setting: Setting, folder: Path) -> Epoch:
    pytest.importorskip("pythae")
    return pythae(setting, folder)


CONTESTANTS: dict[str, Callable[[Setting, Path], Epoch]] = {
    OURS: lambda setting, _: ours(setting),
    BF16: lambda setting, _: ours(setting, "bf16"),
    PLAIN: lambda setting, _: plain_loop(setting, workers=0),
    WORKERS: lambda setting, _: plain_loop(setting, workers=2),
    PYTHAE: pythaes,
}


@pytest.mark.parametrize("name", CONTESTANTS)
def test_every_contestant_has_the_loss_of_the_same_weights(name: str, setting: Setting, tmp_path: Path) -> None:
    """With a learning rate that moves nothing: they differ by the noise that they draw, some 0.3 %."""
    frozen = dataclasses.replace(setting, config=dataclasses.replace(setting.config, lr=1e-9))
    images = as_images(setting.pixels)
    model = setting.model().train()
    logits, posterior, drawn = model(images)
    terms = objective_for(setting.config).terms(logits, images, posterior, drawn, model.prior)
    expected = sum(term.mean().item() for term in terms.values())
    assert CONTESTANTS[name](frozen, tmp_path)(0) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("name", CONTESTANTS)
def test_every_contestant_learns(name: str, setting: Setting, tmp_path: Path) -> None:
    epoch = CONTESTANTS[name](setting, tmp_path)
    losses = [epoch(number) for number in range(3)]
    assert losses[-1] < 0.8 * losses[0]


def test_several_seeds_at_once_have_the_mean_loss_of_each(setting: Setting) -> None:
    alone = [
        ours(dataclasses.replace(setting, config=dataclasses.replace(setting.config, seed=seed)))(0) for seed in (0, 1)
    ]
    assert ours(setting, seeds=2)(0) == pytest.approx(sum(alone) / 2, rel=1e-4)
    assert abs(alone[0] - alone[1]) > 1e-3 * alone[0]


@pytest.mark.parametrize("name", CONTESTANTS)
def test_an_epoch_sees_every_image_once_in_batches_of_the_configured_size(
    name: str, setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    epoch = CONTESTANTS[name](setting, tmp_path)
    forward = torch.nn.Linear.forward

    def counted(layer: torch.nn.Linear, codes: torch.Tensor) -> torch.Tensor:
        if layer.in_features == 4:  # the decoder's first
            sizes.append(len(codes))
        return forward(layer, codes)

    monkeypatch.setattr(torch.nn.Linear, "forward", counted)
    epoch(0)
    assert sizes == [20, 20, 20]


def test_the_network_is_that_of_the_seed_whatever_trains_it(setting: Setting) -> None:
    one, another = setting.model().state_dict(), setting.model().state_dict()
    assert all(torch.equal(one[name], another[name]) for name in one)


@pytest.mark.slow
def test_the_benchmark_measures_every_contestant_and_writes_its_figures(tmp_path: Path) -> None:
    pytest.importorskip("pythae")
    file = tmp_path / "out.json"
    code = training.main(["--device", "cpu", "--threads", "1", "--images", "20", "--rounds", "1", "--json", str(file)])
    document = json.loads(file.read_text())
    assert list(document["trainers"]) == [OURS, BF16, AT_ONCE, PLAIN, WORKERS, BOUND, PYTHAE]
    assert document["trainers"][OURS]["ratio"] == 1
    assert all(row["images_per_second"] > 0 for row in document["trainers"].values())
    assert document["missing"] is None
    assert document["images"] == 20
    (target,) = document["targets"]
    assert target["found"] == document["trainers"][PYTHAE]["ratio"]
    assert code == (0 if target["met"] else 1)


def constant() -> Epoch:
    return lambda number: 100.0 - number


def threads() -> Epoch:
    return lambda _: float(torch.get_num_threads())


def not_installed() -> Epoch:
    raise ImportError("No module named 'pythae'")


def test_without_pythae_it_says_so_and_the_target_is_missed() -> None:
    rows, missing = training.measure({OURS: constant, PYTHAE: not_installed}, images=10, rounds=1)
    assert list(rows) == [OURS]
    assert missing == f"{PYTHAE} is not compared: No module named 'pythae'. It comes with the extra `bench`."
    (target,) = training.targets(rows, CPU)
    assert not target.met


def test_every_contestant_has_a_separate_process_with_as_many_threads_as_this_one() -> None:
    here = os.getpid()
    with in_a_process(process, 1) as one, in_a_process(process, 1) as other:
        assert len({here, one()(0), other()(0)}) == 3
    for number in (1, 2):
        with in_a_process(threads, number) as ready:
            assert ready()(0) == number


def process() -> Epoch:
    return lambda _: float(os.getpid())


def test_on_a_gpu_the_targets_are_the_plain_loop_the_seconds_of_an_epoch_and_several_seeds() -> None:
    rows = {OURS: Row(300_000.0, 1.0, 100.0), PLAIN: Row(30_000.0, 10.0, 100.0), WORKERS: Row(6e4, 5.0, 100.0)}
    faster, epoch, seeds = training.targets({**rows, AT_ONCE: Row(1e6, 2.4, 100.0)}, CUDA)
    assert (seeds.found, seeds.met) == (2.4, True)
    assert (faster.found, faster.met) == (5, False)
    assert epoch.found == pytest.approx(0.2)
    assert epoch.met


def test_mnist_is_taken_from_the_folder_that_is_named(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        header = b"".join(number.to_bytes(4, "big") for number in (2051, 3, 28, 28))
        (raw / name).write_bytes(header + bytes([255]) * (3 * 28 * 28))
    images = training.pixels(2, tmp_path)
    assert images.shape == (2, 1, 32, 32)
    assert bool((images == 255).all())
    noise = training.pixels(2, None)
    assert noise.shape == images.shape
    assert torch.equal(noise, training.pixels(2, None))
    assert not torch.equal(noise, images)


def test_others_train_pytorchs_own_layers(setting: Setting) -> None:
    layers = [layer for layer in setting.model().modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    assert {type(layer) for layer in layers} == {nn.Conv2d, nn.ConvTranspose2d}
    assert len(layers) == 8


def test_the_products_alone_have_as_many_operations_as_the_layers(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwards once and backwards twice, but for the gradient of the images, which nobody needs."""
    multiplied: list[int] = []
    layers: list[int] = []
    torch_mm = torch.mm

    def counted(a: Tensor, b: Tensor, **options: Any) -> Tensor:
        multiplied.append(2 * a.shape[0] * a.shape[1] * b.shape[1])
        return torch_mm(a, b, **options)

    def note(layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            layers.append(result.numel() * layer.weight[0].numel())
        elif isinstance(layer, nn.ConvTranspose2d):
            layers.append(given[0].numel() * layer.weight[0].numel())
        elif isinstance(layer, nn.Linear):
            layers.append(result.numel() * layer.in_features)

    model = setting.model()
    for layer in model.modules():
        layer.register_forward_hook(note)
    model(as_images(setting.pixels))
    monkeypatch.setattr(trainers, "_SIDE", 256)
    epoch = products_alone(setting)
    monkeypatch.setattr(torch, "mm", counted)
    epoch(0)
    assert sum(multiplied) == pytest.approx(2 * (3 * sum(layers) - layers[0]), rel=0.02)
