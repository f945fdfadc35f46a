"""What `evaluate` says of a trained model, against what is computed another way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import evae
from evae import VAE, Run, data, metrics
from evae.evaluation.code_laws import decode_samples, draw_posterior_codes, fit_mixture
from evae.evaluation.evaluate import PICTURES, compare_features, judge, network_for
from evae.evaluation.holdout import CHUNK
from evae.evaluation.pictures import COLUMNS, ImageRows, save_rows, tile_images, walk
from evae.features import FeatureNetwork
from evae.metrics import frechet_distance
from evae.models.priors import NormalPrior
from foundation.errors import InputError
from tests.support.places import ROOT

COMMITTED = ROOT / "results" / "digits-evae"

SETS = ["originals", "one_posterior_draw", "posterior_mean", "training_images", "prior", "mixture"]


class Brightness(FeatureNetwork):
    """Four features of an image that need no training: the mean grey of its quarters."""

    name = "brightness"
    dimension = 4
    recipe = "quarters"
    title = "Fréchet distance of brightness"

    def __init__(self) -> None:
        super().__init__(nn.Identity(), torch.device("cpu"), "0" * 64)

    def _of(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), 2).flatten(1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics are kept in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_it_repeats_the_last_epochs_errors_and_summary(trained: dict[str, Run]) -> None:
    run = trained["evae"]
    result = evae.evaluate(run, device="cpu", features="none")
    last = run.records[-1]
    errors = result["reconstruction_error"]
    assert errors["one_posterior_draw"] == pytest.approx(last.reconstruction, rel=1e-12)
    assert errors["posterior_mean"] == pytest.approx(last.reconstruction_at_mean, rel=1e-12)
    assert result["latent"] == last.latent.document()
    assert (result["images"], result["split"], result["resolution"]) == (299, "hold-out", [32, 32])
    assert json.loads((run.path / "evaluation.json").read_text()) == result


def test_it_says_how_far_it_is_in_everything_that_takes_long(trained: dict[str, Run]) -> None:
    said: dict[str, list[tuple[int, int]]] = {}
    evae.evaluate(
        trained["evae"],
        device="cpu",
        features="none",
        progress=lambda what, done, total: said.setdefault(what, []).append((done, total)),
    )
    assert set(said) == {"encoding training images", "reconstructing hold-out images", "drawing images"}
    for steps in said.values():
        assert steps == sorted(steps)
        assert steps[-1][0] == steps[-1][1] > 0


def test_sharpness_is_that_of_each_set_of_images(trained: dict[str, Run]) -> None:
    run = trained["vae"]
    result = evae.evaluate(run, device="cpu", features="none")
    model, images = VAE.load(run), data.load("digits").holdout
    with torch.no_grad():
        at_mean = model.reconstruct(data.as_images(images))
    samples = torch.cat(list(decode_samples(model, NormalPrior(4), 299, run.configuration.seed)))
    assert list(result["sharpness"]) == SETS
    assert result["sharpness"]["originals"] == pytest.approx(metrics.sharpness(images), rel=1e-12)
    assert result["sharpness"]["posterior_mean"] == pytest.approx(metrics.sharpness(at_mean), rel=1e-4)
    assert result["sharpness"]["prior"] == pytest.approx(metrics.sharpness(samples), rel=1e-12)


def test_the_distance_is_that_of_the_features_means_and_covariances(trained: dict[str, Run]) -> None:
    run, network = trained["vae"], Brightness()
    model, images = VAE.load(run), data.load("digits", limit_train=130)
    result = judge(run, model, images, network)
    draws = draw_posterior_codes(model, images.train, run.configuration.seed)
    mixture = fit_mixture(draws, run.configuration.seed)
    samples = torch.cat(list(decode_samples(model, mixture, 299, run.configuration.seed)))

    def law(pixels: Tensor) -> tuple[np.ndarray, np.ndarray]:
        features = network.features(pixels).double().numpy()
        return features.mean(0), np.cov(features, rowvar=False)

    expected = frechet_distance(*law(images.holdout), *law(samples))
    assert result["frechet_distance"]["mixture"] == pytest.approx(expected, rel=1e-9)
    assert list(result["frechet_distance"]) == SETS[1:]
    assert result["features"]["title"] == "Fréchet distance of brightness"
    assert "rests on 299 images" in result["features"]["warning"]
    assert result["samplers"]["prior"] == {"law": "the prior, N(0, I)"}
    assert result["samplers"]["mixture"]["fitted_to_images"] == 130


def test_images_have_no_distance_from_themselves_and_a_shifted_law_has_the_square_of_the_shift() -> None:
    """With features that are linear in the pixels: the covariances agree, and only the means differ, by 51/255."""
    network, images = Brightness(), torch.randint(0, 200, (CHUNK + 20, 1, 32, 32), dtype=torch.uint8)
    followed: list[tuple[str, int, int]] = []
    found = compare_features(
        network, images, {"same": images, "lighter": images + 51}, lambda *told: followed.append(told)
    )
    assert found["frechet_distance"]["same"] == pytest.approx(0, abs=1e-12)
    assert found["frechet_distance"]["lighter"] == pytest.approx(4 * (51 / 255) ** 2, rel=1e-5)
    total = 2 * len(images)
    assert followed[0] == ("comparing features", CHUNK, total)
    assert followed[-1] == ("comparing features", total, total)


def test_a_model_without_a_fixed_prior_is_evaluated_by_its_mixture_alone(trained: dict[str, Run]) -> None:
    result = evae.evaluate(trained["evae"], device="cpu", features="none")
    assert list(result["samplers"]) == ["mixture"]
    assert (result["features"], result["frechet_distance"]) == (None, None)


def test_pictures_are_drawn_and_shaped_as_their_rows(trained: dict[str, Run]) -> None:
    run = trained["vae"]
    for name in PICTURES:
        (run.path / name).unlink(missing_ok=True)
    evae.evaluate(run, device="cpu", features="none")
    for name in PICTURES:
        with Image.open(run.path / name) as picture:
            assert picture.width > 1000
    with Image.open(run.path / "samples.png") as samples, Image.open(run.path / "walks.png") as walks:
        # Eight rows of new images against four walks.
        assert samples.height > 1.4 * walks.height


@pytest.mark.usefixtures("papers_networks")
def test_a_walk_goes_from_one_image_to_the_other() -> None:
    """With the model that is committed: it tells digits apart, which a model of a second's training does not."""
    model, images = VAE.load(COMMITTED), data.load("digits").holdout
    row = walk(model, images, 2, 5)
    assert (row.label, row.images.shape) == ("from hold-out image 2 to 5", (COLUMNS, 1, 32, 32))
    assert torch.equal(row.images[[0, -1]], images[[2, 5]])
    start, end = images[[2, 5]].float()
    nearer = [float((step - start).square().sum() - (step - end).square().sum()) for step in row.images.float()]
    assert nearer[1] < 0 < nearer[-2]
    assert nearer == sorted(nearer)
    with torch.no_grad():
        ends = metrics.eight_bit(model.reconstruct(data.as_images(images[[2, 5]])))
    assert (row.images[[1, -2]].int() - ends.int()).abs().max() <= 1
    for first, last, words in (
        (0, 299, "from 0 to 298, got 299"),
        (-1, 3, "got -1"),
        (4, 4, "two images of a walk must differ, got 4"),
    ):
        with pytest.raises(InputError, match=words):
            walk(model, images, first, last)


