"""Fuzzed: whatever stands in a run's folder, a checkpoint or a table of results is read, or refused in one sentence."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evae import VAE, Run
from evae.configuration.configuration import Configuration
from evae.experiments.plan import whole_numbers
from evae.experiments.reports.figures import figures
from evae.experiments.reports.files import report, runs_csv
from evae.experiments.results import EVALUATION, Results
from evae.runs.checkpoints import Checkpoint, Checkpoints, Position, read
from evae.runs.continuation import departures
from evae.runs.environment import environment
from evae.runs.run import STATES
from evae.training.train import resume
from tests.evae.conftest import invoke, refusal
from tests.support.examples import each_slow
from tests.support.hostile.mutations import (
    answered,
    as_json,
    contents,
    examples,
    mutated,
    mutated_document,
    mutated_json,
)
from tests.support.places import RESULTS


@pytest.fixture(scope="module")
def run(trained: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of a finished run; each example puts one file into it."""
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(trained["evae"].path, folder)
    return Run.open(folder)


@pytest.fixture
def broken(trained: dict[str, Run], tmp_path: Path) -> Run:
    """Another copy, for one test."""
    shutil.copytree(trained["evae"].path, tmp_path / "broken")
    return Run.open(tmp_path / "broken")


def altered(data: st.DataObject, path: Path, original: bytes) -> bytes:
    """Put an altered file in the place of the original."""
    structured = mutated_json(original) if path.suffix == ".json" else mutated(original)
    content: bytes = data.draw(st.one_of(structured, mutated(original)))
    path.write_bytes(content)
    return content


ORIGINALS: dict[Path, bytes] = {}


def original(path: Path) -> bytes:
    """What a file was when it was first asked for."""
    return ORIGINALS.setdefault(path, path.read_bytes())


@given(st.data())
@examples(60)
def test_fuzzed_configurations_are_read_or_refused(run: Run, data: st.DataObject) -> None:
    path = run.path / "config.json"
    altered(data, path, original(path))
    try:
        model = answered(lambda: VAE.load(run.path))
        assert model is None or model.latent_dim == 4
        found = Run(run.path)
        answered(lambda: found.image_shape, "config.json")
        answered(lambda: found.data_sha256, "config.json")
        config = answered(lambda: found.configuration, "config.json")
        if config is not None:
            assert Configuration.from_dict(json.loads(json.dumps(dataclasses.asdict(config))), path) == config
    finally:
        path.write_bytes(original(path))


@given(st.data())
@examples(60)
def test_fuzzed_states_are_read_or_refused(run: Run, data: st.DataObject) -> None:
    path = run.path / "status.json"
    altered(data, path, original(path))
    try:
        status = answered(lambda: run.status, "status.json")
        if status is not None:
            assert status["state"] in STATES
            assert type(status["epochs_finished"]) is int
            assert isinstance(status.get("reason", ""), str | None)
    finally:
        path.write_bytes(original(path))


@given(st.data())
@examples(80)
def test_fuzzed_metrics_are_read_or_refused(run: Run, data: st.DataObject) -> None:
    path = run.path / "metrics.jsonl"
    whole = original(path)
    line = mutated_json(whole).map(lambda text: text + b"\n")
    path.write_bytes(data.draw(st.one_of(mutated(whole), line, line.map(lambda text: whole + text))))
    try:
        records = answered(lambda: run.metrics, "metrics.jsonl")
        if records is not None:
            json.dumps(records, allow_nan=False)
            assert all(type(record.epoch) is int for record in run.records)
            assert all(record.seconds + record.reconstruction < 1e300 for record in run.records)
            assert all(value < 1e300 for record in run.records for _, value in record.scalars())
            answered(lambda: run.keep_records(data.draw(st.sampled_from([0, 1, 2, 10**18]))), "metrics.jsonl")
    finally:
        path.write_bytes(whole)


@given(st.data())
@examples(60)
def test_fuzzed_environments_are_read_or_refused(run: Run, data: st.DataObject) -> None:
    path = run.path / "environment.json"
    altered(data, path, original(path))
    try:
        before = answered(lambda: run.environment, "environment.json")
        if before is not None:
            position = Position(1, 0, 2, 0.0, "cpu")
            list(departures(Checkpoint(position, {}, {}), before, environment(torch.device("cpu"))))
            run.write_environment(environment(torch.device("cpu")))
            run.write_environment(environment(torch.device("cpu")))
    finally:
        path.write_bytes(original(path))


