"""Figures of runs: what they show is what the runs say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import cli
from evae import Run
from evae.evaluation.figures import latent_figure, reconstructions_figure, run_figure, training_figure
from foundation.errors import InputError
from foundation.figures import save_figure
from tests.support.figures import assert_fit_to_print, curve, legend_of
from tests.support.processes.runner import runner


def longer(run: Run, folder: Path, **latent: object) -> Run:
    """A copy of a run with three epochs in its log, each with a smaller loss, and with other summaries of its codes."""
    shutil.copytree(run.path, folder / "longer")
    (record,) = run.metrics
    lines = []
    for epoch in (1, 2, 3):
        line = json.loads(json.dumps(record))
        line["epoch"] = epoch
        line["holdout"]["reconstruction"] = 100.0 / epoch
        line["latent"] |= latent
        lines.append(json.dumps(line))
    (folder / "longer" / "metrics.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return Run.open(folder / "longer")


def test_every_figure_is_labelled_legible_in_grey_and_whole(trained: dict[str, Run], tmp_path: Path) -> None:
    run = longer(trained["evae"], tmp_path)
    for figure in (training_figure(run), training_figure(*trained.values()), latent_figure(run), run_figure(run)):
        assert_fit_to_print(figure)


def test_several_runs_are_named_once_below_all_panels(trained: dict[str, Run]) -> None:
    figure = training_figure(*trained.values())
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == [f"{what}, {run.name}" for run in trained.values() for what in ("hold-out", "training")]
    assert all(axes.get_legend() is None for axes in figure.axes)


def test_more_runs_than_one_figure_shows_are_refused_before_they_are_trained(tmp_path: Path) -> None:
    options = ["--seeds", "0-7", "--plot", str(tmp_path / "curves.png"), "--runs-dir", str(tmp_path / "runs")]
    result = runner().invoke(cli.main, ["train", *options])
    assert result.exit_code == 2
    assert result.stderr == "Error: --plot draws at most 4 runs, and these are 8. Leave it out.\n"
    assert not (tmp_path / "runs").exists()


def test_the_curves_are_those_of_the_log(trained: dict[str, Run], tmp_path: Path) -> None:
    run = longer(trained["evae"], tmp_path)
    reconstruction, penalty = training_figure(run).axes
    epochs, errors = curve(reconstruction, "hold-out")
    assert epochs.tolist() == [1, 2, 3]
    assert errors == pytest.approx([100, 50, 100 / 3])
    assert penalty.get_title(loc="left") == "kernel penalty"
    spread, noise, rate = latent_figure(run).axes
    (record,) = trained["evae"].metrics
    for name in ("r", "B"):
        assert curve(spread, f"${name}$")[1] == pytest.approx([record["latent"][f"mean_{name}"]] * 3)
    assert curve(noise, "median")[1][0] == pytest.approx(record["latent"]["noise_to_signal"]["median"])
    assert curve(rate, "")[1][-1] == pytest.approx(record["latent"]["rate"])


def test_an_infinite_ratio_goes_up_to_the_edge_and_an_infinite_median_is_a_gap(
    trained: dict[str, Run], tmp_path: Path
) -> None:
    run = longer(trained["evae"], tmp_path, noise_to_signal={"min": 0.1, "median": None, "max": None}, rate=None)
    _, noise = latent_figure(run).axes
    assert np.isnan(curve(noise, "median")[1]).all()
    band = np.asarray(noise.collections[0].get_paths()[0].vertices)
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((0.1, noise.get_ylim()[1]))
    assert "some without signal" in legend_of(noise)[0]
    save_figure(run_figure(run), tmp_path / "run.svg")


def test_a_model_without_noise_has_errors_and_no_noise(trained: dict[str, Run], tmp_path: Path) -> None:
    none = {"noise_to_signal": {"min": 0.0, "median": 0.0, "max": 0.0}, "rate": None}
    run = longer(trained["vae"], tmp_path)
    log = run.path / "metrics.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps({**line, "latent": none}) + "\n" for line in lines))
    assert len(run_figure(run).axes) == 2
    with pytest.raises(InputError, match="must have noise for this figure"):
        latent_figure(run)


def test_a_run_without_an_epoch_is_refused(trained: dict[str, Run], tmp_path: Path) -> None:
    run = longer(trained["evae"], tmp_path)
    (run.path / "metrics.jsonl").unlink()
    for draw in (training_figure, latent_figure, run_figure):
        with pytest.raises(InputError, match="must have a finished epoch, got none"):
            draw(run)
    with pytest.raises(InputError, match="must be from 1 to 4, got 5"):
        training_figure(*[run] * 5)
    with pytest.raises(InputError, match="must be a run folder, got no folder"):
        run_figure(tmp_path / "nothing")


def test_reconstructions_of_one_run_are_those_of_its_picture_and_of_two_stand_below_one_another(
    trained: dict[str, Run],
) -> None:
    (page,) = reconstructions_figure(trained["evae"]).axes
    title, *labels = (text.get_text() for text in page.texts)
    assert title == trained["evae"].name
    assert labels == [
        "originals (hold-out)",
        "reconstructed from the posterior mean",
        "reconstructed from one posterior draw",
    ]
    (both,) = reconstructions_figure(*trained.values(), device="cpu").axes
    vae, evae = trained.values()
    assert [text.get_text() for text in both.texts][1:] == [
        "originals (hold-out)",
        f"{vae.name}, one posterior draw",
        f"{evae.name}, one posterior draw",
    ]
    first, second = (np.asarray(axes.images[2].get_array()) for axes in (page, both))
    assert np.array_equal(first, second)
    with pytest.raises(InputError, match="number of runs in a figure of reconstructions must be positive"):
        reconstructions_figure()
