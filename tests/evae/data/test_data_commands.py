"""`datasets list|get|check`, and `train` on user-supplied data."""

from __future__ import annotations

import gzip
import hashlib
import json
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import MNIST, utils

from evae import Configuration, Run
from foundation.errors import InputError
from tests.evae.conftest import invoke, write_idx


def states(data_dir: Path) -> dict[str, str]:
    result = invoke("datasets", "list", "--data-dir", data_dir, "--json", "-")
    assert result.exit_code == 0, result.output
    return {found["name"]: found["state"] for found in json.loads(result.stdout)["datasets"]}


def test_list_tells_what_is_missing_a_subset_damaged_and_embedded(mnist: Path) -> None:
    others = {"digits": "embedded", "fashion-mnist": "missing", "cifar10": "missing", "celeba": "missing"}
    assert states(mnist) == {**others, "mnist": "subset"}
    (mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(b"404")
    assert states(mnist)["mnist"] == "damaged"
    assert "damaged" in invoke("datasets", "list", "--data-dir", mnist).stdout


def test_check_is_0_for_whole_files_and_1_for_damaged_ones_which_it_names(mnist: Path) -> None:
    result = invoke("datasets", "check", "mnist", "--data-dir", mnist)
    assert result.exit_code == 0, result.output
    assert "a subset of MNIST: 30 of 60,000 training and 20 of 10,000 hold-out images" in result.stdout
    path = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    result = invoke("datasets", "check", "mnist", "--data-dir", mnist, "--json", "-")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["passed"] is False
    assert f"{path} is cut short" in document["checks"][0]["detail"]


def test_check_compares_published_sums(mnist: Path) -> None:
    path = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    result = invoke("datasets", "check", "mnist", "--data-dir", mnist)
    assert result.exit_code == 1
    assert "WRONG  train-images-idx3-ubyte.gz" in result.stdout
    assert "not the published" in result.stdout


def test_an_unknown_data_set_is_bad_input() -> None:
    result = invoke("datasets", "check", "mnits")
    assert result.exit_code == 2
    assert result.stderr == "Error: --dataset 'mnits' is not known. Did you mean mnist?\n"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "celeba"])
def test_without_a_network_get_says_what_to_fetch_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(utils, "_get_redirect_url", unreachable)
    monkeypatch.setattr(utils, "download_file_from_google_drive", unreachable)
    result = invoke("datasets", "get", name, "--data-dir", tmp_path)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert f"Error: {name} could not be downloaded (no route to host). Fetch " in line
    assert f"{tmp_path}" in line.split("Fetch ")[1]


def test_get_leaves_what_train_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = {}
    for packed, _ in MNIST.resources:
        write_idx(tmp_path / "served", np.full((3, 28, 28), 200))
        served[packed] = gzip.compress((tmp_path / "served").read_bytes())
    sums = [(packed, hashlib.md5(content).hexdigest()) for packed, content in served.items()]
    monkeypatch.setattr(MNIST, "resources", sums)
    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, **_: url)
    monkeypatch.setattr(utils, "_urlretrieve", lambda url, path: Path(path).write_bytes(served[url.split("/")[-1]]))
    result = invoke("datasets", "get", "mnist", "--data-dir", tmp_path, "--json", "-")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["train"] == 3
    assert invoke("datasets", "check", "mnist", "--data-dir", tmp_path).exit_code == 0


def test_a_download_with_another_sum_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, **_: url)
    monkeypatch.setattr(utils, "_urlretrieve", lambda _url, path: Path(path).write_bytes(b"half of it"))
    result = invoke("datasets", "get", "mnist", "--data-dir", tmp_path)
    assert result.exit_code == 2
    assert "File not found or corrupted" in result.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_train_and_evaluate_take_an_npz_file(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 70, 70)).astype(np.uint8)
    np.savez(tmp_path / "my faces.npz", train_images=images, test_images=images[:20])
    arguments = ["--latent-dim", 2, "--epochs", 1, "--batch-size", 20, "--device", "cpu", "--runs-dir", tmp_path]
    path = f"npz:{tmp_path / 'my faces.npz'}"
    result = invoke("train", "--dataset", path, "--image-size", 32, *arguments)
    assert result.exit_code == 0, result.output
    run = Run.open(tmp_path / "npz-my-faces-32px-vae-d2-seed0")
    assert run.image_shape == (1, 32, 32)
    result = invoke("evaluate", run.path, "--device", "cpu", "--features", "none", "--json", "-")
    assert json.loads(result.stdout)["images"] == 20
    np.savez(tmp_path / "my faces.npz", train_images=np.stack(3 * [images], -1), test_images=np.stack(3 * [images], -1))
    result = invoke("evaluate", run.path, "--device", "cpu")
    assert result.exit_code == 2
    assert (
        "must have the shape 1x32x32 (channels, height, width) on which npz-my-faces-32px-vae-d2-seed0 was trained, "
        "got 3x32x32"
    ) in (result.stderr)


def test_train_says_that_a_subset_is_one(mnist: Path, tmp_path: Path) -> None:
    arguments = ["--latent-dim", 2, "--epochs", 1, "--device", "cpu", "--data-dir", mnist, "--runs-dir", tmp_path]
    result = invoke("train", "--dataset", "mnist", *arguments)
    assert result.exit_code == 0, result.output
    note = "a subset of MNIST: 30 of 60,000 training and 20 of 10,000 hold-out images"
    assert f"The data are {note}." in result.stdout
    assert json.loads((tmp_path / "mnist-vae-d2-seed0" / "config.json").read_text())["data"]["note"] == note


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dataset": "npz:"}, "--dataset npz: lacks its path: it is npz:FILE."),
        ({"dataset": "folder"}, "--dataset folder lacks its path: it is folder:DIR."),
        ({"dataset": "zip:a"}, "--dataset 'zip:a' is not known."),
        (
            {"dataset": "npz:a", "image_size": 48},
            "--image-size must be 32 or 64, got 48. Appendix B has networks for these two sizes; --network mlp",
        ),
        ({"image_size": 32}, "--image-size does nothing with digits, which is seen at 32x32"),
        ({"dataset": "celeba", "image_size": 64}, "--image-size does nothing with celeba, which is seen at 64x64"),
    ],
)
def test_a_configuration_that_names_no_data_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match="^" + sentence.replace(".", r"\.")):
        Configuration(**options)  # type: ignore[arg-type]