@given(st.data())
@examples(80)
def test_fuzzed_weights_are_read_or_refused(run: Run, data: st.DataObject) -> None:
    path = run.weights_path
    whole = original(path)
    header = 8 + int.from_bytes(whole[:8], "little")
    parts = mutated_json(whole[8:header]).map(lambda text: len(text).to_bytes(8, "little") + text + whole[header:])
    path.write_bytes(data.draw(st.one_of(parts, mutated(whole, beginning=header))))
    try:
        model = answered(lambda: VAE.load(run), "model.safetensors")
        assert model is None or all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())
        epoch = answered(lambda: run.weights_epoch, "model.safetensors")
        assert epoch is None or epoch >= 0
    finally:
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def within(trained: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A run whose newest checkpoint is one within an epoch."""
    folder = tmp_path_factory.mktemp("fuzz") / "within"
    shutil.copytree(trained["evae"].path, folder)
    run = Run.open(folder)
    checkpoint, _ = run.checkpoints.newest()
    assert checkpoint is not None
    sums = torch.ones(1, 2, dtype=torch.float64)
    epoch = {"noise": torch.Generator().get_state(), "sums": sums, "images": torch.tensor(100)}
    # The run has two batches in an epoch; the checkpoint says that one of the second epoch is done.
    position = Position(1, 1, 3, 0.5, "cpu")
    run.checkpoints.write(dataclasses.replace(checkpoint, position=position, epoch=epoch))
    return run, run.checkpoints.folder / position.name


def resealed(manifest: Any) -> bytes:
    """A manifest whose checksum is right, whatever it says."""
    if not isinstance(manifest, dict):
        return as_json(manifest)
    manifest.pop("sha256", None)
    sha256 = hashlib.sha256(json.dumps(json.loads(as_json(manifest)), sort_keys=True).encode()).hexdigest()
    return as_json({**manifest, "sha256": sha256})


@pytest.mark.slow
@given(st.data())
@examples(100)
def test_fuzzed_checkpoints_are_what_they_were_or_refused(within: tuple[Run, Path], data: st.DataObject) -> None:
    _, folder = within
    path = folder / data.draw(st.sampled_from(["manifest.json", "weights.safetensors", "epoch.safetensors"]))
    whole = read(folder)
    altered(data, path, original(path))
    try:
        found = answered(lambda: read(folder), path.name)
        if found is not None:
            assert found.position == whole.position
            assert all(torch.equal(found.weights[name], tensor) for name, tensor in whole.weights.items())
    finally:
        path.write_bytes(original(path))


@given(st.data())
@examples(60)
def test_fuzzed_manifests_with_a_right_checksum_are_read_or_refused(
    within: tuple[Run, Path], data: st.DataObject
) -> None:
    _, folder = within
    path = folder / "manifest.json"
    manifest = data.draw(mutated_document(json.loads(original(path))))
    try:
        path.write_bytes(resealed(manifest))
    except (ValueError, RecursionError):
        return
    try:
        found = answered(lambda: read(folder), str(folder))
        if found is not None:
            assert found.position.epochs_finished >= 0
            assert f"{found.position}"
    finally:
        path.write_bytes(original(path))


@given(st.data())
@examples(60)
def test_fuzzed_tensors_with_a_right_checksum_are_read_or_refused(
    within: tuple[Run, Path], data: st.DataObject
) -> None:
    """As somebody would who knows how the checksums are made."""
    _, folder = within
    path = folder / "epoch.safetensors"
    whole, manifest = original(path), json.loads(original(folder / "manifest.json"))
    header = 8 + int.from_bytes(whole[:8], "little")
    content: bytes = data.draw(mutated(whole, beginning=header))
    path.write_bytes(content)
    manifest["files"]["epoch"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_bytes(resealed(manifest))
    try:
        found = answered(lambda: read(folder), "epoch.safetensors")
        assert found is None or found.epoch["sums"].shape[0] == found.position.batches
    finally:
        path.write_bytes(whole)
        (folder / "manifest.json").write_bytes(original(folder / "manifest.json"))


@pytest.mark.parametrize("name", ["sums", "noise", "images"])
@pytest.mark.parametrize(
    "value", [None, torch.tensor(0.5), torch.zeros(0, dtype=torch.uint8), torch.zeros(2, 2).double()]
)
def test_a_checkpoint_without_what_the_rest_of_its_epoch_needs_is_refused(
    within: tuple[Run, Path], name: str, value: torch.Tensor | None, tmp_path: Path
) -> None:
    whole = read(within[1])
    epoch = {key: tensor for key, tensor in whole.epoch.items() if key != name}
    altered_epoch = epoch if value is None else {**epoch, name: value}
    Checkpoints(tmp_path).write(dataclasses.replace(whole, epoch=altered_epoch))
    if name != "noise" or value is None or value.dtype != torch.uint8:
        assert answered(lambda: read(tmp_path / whole.position.name), "epoch.safetensors lacks the sums") is None


@pytest.mark.parametrize("alter", [torch.Tensor.half, lambda tensor: tensor * torch.nan, lambda tensor: tensor / 0])
def test_weights_that_are_not_finite_numbers_are_refused(
    broken: Run, alter: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """They load without a word otherwise."""
    weights = broken.read_weights()
    name = next(iter(weights))
    broken.write_weights({**weights, name: alter(weights[name].float())}, epoch=1)
    assert answered(lambda: VAE.load(broken), f"{name} must hold finite") is None


@pytest.mark.parametrize(
    "epoch",
    [
        {"noise": torch.zeros(3, dtype=torch.uint8)},
        {"noise": torch.zeros(5056, dtype=torch.uint8)},
        {"sums": torch.ones(1, 9, dtype=torch.float64)},
        {"sums": torch.ones(1, 1, dtype=torch.float64)},
    ],
    ids=["short noise", "no noise", "many terms", "few terms"],
)
def test_a_checkpoint_of_another_run_is_refused_by_training(
    within: tuple[Run, Path], epoch: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    run, _ = within
    shutil.copytree(run.path, tmp_path / "run")
    copied = Run.open(tmp_path / "run")
    checkpoint, _ = copied.checkpoints.newest()
    assert checkpoint is not None
    copied.checkpoints.write(dataclasses.replace(checkpoint, epoch={**checkpoint.epoch, **epoch}))
    answered(lambda: pytest.fail("resumed") if resume(copied, epochs=2) else None, "epoch 2, batch 1")


@given(st.data())
@examples(60)
def test_fuzzed_results_are_read_and_reported_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    older = json.loads((RESULTS / "table-1.json").read_bytes())
    whole = Results.load(RESULTS / "table-1.json")
    newer = dataclasses.replace(whole, records=whole.records[:4], unfinished=("a-run",)).document()
    small = data.draw(st.sampled_from([{**older, "runs": older["runs"][:4]}, newer]))
    path = tmp_path_factory.getbasetemp() / "results.json"
    path.write_bytes(data.draw(st.one_of(mutated_json(as_json(small)), mutated(as_json(small)))))
    results = answered(lambda: Results.load(path), "results.json")
    if results is not None and results.records:
        answered(lambda: report(results).markdown())
        runs_csv(results)


@given(st.data())
@examples(40)
def test_fuzzed_evaluations_are_of_the_form_or_not(data: st.DataObject) -> None:
    document = json.loads((RESULTS / "digits-evae" / "evaluation.json").read_bytes())
    assert EVALUATION(document)
    altered_document = json.loads(json.dumps(document))
    assert EVALUATION(altered_document)
    assert EVALUATION(data.draw(mutated_document(document))) in (True, False)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff", b"[" * 10_000, b'{"configuration": 1, "data": "\\ud800\\n"}']
)
def test_the_command_refuses_a_broken_run_in_one_line_and_changes_nothing(
    broken: Run, name: str, content: bytes
) -> None:
    (broken.path / name).write_bytes(content)
    before = contents(broken.path)
    for arguments in (["evaluate", broken.path, "--features", "none"], ["sample", broken.path]):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
        assert name in line
    assert contents(broken.path) == before


@pytest.mark.parametrize("name", ["status.json", "metrics.jsonl", "environment.json"])
@pytest.mark.parametrize("content", [b"[1]\n", b"3\n", b'{"threads": "x"}\n', b"\xff\n", b"[" * 10_000 + b"\n"])
def test_resuming_refuses_a_broken_run_in_one_line_and_changes_nothing(broken: Run, name: str, content: bytes) -> None:
    (broken.path / name).write_bytes(content)
    before = contents(broken.path)
    result = invoke("train", "--resume", broken.path, "--epochs", 2, "--quiet")
    if name != "status.json":
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
        assert name in line
        assert contents(broken.path) == before
    else:
        # Nothing depends on what it said: it is written again.
        assert result.exit_code == 0
        assert broken.status["state"] == "finished"


NUMBERS = st.one_of(
    st.sampled_from(["0,1,2", "0-7", "0-10001", "7-0", "9" * 5000, "0-" + "9" * 400, ",".join(["0-9999"] * 50), "-1"]),
    st.text("0123456789,- .eE+\u00b2\u0663\n\x00", max_size=30),
    st.text(max_size=20),
)


@given(NUMBERS, st.sampled_from(["--seeds", "--latent-dims"]))
@examples(200)
def test_fuzzed_lists_of_numbers_are_read_or_refused(text: str, option: str) -> None:
    numbers = answered(lambda: whole_numbers(text, option), option)
    assert numbers is None or all(type(number) is int and 0 <= number < 10**18 for number in numbers)


HOSTILE_OPTIONS = [
    "",
    "\n",
    "\x1b[31m",
    "\ud800",
    "9" * 5000,
    "1e400",
    "nan",
    "-1",
    "0x1",
    "\u00b2",
    "__import__('os')",
    "a\nb,c",
]


@pytest.mark.parametrize("value", HOSTILE_OPTIONS, ids=ascii)
def test_hostile_options_are_refused_in_one_line_and_nothing_is_made(
    trained: dict[str, Run], value: str, tmp_path: Path
) -> None:
    places = ("--runs-dir", tmp_path / "runs", "--data-dir", tmp_path)
    refusal("sample", trained["vae"].path, "--walk", value)
    for option in ("--seeds", "--latent-dims", "--datasets", "--epochs"):
        refusal("reproduce", "--table", "ablation", "--features", "none", option, value, *places)
    for option in ("--model", "--lr", "--latent-dim", "--dataset", "--batch-size", "--prior-length", "--device"):
        refusal("train", option, value, *places)
    assert not list(tmp_path.iterdir())


def numbers(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the places of all numbers in a document, of a list those in its first item."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from numbers(value, (*path, name))
    elif isinstance(document, list) and document:
        yield from numbers(document[0], (*path, 0))
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield path


@pytest.mark.parametrize("value", [-1, 0, *each_slow([1e149])])
def test_whatever_number_a_run_has_its_table_is_drawn_or_refused(value: float, tmp_path: Path) -> None:
    """Numbers are drawn on logarithmic axes, divided by, and compared with the least of others."""
    document = json.loads((RESULTS / "ablation.json").read_bytes())
    document["runs"] = [run for run in document["runs"] if run["configuration"]["seed"] == 0][:6]
    document |= {"finished": 6, "planned": 6}
    path = tmp_path / "results.json"
    path.write_bytes(as_json(document))
    Results.load(path)
    places = [place for place in numbers(document["runs"][0]) if place[0] != "configuration"]
    assert len(places) > 10
    refused = set()
    for place in places:
        altered_document = copy.deepcopy(document)
        for run in altered_document["runs"]:
            inner: Any = run
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = value
        path.write_bytes(as_json(altered_document))
        results = answered(lambda: Results.load(path), "results.json")
        if results is None:
            refused.add(place[-1])
            continue
        assert answered(lambda: report(results).markdown()) is not None  # noqa: B023 (called at once)
        assert figures(results)
    assert value != -1 or refused >= {"one_posterior_draw", "median", "seconds"}
    assert "rate" not in refused
