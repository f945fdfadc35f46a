"""Images for likelihoods: binary ones, drawn once or for each epoch, and whole ones within a border."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import evae
from evae import Configuration, Run, data, resume, train
from evae.compute.processes import Processes
from evae.compute.random_streams import Stream, generator
from evae.data import ImageData
from evae.data.binarisation import RedrawnImages, binarise_data, binarise_split
from evae.data.images import binarise, crop_inner, is_binary, pad
from evae.training.callbacks import Callback
from evae.training.group import TrainingInterrupted
from evae.training.loop import train_epoch
from evae.training.session import Session
from evae.training.steps import Steps
from foundation.errors import InputError
from tests.evae.conftest import refusal, small
from tests.evae.training.test_resume import Stopping

HOW = ("dynamic", "static", "threshold")


def grey(count: int = 30, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def config(folder: Path, how: str | None = "dynamic", **options: Any) -> Configuration:
    settings = {"limit_train": 30, "limit_holdout": 8, "batch_size": 12, "epochs": 2, "latent_dim": 2, **options}
    return small(folder, binarise=how, **settings)


@pytest.mark.parametrize("how", HOW)
def test_every_run_sees_the_same_binary_images_and_the_first_do_not_depend_on_the_others(how: str) -> None:
    source = ImageData(grey(), grey(9, seed=1), known_sha256={"train": "of the grey images"})
    found = binarise_data(source, how, "mine")
    assert is_binary(found.train)
    assert is_binary(found.holdout)
    # What was known of the grey images does not hold of these.
    assert found.known_sha256 == {}
    fewer = binarise_data(source.limited(7, 3), how, "mine")
    assert torch.equal(fewer.train, found.train[:7])
    assert torch.equal(fewer.holdout, found.holdout[:3])
    assert found.grey is (source.train if how == "dynamic" else None)
    # Dynamic and static runs are measured on equal images, and so is a grey run that is evaluated with static.
    static = binarise_data(source, "static", "mine")
    assert torch.equal(found.holdout, static.holdout) == (how != "threshold")
    assert torch.equal(static.holdout, binarise_split(source.holdout, "static", "holdout"))
    assert not torch.equal(binarise_split(source.train[:9], "static", "holdout"), static.train[:9])


def test_the_images_of_an_epoch_are_drawn_with_the_grey_values_as_probabilities() -> None:
    source = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    images = RedrawnImages.of(source, (3,), torch.device("cpu"))
    draws = []
    for epoch in range(1, 401):
        images.redraw(epoch)
        draws.append(images.pixels.clone())
    assert is_binary(images.pixels)
    share = (torch.cat(draws) == 255).double().mean(0).flatten()
    probability = torch.arange(256).double() / 255
    # Exact at both ends; elsewhere within five standard errors of 400 draws.
    assert share[[0, -1]].tolist() == [0, 1]
    assert bool(((share - probability).abs() <= 5 * (probability * (1 - probability) / 400).sqrt()).all())


def test_each_of_several_seeds_draws_what_it_would_draw_alone() -> None:
    source, seeds = grey(), (4, 0, 9)
    together = RedrawnImages.of(source, seeds, torch.device("cpu"))
    for epoch in (5, 2):
        together.redraw(epoch)
        for seed, part in zip(seeds, together.pixels.chunk(3), strict=True):
            alone = RedrawnImages.of(source, (seed,), torch.device("cpu"))
            alone.redraw(epoch)
            assert torch.equal(part, alone.pixels)
            assert torch.equal(part, binarise(source, "static", generator(seed, Stream.EPOCH_BINARISATION, epoch)))


@pytest.mark.parametrize("seeds", [(0,), (3, 0)])
def test_an_epoch_trains_on_its_own_draw_of_every_image_of_each_run(
    seeds: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = config(tmp_path)
    session = Session.begin(chosen, data.load_for(chosen), Processes(), seeds)
    seen: list[Tensor] = []
    steps = Steps(session)
    launch: Callable[[Tensor], Tensor] = steps.launch

    def watch(numbers: Tensor) -> Tensor:
        seen.append(session.train_pixels[numbers])
        return launch(numbers)

    monkeypatch.setattr(steps, "launch", watch)
    source = data.load("digits", limit_train=30).train
    for epoch in (1, 2):
        seen.clear()
        train_epoch(steps, epoch, Callback())
        for number, seed in enumerate(seeds):
            drawn = binarise(source, "static", generator(seed, Stream.EPOCH_BINARISATION, epoch))
            order = torch.randperm(30, generator=generator(seed, Stream.ORDER, epoch))
            assert torch.equal(torch.cat([batch[number] for batch in seen]), drawn[order])


def test_a_run_that_was_stopped_within_an_epoch_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = train(config(tmp_path, name="whole", checkpoint_minutes=1e-9))
    with pytest.raises(TrainingInterrupted):
        train(config(tmp_path, name="part"), Stopping(2, 2))
    part = resume(tmp_path / "part")
    assert part.weights_path.read_bytes() == whole.weights_path.read_bytes()
    with pytest.raises(InputError, match="--binarise must be dynamic to resume the run"):
        resume(part, binarise="static")


def test_runs_on_grey_and_on_binary_images_differ_in_name_and_configuration(tmp_path: Path) -> None:
    runs = {how: train(config(tmp_path, how, epochs=1, fit="pad")) for how in (None, *HOW)}
    assert [run.name for run in runs.values()] == [
        f"digits-pad{how}-first30-holdout8-vae-d2-seed0" for how in ("", "-dynamic", "-static", "-threshold")
    ]
    for how, run in runs.items():
        assert (run.configuration.binarise, run.configuration.fit) == (how, "pad")
        # The recorded images are those that the run is measured on.
        images = evae.data.load_for(run.configuration)
        assert run.data_sha256 == evae.data.images.fingerprint(images)
    assert len({json.dumps(run.data_sha256) for run in runs.values()}) == 3
    weights = {how: run.weights_path.read_bytes() for how, run in runs.items()}
    assert len(set(weights.values())) == 4


def test_a_configuration_of_an_earlier_version_is_grey_and_resized(tmp_path: Path) -> None:
    document = {name: value for name, value in vars(config(tmp_path, None)).items() if name not in ("binarise", "fit")}
    earlier = Configuration.from_dict(document, "config.json")
    assert (earlier.binarise, earlier.fit) == (None, "resize")


def test_a_border_leaves_every_pixel_as_it_is_and_adds_zeros_alone() -> None:
    for height, width in ((28, 28), (8, 8), (31, 5), (30, 32)):
        images = grey()[:, :, :height, :width] // 2 + 1
        padded = pad(images, 32, "mine")
        assert padded.shape[2:] == (32, 32)
        assert torch.equal(crop_inner(padded, (height, width)), images)
        assert int((padded > 0).sum()) == images.numel()
    for side in ((32, 32), (33, 8)):
        with pytest.raises(InputError, match="mine: --fit pad needs images smaller than the 32x32 pixels"):
            pad(torch.zeros(1, 1, *side, dtype=torch.uint8), 32, "mine")


def test_mnist_is_padded_from_28_to_32_pixels(mnist: Path) -> None:
    padded, resized = (data.load("mnist", mnist, fit=fit) for fit in ("pad", "resize"))
    assert (padded.inner, resized.inner) == ((28, 28), None)
    assert padded.image_shape == resized.image_shape == (1, 32, 32)
    assert int(padded.train[:, :, :2].max()) == int(padded.train[:, :, :, -2:].max()) == 0
    assert data.resize(crop_inner(padded.train, (28, 28)), 32).equal(resized.train)


def test_a_users_arrays_are_padded_whole_to_the_next_resolution(tmp_path: Path) -> None:
    def load(train: tuple[int, ...], test: tuple[int, ...], **options: Any) -> ImageData:
        arrays = {
            "train_images": np.full((5, *train), 190, np.uint8),
            "test_images": np.full((3, *test), 200, np.uint8),
        }
        np.savez(tmp_path / "mine.npz", allow_pickle=False, **arrays)
        return data.load(f"npz:{tmp_path / 'mine.npz'}", fit="pad", **options)

    arrays = load((20, 28), (20, 28))
    assert (arrays.image_shape, arrays.inner) == ((1, 32, 32), (20, 28))
    assert int((arrays.holdout == 200).sum()) == 3 * 20 * 28
    assert load((40, 33, 3), (40, 33, 3)).image_shape == (3, 64, 64)
    assert load((20, 28), (20, 28), image_size=64).image_shape == (1, 64, 64)
    with pytest.raises(InputError, match="train_images and test_images of the same height and width"):
        load((20, 28), (21, 28))
    with pytest.raises(InputError, match="got 65x20, which are larger"):
        load((65, 20), (65, 20))
    with pytest.raises(InputError, match="got 32x32, which are as large already"):
        load((32, 32), (32, 32))


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        ("cifar10", "whose images have the 32x32 pixels of the network"),
        ("celeba", "whose images are larger"),
        ("folder:faces", "whose image files may have any sizes"),
    ],
)
def test_what_needs_no_border_is_refused_by_name(dataset: str, reason: str, tmp_path: Path) -> None:
    kind = dataset.partition(":")[0]
    sentence = refusal("train", "--dataset", dataset, "--fit", "pad", "--runs-dir", tmp_path / "runs")
    assert sentence.startswith(f"--fit pad does nothing with {kind}, {reason}")
    with pytest.raises(InputError, match=f"--fit pad does nothing with {kind}"):
        data.load(dataset, tmp_path, fit="pad")
    assert not (tmp_path / "runs").exists()


def test_binary_images_are_not_made_binary_again(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 2, (12, 32, 32)).astype(np.uint8) * 255
    np.savez(tmp_path / "binary.npz", train_images=images, test_images=images)
    arguments = ("train", "--dataset", f"npz:{tmp_path / 'binary.npz'}", "--runs-dir", tmp_path / "runs")
    sentence = refusal(*arguments, "--binarise", "static")
    assert "--binarise does nothing with npz:" in sentence
    assert not (tmp_path / "runs").exists()


def test_an_evaluation_uses_the_binary_images_of_the_run(tmp_path: Path) -> None:
    run: Run = train(config(tmp_path, epochs=1, fit="pad"))
    options = {"device": "cpu", "features": "none", "likelihood": "is", "samples": 200, "likelihood_images": 2}
    found = evae.evaluate(run, **options)  # type: ignore[arg-type]
    assert found["likelihood"]["is"]["binarise"] == "dynamic"
    with pytest.raises(InputError, match=r"images are binary by --binarise dynamic of its training\."):
        evae.evaluate(run, **options, binarise="static")  # type: ignore[arg-type]