def test_a_picture_has_a_row_for_every_twelve_images(tmp_path: Path) -> None:
    heights = []
    for number in (1, 12, 13, 40):
        save_rows(
            [ImageRows("new", torch.zeros(number, 1, 32, 32, dtype=torch.uint8))], tmp_path / "rows.png", "a title"
        )
        with Image.open(tmp_path / "rows.png") as picture:
            heights.append(picture.height)
    assert heights[0] == heights[1] < heights[2] < heights[3]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_shows_every_image(tmp_path: Path, channels: int) -> None:
    """Each of a separate shade, and covering as much of the picture as the others."""
    shades = torch.arange(30, dtype=torch.uint8) * 8
    blocks = [
        ImageRows(name, shades[part, None, None, None].expand(-1, channels, 32, 32)) for name, part in PARTS.items()
    ]
    save_rows(blocks, tmp_path / "rows.png", "a title")
    with Image.open(tmp_path / "rows.png") as picture:
        values = np.asarray(picture.convert("L"))
    areas = [int((values == shade).sum()) for shade in shades.tolist()]
    assert min(areas) > 0.8 * max(areas) > 5_000


def test_images_are_laid_out_row_by_row() -> None:
    images = torch.randint(0, 255, (15, 3, 32, 32), dtype=torch.uint8)
    mosaic = tile_images(images)
    assert mosaic.shape == (2 * 36, 12 * 36, 3)
    assert torch.equal(mosaic[:32, 36:68], images[1].permute(1, 2, 0))
    assert torch.equal(mosaic[36:68, 2 * 36 : 2 * 36 + 32], images[14].permute(1, 2, 0))
    assert bool((mosaic[36:, 3 * 36 :] == 255).all())


PARTS = {"the first": slice(0, 7), "the others": slice(7, 30)}


def test_features_that_cannot_be_had_are_refused_before_anything_is_written(
    trained: dict[str, Run], tmp_path: Path
) -> None:
    run = trained["vae"]
    (run.path / "evaluation.json").unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"weights\.pth"):
        evae.evaluate(run, device="cpu", features="inception", inception_weights=tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"--features 'inceptoin' is not known\. Did you mean inception\?"):
        evae.evaluate(run, device="cpu", features="inceptoin")
    with pytest.raises(
        InputError, match="--inception-weights applies to --features inception only, got --features none"
    ):
        network_for(run.configuration, torch.device("cpu"), "data", "none", tmp_path / "weights.pth")
    assert not (run.path / "evaluation.json").exists()
