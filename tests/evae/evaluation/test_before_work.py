"""What can be known before the work is said before it: nothing is decoded, trained or written first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evae import Configuration, Run, evaluate, train
from evae.data import load_for
from evae.evaluation import code_laws, generation
from evae.experiments.plan import Plan
from evae.experiments.runner import reproduce
from evae.features import classifier
from foundation.errors import InputError
from tests.evae.conftest import refusal, small


def arrays(path: Path, train_images: int, holdout_images: int, **more: Any) -> str:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (count, 32, 32)).astype(np.uint8) for count in (train_images, holdout_images)]
    np.savez(path, train_images=images[0], test_images=images[1], **more)
    return f"npz:{path}"


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The images of a data set are out of reach."""

    def read(*_: object, **__: object) -> None:
        pytest.fail("the data set was read")

    for module in ("training.train", "evaluation.evaluate", "experiments.judging", "experiments.runner"):
        monkeypatch.setattr(f"evae.{module}.load_for", read)


@pytest.fixture
def no_classifier_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "train_classifier", lambda *_, **__: pytest.fail("a classifier was trained"))


def judged_on(tmp_path: Path, dataset: str) -> Run:
    """The folder of a run that was trained on other images under the same name, as before they were changed."""
    config = small(tmp_path, dataset=dataset, limit_train=None, name="run")
    path = Path(dataset.removeprefix("npz:"))
    content = path.read_bytes()
    arrays(path, 30, 20)
    run = train(config)
    path.write_bytes(content)
    return run


def test_one_hold_out_image_is_said_before_a_run_is_made(tmp_path: Path) -> None:
    dataset = arrays(tmp_path / "a.npz", 30, 1)
    sentence = refusal("train", "--dataset", dataset, "--epochs", 1, "--runs-dir", tmp_path / "runs")
    assert f"the number of hold-out images of {dataset} must be 2 or more, got 1" in sentence
    assert not (tmp_path / "runs").exists()
    sentence = refusal("train", "--limit-holdout", 1, "--epochs", 1, "--runs-dir", tmp_path / "runs")
    assert "must be 2 or more, got 1" in sentence
    assert "--limit-holdout" in sentence


@pytest.mark.parametrize(
    ("train_images", "holdout_images", "labels", "sentence"),
    [
        (30, 1, {}, "the number of hold-out images of .* must be 2 or more for an evaluation, got 1"),
        (9, 20, {}, "the number of training images of .* must be 10 or more for an evaluation, got 9"),
        (30, 20, {}, r"must hold the array train_labels.* --features imagenet needs no labels"),
        (
            30,
            20,
            {"train_labels": np.zeros(30, dtype=int), "test_labels": np.zeros(20, dtype=int)},
            "the number of classes of the training images must be two or more, got 1",
        ),
    ],
    ids=["one hold-out image", "fewer images than components", "no labels", "one class"],
)
@pytest.mark.usefixtures("no_classifier_is_trained")
def test_data_that_cannot_be_judged_are_refused_before_a_classifier_is_trained(
    tmp_path: Path, train_images: int, holdout_images: int, labels: dict[str, Any], sentence: str
) -> None:
    dataset = arrays(tmp_path / "a.npz", train_images, holdout_images, **labels)
    run = judged_on(tmp_path, dataset)
    before = sorted(run.path.iterdir())
    with pytest.raises(InputError, match=sentence):
        evaluate(run, device="cpu", features="classifier")
    assert sorted(run.path.iterdir()) == before
    plan = Plan.of("1", datasets=["digits", dataset], latent_dims=[2], seeds=[0], features="classifier", epochs=1)
    # The classifier of the digits, which come first, is not trained either.
    with pytest.raises(InputError, match=sentence):
        reproduce(plan)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"features": "fid"}, "--features 'fid' is not known"),
        ({"features": "none", "inception_weights": "w"}, "--inception-weights applies to --features inception only"),
        ({"features": "classifier", "inception_weights": "w"}, "got --features classifier"),
        ({"features": "inception", "inception_weights": "nowhere.pth"}, "nowhere.pth"),
        ({"device": "tpu"}, "--device 'tpu' is not known"),
    ],
)
def test_options_of_an_evaluation_are_checked_before_the_images_are_read(
    trained: dict[str, Run], options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        evaluate(trained["vae"], **options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("nothing_is_read")
def test_a_run_that_another_process_writes_is_refused_before_the_images_are_read(trained: dict[str, Run]) -> None:
    with trained["vae"].locked(), pytest.raises(InputError, match="is being written by another process"):
        evaluate(trained["vae"], features="none")


def taken(folder: Path) -> Configuration:
    (folder / "mine").mkdir()
    return small(folder, name="mine")


def a_file(folder: Path) -> Configuration:
    (folder / "runs").write_text("")
    return small(folder / "runs")


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize(("make", "sentence"), [(taken, "mine already exists"), (a_file, "no run can be created in")])
def test_a_run_that_cannot_be_created_is_refused_before_the_images_are_read(
    tmp_path: Path, make: Callable[[Path], Configuration], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        train(make(tmp_path))


@pytest.mark.usefixtures("nothing_is_read")
def test_an_output_folder_that_is_a_file_is_refused_before_a_grid_is_trained(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    sentence = refusal("reproduce", "--table", 1, "--datasets", "digits", "--output", tmp_path / "out")
    assert f"--output {tmp_path / 'out'} cannot be written: Not a directory." in sentence


def test_components_that_no_mixture_can_have_are_refused_before_images_are_encoded(
    trained: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_laws, "draw_posterior_codes", lambda *_, **__: pytest.fail("images were encoded"))
    for components in (0, 131, 10_001):
        with pytest.raises(InputError, match=f"--components must be a whole number from 1 to .*, got {components}"):
            generation.new_images(trained["vae"], sampler="mixture", components=components, device="cpu")


@pytest.mark.usefixtures("nothing_is_read")
def test_a_walk_that_ends_where_it_begins_is_refused_before_the_images_are_read(trained: dict[str, Run]) -> None:
    with pytest.raises(InputError, match="the two images of a walk must differ, got 3 twice"):
        generation.walk_between(trained["vae"], 3, 3, device="cpu")


def test_the_images_that_are_out_of_reach_here_are_those_that_are_read(tmp_path: Path) -> None:
    """The fixture above would prove nothing if they were read in another way."""
    assert len(load_for(small(tmp_path)).train) == 130
