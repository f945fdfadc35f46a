"""`--features auto` is FID where that can be had, and otherwise says what it took instead, and why."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import socket
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytorch_fid import inception as peer
from torch import Tensor, nn

import evae
from evae import Run
from evae.exceptions import FeaturesWarning
from evae.experiments import cluster as distributed
from evae.experiments.judging import Judge
from evae.experiments.plan import Plan
from evae.experiments.results import Results
from evae.experiments.runner import reproduce
from evae.features import CHOICES, Choice, choose_features
from evae.features.inception import NAME, VARIABLE
from foundation.errors import InputError
from foundation.files import read_json
from tests.evae.conftest import invoke, refusal
from tests.support.schemas import faults

NOBODY = f"http://127.0.0.1:9/{NAME}"

TOOK_IMAGENET = "--features auto took imagenet: the weights of FID's network could not be downloaded ("


class Quarters(nn.Module):
    """In the place of EfficientNet-Lite0 twelve features, whose distances take no time: the means of quarters."""

    def __init__(self, _state: dict[str, Tensor]) -> None:
        super().__init__()

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


@pytest.fixture(autouse=True)
def quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evae.features.imagenet.EfficientNetLite0", Quarters)
    monkeypatch.setattr("evae.features.imagenet.ImagenetNetwork.dimension", 12)


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch hub's folder of files, empty; the caches are the test's own, and nobody answers."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(peer, "FID_WEIGHTS_URL", NOBODY)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is taken for the published weights."""
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    monkeypatch.setattr("evae.features.inception.PUBLISHED", hashlib.sha256(b"weights").hexdigest())
    return path


def test_weights_that_are_there_make_it_inception(weights: Path, hub: Path) -> None:
    weights.rename(hub / NAME)
    assert choose_features() == Choice("inception", "--features auto took inception: its weights are at hand.")


def test_weights_that_can_be_downloaded_make_it_inception(
    weights: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "FID_WEIGHTS_URL", weights.as_uri())
    assert choose_features().features == "inception"
    assert (hub / NAME).read_bytes() == b"weights"


def test_without_weights_and_network_it_is_imagenet_and_a_warning_says_so() -> None:
    with pytest.warns(FeaturesWarning) as warned:
        choice = choose_features()
    assert choice.features == "imagenet"
    assert str(choice.reason).startswith(TOOK_IMAGENET)
    (sentence,) = (str(warning.message) for warning in warned)
    assert sentence.startswith(f"{choice.reason} The distance is not FID.")
    assert sentence.endswith("with --inception-weights; for no distance, use --features none.")


def test_damaged_weights_make_it_imagenet_and_are_said(hub: Path) -> None:
    (hub / NAME).write_bytes(b"beginning")
    with pytest.warns(FeaturesWarning, match="network are cut short or damaged where torch hub keeps them"):
        assert choose_features().features == "imagenet"


def test_a_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evae.features.choice.SHORT_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(peer, "FID_WEIGHTS_URL", f"http://127.0.0.1:{server.getsockname()[1]}/{NAME}")
        started = time.perf_counter()
        with pytest.warns(
            FeaturesWarning, match=r"could not be downloaded \((no answer within 0\.2 seconds|timed out)"
        ):
            assert choose_features().features == "imagenet"
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("by", ["the argument", "the environment"])
def test_a_file_that_was_named_is_never_replaced(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "missing.pth"
    if by == "the environment":
        monkeypatch.setenv(VARIABLE, str(missing))
    choice = choose_features("auto", missing if by == "the argument" else None)
    assert choice.features == "inception"
    assert "the file of its weights was named" in str(choice.reason)


@pytest.mark.parametrize("name", [name for name in CHOICES if name != "auto"])
def test_a_name_stays_what_it_is(name: str) -> None:
    assert choose_features(name) == Choice(name)


def test_evaluate_says_what_it_took_and_records_it(trained: dict[str, Run]) -> None:
    run = trained["evae"]
    result = invoke("evaluate", run.path, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"Warning: {TOOK_IMAGENET}")
    text = " ".join(result.stdout.split())
    assert "EfficientNet-Lite0, trained on ImageNet, of the images at 112x112. It is not FID" in text
    assert TOOK_IMAGENET in text
    assert "Warning: The Fréchet distance rests on 299 images" in text
    document = read_json(run.path / "evaluation.json")
    assert (document["features"]["name"], document["features"]["resolution"]) == ("imagenet", 112)
    assert document["features"]["choice"].startswith(TOOK_IMAGENET)
    assert faults("evaluate", document) == []
    named = invoke("evaluate", run.path, "--device", "cpu", "--features", "imagenet", "--json", "-")
    assert "Warning: --features" not in named.stderr
    assert "--features auto" not in named.stderr
    assert json.loads(named.stdout)["features"] == {**document["features"], "choice": None}
    assert json.loads(named.stdout)["frechet_distance"] == document["frechet_distance"]


def test_inception_that_was_asked_for_by_name_is_still_refused_without_weights(trained: dict[str, Run]) -> None:
    sentence = refusal("evaluate", trained["vae"].path, "--device", "cpu", "--features", "inception")
    assert sentence.endswith("Or use --features imagenet, which downloads nothing, or --features none.")
    with pytest.raises(InputError, match="--inception-weights must name a file, got nowhere"):
        evae.evaluate(trained["vae"], device="cpu", inception_weights="nowhere.pth")


def grid(folder: Path, archive: Path, **options: Any) -> Plan:
    settings = {"datasets": ("digits", f"npz:{archive}"), "latent_dims": (2,), "seeds": (0,), "epochs": 1}
    settings |= {"limit_train": 20, "device": "cpu", "runs_dir": str(folder)}
    return Plan.of("1", **{**settings, **options})


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Twenty images of noise."""
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "noise.npz", train_images=images, test_images=images)
    return tmp_path / "noise.npz"


def test_reproduce_chooses_once_for_all_runs_and_finds_them_again(tmp_path: Path, archive: Path) -> None:
    with pytest.warns(FeaturesWarning) as warned:
        results = reproduce(grid(tmp_path / "runs", archive))
    assert len([one for one in warned if issubclass(one.category, FeaturesWarning)]) == 1
    assert results.features == "imagenet"
    assert len(results.records) == 4
    assert {record.evaluation["features"]["choice"] for record in results.records} == {
        str(warned[0].message).partition(" The distance is not FID.")[0]
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FeaturesWarning)
        assert reproduce(grid(tmp_path / "runs", archive)) == results
    assert reproduce(grid(tmp_path / "runs", archive, features="imagenet")) == results
    results.save(tmp_path / "results.json")
    assert Results.load(tmp_path / "results.json").document() == results.document()


def test_a_worker_of_a_cluster_records_the_choice_too(tmp_path: Path, archive: Path) -> None:
    plan = dataclasses.replace(grid(tmp_path / "runs", archive, features="imagenet"), choice="for a reason.")
    config = plan.configurations[0]
    judge = Judge.of(config, plan.features, choice=plan.choice)
    alone = SimpleNamespace(report=lambda _: None, stop_requested=lambda: False)
    assert distributed.trained_and_judged(distributed._work(plan, judge, alone), config) is None  # type: ignore[arg-type]
    found = judge.found(config)
    assert found is not None
    assert found.evaluation["features"]["choice"] == "for a reason."
