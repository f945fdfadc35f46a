"""A trained model used from Python: images, likelihoods, traversals, and programs without this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import evae
from evae import VAE, Configuration, Run, data, evaluate, train
from evae.configuration.recipe import PRESETS
from evae.evaluation.generation import new_images
from evae.evaluation.pictures import COLUMNS
from evae.evaluation.use.traversal import MOST_DIMENSIONS, latent_rows, traverse
from evae.metrics import eight_bit
from evae.models.initial_weights import initial_model
from foundation.errors import InputError
from tests.evae.conftest import small


@pytest.mark.parametrize("model", ["vae", "evae"])
def test_the_images_are_those_that_the_command_writes(trained: dict[str, Run], model: str, tmp_path: Path) -> None:
    new_images(trained[model], number=3, seed=4, output=tmp_path / "new.npz", device="cpu")
    images = evae.sample(trained[model], 3, seed=4, device="cpu")
    assert images.dtype == torch.uint8
    with np.load(tmp_path / "new.npz") as file:
        assert np.array_equal(images[:, 0].numpy(), file["images"])


def test_a_sample_that_makes_no_sense_is_refused(trained: dict[str, Run]) -> None:
    with pytest.raises(InputError, match="number must be a positive whole number, got 0"):
        evae.sample(trained["vae"], 0)
    with pytest.raises(InputError, match="seed must be a whole number from 0"):
        evae.sample(trained["vae"], seed=-1)
    with pytest.raises(InputError, match="--components applies to --sampler mixture only"):
        evae.sample(trained["vae"], components=3)


def test_the_likelihoods_are_those_of_the_evaluation(trained: dict[str, Run]) -> None:
    """EVAE has one law, the mixture, so that both draw the same codes."""
    run, scored = trained["evae"], 3
    options: dict[str, Any] = {"binarise": "static", "device": "cpu"}
    found = evaluate(run, features="none", likelihood="is", samples=200, likelihood_images=scored, **options)
    holdout = data.load("digits").holdout[:scored]
    values = evae.log_likelihood(run, holdout, 200, **options)
    assert values.dtype == torch.float64
    assert values.tolist() == found["likelihood"]["is"]["laws"]["mixture"]["by_image"]


def test_the_likelihood_under_the_prior_needs_no_other_images(trained: dict[str, Run], tmp_path: Path) -> None:
    images = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    images[1] = 255
    values = evae.log_likelihood(trained["vae"], images, 200, data_dir=tmp_path)
    assert bool(values.isfinite().all())
    # An untrained decoder says nothing: each pixel costs log 2 nats.
    assert values[0] == pytest.approx(-1024 * np.log(2), rel=0.2)


@pytest.mark.parametrize(
    ("images", "options", "sentence"),
    [
        (torch.zeros(2, 1, 32, 32), {}, r"images must be a torch.Tensor of uint8 with shape \(N, 1, 32, 32\)"),
        (torch.zeros(0, 1, 32, 32, dtype=torch.uint8), {}, r"and N > 0, got torch.uint8 \(0, 1, 32, 32\)"),
        ([1], {}, "and N > 0, got list"),
        (torch.full((2, 1, 32, 32), 9, dtype=torch.uint8), {}, "the pixels of images must be 0 or 255, got others"),
        (torch.zeros(2, 1, 32, 32, dtype=torch.uint8), {"samples": 7}, "samples must be a multiple of 8"),
        (torch.zeros(2, 1, 32, 32, dtype=torch.uint8), {"law": "priors"}, "'priors' is not known"),
    ],
)
def test_a_likelihood_that_does_not_exist_is_refused(
    trained: dict[str, Run], images: Any, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        evae.log_likelihood(trained["vae"], images, **options)


class Plain(nn.Module):
    """A model of four dimensions: its codes are four pixels with known noise, and its pictures show the code."""

    device = torch.device("cpu")
    noise = torch.tensor([1.0, 0.01, 0.1, 0.001])

    def encode(self, images: Tensor) -> Any:
        means = images.flatten(1)[:, :4]
        return type("Posterior", (), {"mean": means, "variance": self.noise.expand_as(means)})

    def decode(self, codes: Tensor) -> Tensor:
        return codes.clamp(0, 1).view(-1, 1, 2, 2)


def test_each_row_varies_one_dimension_over_its_range_the_most_active_first() -> None:
    pixels = torch.randint(0, 256, (500, 1, 2, 2), dtype=torch.uint8)
    # The last dimension has little noise but no signal.
    pixels[:, :, 1, 1] = 51
    rows, described = latent_rows(Plain(), pixels, 7)  # type: ignore[arg-type]
    assert [one["dimension"] for one in described] == [1, 2, 0, 3]
    assert described[3]["noise_to_signal"] is None
    means = pixels.flatten(1).double() / 255
    for row, one in zip(rows, described, strict=True):
        varied, images = one["dimension"], row.images.flatten(1)
        assert len(images) == COLUMNS
        low, high = np.quantile(means[:, varied], [0.01, 0.99])
        expected = eight_bit(torch.linspace(low, high, COLUMNS).float())
        assert (images[:, varied].int() - expected.int()).abs().max() <= 1
        others = [index for index in range(4) if index != varied]
        assert torch.equal(images[:, others], pixels[7].flatten()[others].expand(COLUMNS, 3))


def test_a_picture_has_the_most_active_dimensions_alone(tmp_path: Path) -> None:
    run = train(small(tmp_path, latent_dim=MOST_DIMENSIONS + 2, limit_train=60))
    found = traverse(run, 2, device="cpu")
    ratios = [one["noise_to_signal"] for one in found["dimensions"]]
    assert len(ratios) == MOST_DIMENSIONS
    assert ratios == sorted(ratios)
    assert found["images"] == MOST_DIMENSIONS * COLUMNS
    assert Path(found["output"]).name == "traversal-2.png"
    traverse(run, 2, output=tmp_path / "rows.npz", device="cpu")
    with np.load(tmp_path / "rows.npz") as file:
        assert file["images"].shape == (MOST_DIMENSIONS * COLUMNS, 32, 32)


@pytest.mark.slow
@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("model", PRESETS)
def test_exported_programs_compute_what_the_model_does_for_any_number_of_images(
    model: str, side: int, tmp_path: Path
) -> None:
    run = Run.create(Configuration(model=model, latent_dim=3, runs_dir=str(tmp_path)), (1, side, side), {})
    initial = initial_model(run.configuration, (1, side, side))
    run.write_weights(initial.state_dict(), epoch=1)
    encoder, decoder = (torch.export.load(path).module() for path in evae.export_model(run, tmp_path))
    own = VAE.load(run)
    for number in (1, 2, 7):
        images = torch.rand(number, 1, side, side)
        with torch.no_grad():
            posterior = own.encode(images)
            mean, variance = encoder(images)
            torch.testing.assert_close(mean, posterior.mean, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(variance, posterior.variance, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(decoder(mean), own.decode(mean), rtol=1e-5, atol=1e-6)


def test_an_export_needs_a_folder(trained: dict[str, Run], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"folder must be one that exists, got .*none"):
        evae.export_model(trained["vae"], tmp_path / "none")
