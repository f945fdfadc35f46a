"""The commands evaluate, sample and reproduce, as a person gives them."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evae import Run
from evae.experiments.results import Results
from evae.features import classifier
from tests.evae.conftest import invoke, refusal
from tests.support.processes.faults import Faults

GRID = ["--datasets", "digits", "--latent-dims", "2", "--epochs", "1", "--limit-train", "60", "--device", "cpu"]


@pytest.fixture(autouse=True, scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Classifiers and statistics are kept in a folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def test_evaluate_prints_every_set_of_images_and_writes_what_it_found(trained: dict[str, Run], tmp_path: Path) -> None:
    run = trained["vae"]
    path, picture = tmp_path / "result.json", tmp_path / "reconstructions.pdf"
    options = ["--device", "cpu", "--features", "none", "--json", path, "--plot", picture]
    result = invoke("evaluate", run.path, *options)
    assert result.exit_code == 0, result.output
    assert picture.read_bytes().startswith(b"%PDF")
    document = json.loads(path.read_text())
    assert document == json.loads((run.path / "evaluation.json").read_text())
    for name in ("originals", "reconstructed from a posterior draw", "new, from the prior", "new, from a mixture"):
        assert name in result.stdout
    for name in ("one_posterior_draw", "posterior_mean"):
        assert f"{document['reconstruction_error'][name]:.2f}" in result.stdout
    for value in document["sharpness"].values():
        assert f"{value:.4f}" in result.stdout
    assert "distance" not in result.stdout
    assert "299 hold-out images of digits at 32x32" in " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 80


def test_evaluate_with_a_classifier_says_that_it_is_not_fid(
    trained: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "STEPS", 20)
    run = trained["evae"]
    result = invoke("evaluate", run.path, "--device", "cpu", "--features", "classifier")
    assert result.exit_code == 0, result.output
    document = json.loads((run.path / "evaluation.json").read_text())
    text = " ".join(result.stdout.split())
    assert f"(accuracy {document['features']['holdout_accuracy']:.2%} on hold-out images)" in text
    assert "It is not FID" in text
    assert "Warning: The Fréchet distance rests on 299 images" in text
    assert f"{document['frechet_distance']['mixture']:.4g}" in text
    again = invoke("evaluate", run.path, "--device", "cpu", "--features", "classifier", "--json", "-")
    assert json.loads(again.stdout) == document


def test_evaluate_without_the_inception_weights_says_what_to_fetch_before_it_evaluates(
    trained: dict[str, Run], tmp_path: Path
) -> None:
    run = trained["vae"]
    (run.path / "evaluation.json").unlink(missing_ok=True)
    missing = tmp_path / "weights.pth"
    assert str(missing) in refusal("evaluate", run.path, "--inception-weights", missing)
    assert not (run.path / "evaluation.json").exists()
    sentence = refusal("evaluate", run.path, "--features", "clasifier")
    assert sentence == "--features 'clasifier' is not known. Did you mean classifier?"


def test_sample_draws_from_the_prior_where_there_is_one_and_from_a_mixture_elsewhere(trained: dict[str, Run]) -> None:
    for model, sampler, law in (("vae", "prior", "the prior, N(0, I)"), ("evae", "mixture", "a mixture of 10 normal")):
        run = trained[model]
        result = invoke("sample", run.path, "--device", "cpu", "--images", 30)
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith(f"30 images: {law}")
        with Image.open(run.path / f"samples-{sampler}-seed0.png") as picture:
            assert picture.width > 1000


def test_sample_writes_arrays_that_the_seed_decides(trained: dict[str, Run], tmp_path: Path) -> None:
    run = trained["evae"]
    arrays = []
    for seed in (3, 3, 4):
        path = tmp_path / "new.npz"
        result = invoke("sample", run.path, "--images", 7, "--seed", seed, "--output", path, "--json", "-")
        assert result.exit_code == 0, result.output
        document = json.loads(result.stdout)
        assert (document["images"], document["sampler"], document["seed"]) == (7, "mixture", seed)
        with np.load(path, allow_pickle=False) as file:
            arrays.append(file["images"])
    assert (arrays[0].shape, arrays[0].dtype) == ((7, 32, 32), np.uint8)
    assert np.array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[0], arrays[2])


def test_sample_walks_between_two_images(trained: dict[str, Run]) -> None:
    run = trained["vae"]
    result = invoke("sample", run.path, "--walk", "0,3", "--json", "-")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["walk"], document["images"]) == ([0, 3], 12)
    assert Path(document["output"]).is_file()


@pytest.mark.parametrize(
    ("model", "arguments", "sentence"),
    [
        ("evae", ["--sampler", "prior"], "--sampler prior needs a fixed prior, got the objective kde-bound: "),
        ("vae", ["--sampler", "mixtures"], "--sampler 'mixtures' is not known. Did you mean mixture?"),
        ("vae", ["--images", "0"], "--images must be a positive whole number, got 0."),
        ("vae", ["--images", "5000"], "--images must be at most 1200 for a picture, got 5000."),
        ("vae", ["--seed", "-1"], "--seed must be a whole number from 0 to 2^63 - 1, got -1."),
        ("vae", ["--components", "3"], "--components applies to --sampler mixture only, got --sampler prior."),
        ("evae", ["--components", "0"], "--components must be a whole number from 1 to 10,000"),
        ("vae", ["--output", "new.jpg"], "--output must end in .png or .npz, got new.jpg."),
        ("vae", ["--output", "no/such/folder/new.png"], "--output no/such/folder/new.png must be a file in a folder"),
        ("vae", ["--walk", "3"], "--walk takes the numbers of two hold-out images, as in 0,3; got '3'."),
        ("vae", ["--walk", "0,999"], "the numbers of hold-out images must be from 0 to 298, got 999."),
        ("vae", ["--walk", "0,3", "--seed", "1"], "--seed does nothing with --walk, which draws no codes."),
        ("vae", ["--traverse", "3", "--images", "1"], "--images does nothing with --traverse, which draws no codes."),
        ("vae", ["--traverse", "3", "--walk", "0,3"], "--walk and --traverse exclude each other. Give one of them."),
        ("vae", ["--traverse", "299"], "the number of the hold-out image must be from 0 to 298, got 299."),
    ],
)
def test_a_wrong_sample_is_one_sentence(
    trained: dict[str, Run], model: str, arguments: list[str], sentence: str
) -> None:
    assert refusal("sample", trained[model].path, "--device", "cpu", *arguments).startswith(sentence)


def test_reproduce_trains_compares_and_writes_and_does_nothing_twice(tmp_path: Path) -> None:
    arguments = ["reproduce", "--table", "1", "--seeds", "0,1", *GRID, "--features", "none", "--runs-dir", tmp_path]
    first = invoke(*arguments, "--json", tmp_path / "result.json")
    assert first.exit_code == 0, first.output
    assert len([line for line in first.stdout.splitlines() if "reconstruction" in line and "/4 digits" in line]) == 4
    folder = tmp_path / "table-1"
    assert {path.name for path in folder.iterdir()} == {
        *("results.json", "runs.csv", "table.md", "table.tex", "curves.png"),
    }
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["runs"] == json.loads((folder / "results.json").read_text())["runs"]
    assert "EVAE has the" in document["comparison"]["verdict"]
    assert document["notes"][0].startswith(
        "Not the paper's settings: 1 of the paper's 50 epochs, the first 60 training images"
    )
    second = invoke(*arguments, "--json", "-", "--plot", tmp_path / "curves.svg")
    assert second.exit_code == 0
    assert "hold-out error (nats)" in (tmp_path / "curves.svg").read_text(encoding="utf-8")
    assert second.stderr.count("there already") == 4
    assert json.loads(second.stdout) == document
    assert len(Results.load(folder / "results.json").records) == 4


def test_reproduce_lists_what_failed_and_ends_with_1(tmp_path: Path) -> None:
    arguments = ["reproduce", "--table", "1", "--seeds", "0", *GRID, "--features", "none", "--runs-dir", tmp_path]
    foreign = tmp_path / "digits-first60-vae-d2-seed0-1epochs"
    foreign.mkdir(parents=True)
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert f"Failed: {foreign.name}: {foreign} is not a run folder" in result.stderr
    assert "Written:" in result.stdout
    assert (tmp_path / "digits-first60-evae-d2-seed0-1epochs" / "evaluation.json").exists()


def test_reproduce_where_every_run_fails_says_so(tmp_path: Path) -> None:
    for model in ("vae", "evae"):
        (tmp_path / f"digits-first60-{model}-d2-seed0-1epochs").mkdir()
    options = ["--seeds", "0", *GRID, "--features", "none", "--runs-dir", tmp_path]
    result = invoke("reproduce", "--table", "1", *options, "--json", "-", "--plot", tmp_path / "curves.png")
    assert result.exit_code == 1
    assert "Nothing is drawn" in result.stderr
    assert not (tmp_path / "curves.png").exists()
    assert [failure["name"] for failure in json.loads(result.stdout)["failures"]] == [
        f"digits-first60-{model}-d2-seed0-1epochs" for model in ("vae", "evae")
    ]


@pytest.mark.slow
def test_a_table_is_made_in_parts_that_are_known_and_merged(tmp_path: Path) -> None:
    here, there, both = tmp_path / "here", tmp_path / "there", tmp_path / "both"
    grid = ["reproduce", "--table", "1", *GRID, "--features", "none"]
    assert invoke(*grid, "--seeds", "0", "--models", "vae,evae,ae", "--runs-dir", here).exit_code == 0
    first = here / "table-1" / "results.json"
    second = invoke(*grid, "--seeds", "0,1", "--runs-dir", there, "--known", first)
    assert second.exit_code == 0, second.output
    assert f"known: 2 of the 3 runs in {first} are of this table" in second.stdout
    assert len([line for line in second.stdout.splitlines() if " known: reconstruction" in line]) == 2
    assert {path.parent.name for path in there.glob("*/config.json")} == {
        f"digits-first60-{model}-d2-seed1-1epochs" for model in ("vae", "evae")
    }
    merging = ["reproduce", "--merge", there / "table-1" / "results.json", "--merge", first]
    result = invoke(*merging, "--output", both, "--json", "-")
    assert result.exit_code == 0, result.output
    assert "Merged: 5 runs from 2 files; 2 of them were in more than one, with the same figures." in result.stderr
    document = json.loads(result.stdout)
    assert (document["finished"], document["planned"], document["unfinished"]) == (5, 5, [])
    assert [(run["configuration"]["seed"], run["configuration"]["model"]) for run in document["runs"]] == [
        *((0, "vae"), (0, "evae"), (0, "ae"), (1, "vae"), (1, "evae")),
    ]
    assert document["runs"] == json.loads((both / "results.json").read_text())["runs"]
    assert {path.name for path in both.iterdir()} == {path.name for path in (here / "table-1").iterdir()}
    altered = json.loads(first.read_text())
    altered["runs"][1]["curve"][0] += 1
    first.write_text(json.dumps(altered))
    sentence = refusal(*merging, "--output", tmp_path / "nowhere")
    assert f"{first} have other figures for digits-first60-evae-d2-seed0-1epochs." in sentence
    assert not (tmp_path / "nowhere").exists()
    grid[grid.index("--epochs") + 1] = "2"
    sentence = refusal(*grid, "--seeds", "0", "--runs-dir", there, "--known", first)
    assert "it was made with --epochs 1, and --epochs 2 is wanted" in sentence


def test_reproduce_without_any_time_says_what_is_left(tmp_path: Path) -> None:
    arguments = ["--seeds", "0", *GRID, "--features", "none", "--runs-dir", tmp_path, "--hours", "1e-9", "--json", "-"]
    result = invoke("reproduce", "--table", "1", *arguments)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["finished"], document["planned"], document["runs"]) == (0, 2, [])
    assert document["unfinished"] == [f"digits-first60-{model}-d2-seed0-1epochs" for model in ("vae", "evae")]
    assert result.stderr.splitlines()[-1] == (
        "Stopped after 1e-09 h, as asked, with 0 of 2 runs finished. Repeat the command to resume."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--table", "1", "--models", "vae,evea"], "--models 'evea' is not known. Did you mean evae?"),
        (["--table", "1", "--hours", "0"], "--hours must be a positive number, got 0."),
        (["--table", "1", "--hours", "nan"], "--hours must be a positive number, got nan."),
        (["--table", "1", "--known", "nowhere.json"], "nowhere.json is missing."),
        (
            ["--table", "1", "--known", "a/results.json", "--output", "a"],
            "--known a/results.json is the file that --out",
        ),
        (["--merge", "nowhere.json", "--output", "a"], "nowhere.json is missing."),
        (["--merge", "nowhere.json"], "--merge needs --output DIR, where the joined results are written. Give one."),
        (["--merge", "a.json", "--epochs", "3"], "--epochs does nothing with --merge, which joins results and trains"),
        (["--merge", "a.json", "--table", "1"], "--table does nothing with --merge, which joins results and trains"),
        (["--merge", "a.json", "--deterministic"], "--deterministic does nothing with --merge, which joins results"),
        (["--table", "3"], "--table '3' is not known. Choose from 1, 2, ablation."),
        ([], "reproduce needs --table 1|2|ablation."),
        (["--table", "1", "--seeds", "a"], "--seeds takes whole numbers and ranges, such as 0,1,2 or 0-7; got 'a'."),
        (["--table", "1", "--seeds", "1,1"], "--seeds must name at least one, and none twice; got 1,1."),
        (["--table", "1", "--latent-dims", "8,x"], "--latent-dims takes whole numbers and ranges, such as 0,1,2 or"),
        (["--table", "1", "--datasets", "mnist,mnits"], "--dataset 'mnits' is not known. Did you mean mnist?"),
        (["--table", "2", "--epochs", "0"], "--epochs must be a whole number from 1 to 1,000,000,000, got 0."),
        (["--table", "1", "--datasets", "digits", "--features", "fid"], "--features 'fid' is not known."),
    ],
)
def test_a_wrong_reproduce_is_one_sentence(arguments: list[str], sentence: str) -> None:
    assert refusal("reproduce", *arguments).startswith(sentence)


def test_a_stopped_reproduce_says_how_to_resume(faults: Faults, tmp_path: Path) -> None:
    grid = [*GRID, "--features", "none", "--runs-dir", tmp_path, "--seeds", "0-99"]
    second = "renamed digits-firstN-evae-dN-seedN-Nepochs/evaluation.json"
    stopped = faults.run("reproduce", "--table", "1", *grid, watched=tmp_path, at_kinds={second: signal.SIGINT})
    assert stopped.code == 130
    warning, line = stopped.errors.splitlines()
    assert warning.startswith("Warning: training has 1 step, ")
    assert line == "Error: interrupted by SIGINT; 1 of the 200 runs are finished. Repeat the command to resume."
