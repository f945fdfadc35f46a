"""A run folder is read back, or the damaged file is named."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from evae import VAE, Run
from evae.training.train import resume
from foundation.errors import InputError
from tests.evae.conftest import refusal
from tests.support.examples import examples


@pytest.fixture
def run(trained: dict[str, Run], tmp_path: Path) -> Run:
    """A copy of a finished run, to be damaged."""
    shutil.copytree(trained["evae"].path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_configuration_and_weights_come_back_as_they_were(run: Run, trained: dict[str, Run]) -> None:
    assert run.configuration == trained["evae"].configuration
    assert run.image_shape == (1, 32, 32)
    assert VAE.load(run.path).load_state_dict(run.read_weights())


def test_a_folder_that_is_missing_or_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a run folder, got no folder"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"is not a run folder: it holds no config\.json"):
        Run.open(tmp_path)


def test_a_run_without_weights_says_so_with_its_status(run: Run) -> None:
    run.weights_path.unlink()
    with pytest.raises(InputError, match=r"holds no weights \(model\.safetensors\); its status is finished"):
        VAE.load(run)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"configuration": {}, "data": {}}'])
def test_a_damaged_configuration_is_named(run: Run, content: bytes) -> None:
    (run.path / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.json is (damaged|not a configuration of this program)"):
        VAE.load(run.path)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("latent_dim", -1, "--latent-dim must be"),
        ("colour", "red", "has an unknown colour"),
        ("model", "gan", "--model 'gan' is not known"),
    ],
)
def test_a_configuration_that_this_program_cannot_have_written_is_refused(
    run: Run, field: str, value: object, reason: str
) -> None:
    document = json.loads((run.path / "config.json").read_text())
    document["configuration"][field] = value
    (run.path / "config.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=rf"config\.json is not a configuration of this program: .*{reason}"):
        VAE.load(run.path)


def test_a_configuration_written_before_an_option_existed_is_read(run: Run, trained: dict[str, Run]) -> None:
    """The very file of the first version: what was added since takes its default."""
    first = {
        "dataset": "digits",
        "model": "evae",
        "latent_dim": 4,
        "epochs": 1,
        "batch_size": 100,
        "lr": 0.001,
        "seed": 0,
        "device": "cpu",
        "data_dir": "data",
        "runs_dir": trained["evae"].configuration.runs_dir,
        "name": None,
        "limit_train": 130,
    }
    document = json.loads((run.path / "config.json").read_text())
    document["configuration"] = first
    (run.path / "config.json").write_text(json.dumps(document))
    assert run.configuration == trained["evae"].configuration
    assert VAE.load(run).family.heads == ("mu", "r", "B")


def test_a_configuration_without_what_every_version_wrote_is_refused(run: Run) -> None:
    document = json.loads((run.path / "config.json").read_text())
    del document["configuration"]["latent_dim"]
    (run.path / "config.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="lacks latent_dim"):
        VAE.load(run)


def test_an_image_shape_that_is_not_one_is_refused(run: Run) -> None:
    document = json.loads((run.path / "config.json").read_text())
    document["data"]["image_shape"] = [1, 32]
    (run.path / "config.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="image_shape must be three positive integers"):
        VAE.load(run.path)


@given(kept=st.floats(0, 1, exclude_max=True))
@settings(deadline=None, derandomize=True, max_examples=examples(25))
def test_weights_cut_short_anywhere_are_refused(
    kept: float, trained: dict[str, Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    for name in ("config.json", "status.json"):
        shutil.copy(trained["evae"].path / name, folder)
    whole = trained["evae"].weights_path.read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError, match=r"model\.safetensors is cut short or damaged"):
        VAE.load(folder)


@given(place=st.floats(0, 1), bit=st.integers(0, 7))
@settings(max_examples=examples(60))
def test_a_flipped_bit_anywhere_in_the_weights_is_noticed(
    place: float, bit: int, trained: dict[str, Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    for name in ("config.json", "status.json"):
        shutil.copy(trained["evae"].path / name, folder)
    content = bytearray(trained["evae"].weights_path.read_bytes())
    # Every other flip is in the header, which is a small part of the file.
    header = 8 + int.from_bytes(content[:8], "little")
    where = int(2 * place * header) if place < 0.5 else header + int((2 * place - 1) * (len(content) - header - 1))
    content[min(where, len(content) - 1)] ^= 1 << bit
    run = Run(folder)
    run.weights_path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"model\.safetensors (was altered after it was written|is cut short or damaged)"
    ):
        VAE.load(run)
    with pytest.raises(InputError):
        _ = run.weights_epoch


@pytest.mark.parametrize("command", ["evaluate", "sample"])
def test_flipped_weights_are_not_evaluated_and_a_resumed_run_makes_them_again(run: Run, command: str) -> None:
    whole = run.weights_path.read_bytes()
    (run.path / "evaluation.json").unlink(missing_ok=True)
    run.weights_path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 4]) + whole[-99:])
    sentence = refusal(command, run.path, "--device", "cpu")
    assert sentence.startswith(f"{run.weights_path} was altered after it was written: its SHA-256 does not match its ")
    assert sentence.endswith(f"`python cli.py train --resume {run.path}` restores it from the last checkpoint.")
    assert not (run.path / "evaluation.json").exists()
    resume(run)
    assert run.weights_path.read_bytes() == whole


def test_weights_of_a_version_that_wrote_no_digest_are_read(run: Run) -> None:
    # What is read is mapped from the file, which is overwritten here.
    weights = {name: tensor.clone() for name, tensor in run.read_weights().items()}
    for metadata in ({"epoch": "1"}, None):
        run.weights_path.write_bytes(save(weights, metadata=metadata))
        assert all(torch.equal(weights[name], tensor) for name, tensor in run.read_weights().items())
        assert run.weights_epoch == (1 if metadata else 0)


def test_weights_of_another_model_are_refused(run: Run, trained: dict[str, Run]) -> None:
    shutil.copy(trained["vae"].weights_path, run.weights_path)
    with pytest.raises(InputError, match=r"must hold the weights of the model in config\.json, got others"):
        VAE.load(run)


@pytest.mark.parametrize("torn", ["", '{"epoch": 2, "tra', '{"epoch": 2}'])
def test_a_torn_last_line_of_the_metrics_is_dropped(run: Run, torn: str) -> None:
    whole = run.metrics
    with (run.path / "metrics.jsonl").open("a") as stream:
        stream.write(torn)
    assert run.metrics == whole


def test_a_damaged_line_before_the_last_is_not_a_torn_line(run: Run) -> None:
    (run.path / "metrics.jsonl").write_text('{"epoch": 1\n{"epoch": 2}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl is damaged"):
        _ = run.metrics


def test_metrics_are_strict_json(run: Run) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.append_record(dataclasses.replace(run.records[0], seconds=float("nan")))
    assert len(run.metrics) == 1


def test_nothing_is_unpickled(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr("pickle.load", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    VAE.load(run)
