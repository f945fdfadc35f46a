"""Tables, words and files are computed from the runs' records: change a record and they change."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image
from rich.console import Console

from evae.experiments.plan import CURVES, Plan, curve_of, factors_of
from evae.experiments.reports.ablation import rate_curves
from evae.experiments.reports.departures import departures
from evae.experiments.reports.figures import figures
from evae.experiments.reports.files import report, runs_csv, write_results
from evae.experiments.results import Failure, Results, RunRecord
from evae.experiments.statistics.equal_rate import compare_at_equal_rate
from evae.experiments.statistics.measurements import ERROR, measured
from foundation.errors import InputError
from tests.support.figures import assert_fit_to_print
from tests.support.schemas import faults

ENVIRONMENT = {"device_name": "a processor", "threads": 2, "packages": {"torch": "2.15.0"}}

CLASSIFIER = {"title": "Fréchet distance of classifier features", "holdout_accuracy": 0.98765, "warning": None}

Errors = Callable[[RunRecord], float]


def record(config: Any, error: float, sharpness: float = 0.03) -> RunRecord:
    """A run that was measured as is said, with a distance of a tenth of its error."""
    evaluation = {
        "reconstruction_error": {"one_posterior_draw": error, "posterior_mean": error - 1},
        "sharpness": {"originals": 0.06, "one_posterior_draw": sharpness, "posterior_mean": sharpness},
        "frechet_distance": {
            "one_posterior_draw": abs(error) / 10,
            "posterior_mean": abs(error) / 10,
            "mixture": abs(error) / 5,
        },
        "features": CLASSIFIER,
        "note": None,
        "latent": {"active_dimensions": 7, "noise_to_signal": {"median": 0.5}, "rate": 20_000 / error},
    }
    return RunRecord(config.name, config, 60.0, (error + 9, error), evaluation, ENVIRONMENT)


def results(table: str, errors: Errors, **options: Any) -> Results:
    plan = Plan.of(table, **options)
    blank = [record(config, 1.0) for config in plan.configurations]
    records = tuple(record(one.configuration, errors(one)) for one in blank)
    return Results(table, "classifier", records)


def by_model(record: RunRecord) -> float:
    """EVAE is 20 nats better; every seed adds a little, and every dimension takes some away."""
    base = 120.0 if record.label == "evae" else 140.0
    return base + 0.1 * record.configuration.seed - record.configuration.latent_dim / 10


def by_objective(record: RunRecord) -> float:
    """The objective gains 20 nats, the kernel none; the noise is the seed's and the kernel's, and tiny."""
    cell = factors_of(record.recipe)
    jitter = 0.01 * record.configuration.seed * (1 + len(record.label) % 3)
    return (120.0 if cell and cell[1] == "kde-bound" else 140.0) + jitter


def by_kernel(record: RunRecord) -> float:
    cell = factors_of(record.recipe)
    jitter = 0.01 * record.configuration.seed * (1 + len(record.label) % 3)
    return (120.0 if cell and cell[0] == "epanechnikov" else 140.0) + jitter


def test_the_papers_figure_stands_next_to_the_mean_and_deviation_of_ours() -> None:
    published, ours = report(results("1", by_model, seeds=(0, 1, 2))).tables
    rows = {row[:3]: row for row in published.rows}
    assert len(rows) == len(published.rows) == 16
    assert rows["mnist", "64", "VAE"][3:] == ("12.53", "13.37 ± 0.01", "0.0245", "0.0300 ± 0.0000")
    unpublished = {row[:3]: row[3:] for row in ours.rows}
    assert unpublished["mnist", "64", "VAE"] == ("133.70 ± 0.10", "26.74 ± 0.02", "7.0 ± 0.0", "0.5")
    assert rows["fashion-mnist", "8", "EVAE"][3:6] == ("34.77", "11.93 ± 0.01", "0.0186")


def test_one_seed_has_no_deviation_and_a_foreign_data_set_no_figure_of_the_papers() -> None:
    table, _ = report(results("1", by_model, seeds=(0,), datasets=("digits",), latent_dims=(8,))).tables
    assert table.rows[0][:6] == ("digits", "8", "VAE", "-", "13.92", "-")


MODELS = ("ae", "evae", "vae-beta0.0625", "vae")


def test_every_model_has_a_line_and_only_the_papers_have_its_figures() -> None:
    found = results("1", by_model, models=MODELS, seeds=(0,))
    published, ours = report(found).tables
    for table in (published, ours):
        assert [row[2] for row in table.rows[:4]] == ["VAE", "EVAE", "ae", "vae-beta0.0625"]
        assert len(table.rows) == 4 * 8
    rows = {row[:3]: row[3:] for row in published.rows}
    assert rows["mnist", "64", "VAE"] == ("12.53", "13.36", "0.0245", "0.0300")
    assert rows["mnist", "64", "ae"] == ("-", "13.36", "-", "0.0300")


def test_other_models_change_nothing_of_the_comparison_of_evae_with_vae() -> None:
    wide, narrow = (report(results("1", by_model, models=models, seeds=(0, 1))) for models in (MODELS, None))
    assert wide.paragraphs == narrow.paragraphs
    of_wide, of_narrow = (one.document["comparison"]["metrics"] for one in (wide, narrow))
    assert of_wide == of_narrow


def test_a_weighted_model_has_a_separate_curve() -> None:
    found = results("1", lambda one: 90.0 if "beta" in one.label else by_model(one), models=MODELS, seeds=(0,))
    for axes in figures(found)["curves"].axes:
        last = {line.get_label(): np.asarray(line.get_ydata(), dtype=float)[-1] for line in axes.get_lines()}
        assert set(last) == {"VAE", "EVAE", "ae", "vae-beta0.0625"}
        assert last["vae-beta0.0625"] == 90.0 != last["VAE"]


@pytest.mark.parametrize("table", ["1", "ablation"])
def test_whatever_part_of_a_table_is_finished_is_reported(table: str, tmp_path: Path) -> None:
    """In the order in which runs are finished, and in any other: a run here and there."""
    whole = results(table, by_objective, seeds=(0, 1))
    count = len(whole.records)
    choices = [range(1), [count - 1], range(0, count, 7)]
    for chosen in choices:
        unfinished = tuple(one.name for number, one in enumerate(whole.records) if number not in chosen)
        part = dataclasses.replace(whole, records=tuple(whole.records[n] for n in chosen), unfinished=unfinished)
        what = report(part)
        assert f"The table is not complete: it rests on {len(chosen)} of {count} planned runs." in what.notes
        assert write_results(part, what, tmp_path)
        assert Results.load(tmp_path / "results.json").unfinished == unfinished


def test_wins_follow_the_records() -> None:
    found = report(results("1", by_model, seeds=(0, 1)))
    assert any(text.startswith("EVAE has the lower reconstruction error in 8 of 8") for text in found.paragraphs)
    reversed_models = report(results("1", lambda one: -by_model(one) + 300, seeds=(0, 1)))
    texts = reversed_models.paragraphs
    assert any(text.startswith("EVAE has the lower reconstruction error in 0 of 8") for text in texts)


def test_the_gain_goes_to_the_objective_where_the_objective_makes_it_and_to_the_kernel_where_the_kernel_does() -> None:
    objective, kernel = (
        report(results("ablation", errors, seeds=(0, 1, 2))).document["ablations"][0]["attribution"][ERROR.metric]
        for errors in (by_objective, by_kernel)
    )
    for found, first, second in ((objective, "objective", "kernel"), (kernel, "kernel", "objective")):
        split = found["decomposition"]
        assert split["gain"]["mean"] == pytest.approx(20, abs=0.1)
        assert split[first]["mean"] == pytest.approx(20, abs=0.1)
        assert split[second]["mean"] == pytest.approx(0, abs=0.1)


def test_the_ablation_lays_out_models_factors_and_curves() -> None:
    _, models, codes, factors, curves = report(results("ablation", by_objective, seeds=(0,))).tables
    names = [row[0] for row in models.rows]
    assert {"vae", "evae", "evae-repaired", "ae", "beta-vae", "evae-uniform-kernel-B1"} <= set(names)
    assert not any("beta0.0625" in name for name in names)
    assert [row[0] for row in codes.rows] == names
    assert factors.columns == ("kernel", "elbo", "kde-bound", "kde-bound, constant B")
    assert [row[:3] for row in factors.rows] == [
        (kernel, "140.00", "120.00") for kernel in ("gaussian", "epanechnikov", "uniform")
    ]
    assert [row[:2] for row in curves.rows] == [
        (model, str(Fraction(beta))) for model, betas in CURVES.items() for beta in sorted((1.0, *betas))
    ]


def on_a_line(evae_rate: float) -> Results:
    """VAE's error is 200 less its rate, which its weight decides; EVAE is 9 nats below, 10 with seed 1."""
    whole = results("ablation", by_objective, seeds=(0, 1))
    for one in whole.records:
        place = curve_of(one.recipe)
        rate = 100 / (1 + (place[1] if place else 1))
        if place == ("evae", 1.0):
            rate = evae_rate
        below = (9 + one.configuration.seed) if one.label == "evae" else 0
        one.evaluation["latent"]["rate"] = rate
        one.evaluation["reconstruction_error"]["one_posterior_draw"] = 200 - rate - below
    return whole


def test_the_gain_at_equal_rate_is_that_of_the_runs() -> None:
    found = compare_at_equal_rate(rate_curves(on_a_line(evae_rate=60).records)).gain
    assert found is not None
    assert found.values == pytest.approx((9, 10))
    assert "EVAE's error is 9.50 nats lower (2 seeds)" in report(on_a_line(evae_rate=60)).paragraphs[-1]


def test_rates_that_do_not_meet_are_not_compared() -> None:
    found = report(on_a_line(evae_rate=300))
    assert found.document["ablations"][0]["gain_at_equal_rate"] is None
    assert "not to EVAE's rate on every seed: at equal rate they are not compared." in found.paragraphs[-1]


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("table", ["1", "ablation"])
def test_the_document_is_as_its_schema_says(table: str, seeds: tuple[int, ...]) -> None:
    document = report(results(table, by_objective, seeds=seeds)).document
    head = {"version": 1, "table": table, "features": "classifier", "runs": [], "failures": []}
    assert faults("reproduce", {**head, **document}) == []


def test_an_ablation_without_a_cell_says_so_and_shows_the_rest() -> None:
    whole = results("ablation", by_objective, seeds=(0, 1))
    kept = tuple(one for one in whole.records if factors_of(one.recipe) != ("epanechnikov", "elbo"))
    found = report(dataclasses.replace(whole, records=kept))
    assert "cannot be split" in found.paragraphs[0]
    assert found.document["ablations"][0]["attribution"] == {}
    assert found.tables[3].rows[1][1] == "-"


def test_what_is_scaled_down_is_said() -> None:
    options = {"epochs": 3, "limit_train": 1000, "lr": 1e-3, "batch_size": 50, "seeds": (4,), "datasets": ("digits",)}
    found = results("1", by_model, **options)
    failed = dataclasses.replace(found, failures=(Failure("a-run", "the disk is full."),))
    assert departures(failed) == (
        "Not the paper's settings: 3 of the paper's 50 epochs, the first 1,000 training images, learning rate 0.001 "
        "in place of 0.0001, batches of 50 in place of 100.",
        "1 seed (4); mean ± standard deviation over seeds.",
        "The Fréchet distance is one of the features of a small classifier, trained on the data set's own labels "
        "(accuracy on hold-out images: digits 98.77%): not FID, and not comparable with the paper's.",
        "Failed and left out: a-run (the disk is full.)",
        "Trained on a processor, 2 threads, torch 2.15.0.",
        "8 runs, 8 minutes of training.",
    )


def test_other_updates_of_the_weights_are_said() -> None:
    options = {"schedule": "cosine", "optimizer": "sgd", "weight_decay": 0.01, "clip_gradient": 5.0}
    assert (
        "Not the paper's settings: learning rate by the schedule cosine, the optimizer sgd in place of adam, weight "
        "decay 0.01, gradients clipped at the norm 5."
    ) in departures(results("1", by_model, **options))


def test_the_papers_own_settings_are_not_a_departure() -> None:
    assert not any("Not the paper's settings" in note for note in departures(results("1", by_model)))


def test_nothing_finished_is_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="no run was finished"):
        report(Results("1", "none", (), (Failure("a-run", "why"),)))


def test_without_features_there_is_no_distance() -> None:
    found = results("1", by_model, seeds=(0, 1))
    for one in found.records:
        one.evaluation.update(frechet_distance=None, features=None)
    without = report(dataclasses.replace(found, features="none"))
    assert without.tables[0].rows[0][4] == "-"
    assert not any("Fréchet" in text for text in without.paragraphs)
    assert "Without a Fréchet distance (--features none)." in without.notes


def test_the_features_of_imagenet_are_named_with_their_resolution_and_no_figure_of_ours_is_called_fid() -> None:
    found = results("1", by_model, seeds=(0, 1), datasets=("digits",))
    choice = "--features auto took imagenet: the network was down."
    for one in found.records:
        one.evaluation["features"] = {"resolution": 112, "warning": None, "choice": choice}
    named = report(dataclasses.replace(found, features="imagenet"))
    assert (
        "The Fréchet distance is one of the features of EfficientNet-Lite0, trained on ImageNet (digits at 112 x 112): "
        "not FID, and not comparable with the paper's."
    ) in named.notes
    assert named.notes.count(choice) == 1
    headings = [heading for table in named.tables for heading in table.columns]
    assert [heading for heading in headings if "FID" in heading] == ["FID, paper"]
    assert "distance, ours" in headings


def test_the_runs_as_a_table_of_numbers_keep_their_precision() -> None:
    found = results("ablation", lambda one: 100 / 3 + len(one.label), seeds=(0,))
    rows = list(csv.DictReader(io.StringIO(runs_csv(found))))
    assert len(rows) == len(found.records)
    for row, one in zip(rows, found.records, strict=True):
        assert float(row["reconstruction_error"]) == measured(one)["reconstruction_error"]
        assert (row["model"], row["objective"], row["beta"]) == (
            one.label,
            one.recipe.objective,
            "" if one.recipe.beta is None else str(one.recipe.beta),
        )


@pytest.mark.parametrize(
    ("table", "pixels", "shift"),
    [
        ("1", "bernoulli", 0.0),
        ("1", "gaussian", -900.0),
        ("ablation", "bernoulli", 0.0),
        ("ablation", "gaussian", -900.0),
    ],
)
def test_everything_is_written_and_strict(table: str, pixels: str, shift: float, tmp_path: Path) -> None:
    found = results(table, lambda one: shift + by_objective(one), seeds=(0, 1), pixels=pixels)
    what = report(found)
    paths = write_results(found, what, tmp_path / "new" / "folder")
    assert [path.name for path in paths][:4] == ["results.json", "runs.csv", "table.md", "table.tex"]
    assert all(path.stat().st_size > 500 for path in paths)
    json.dumps(what.document, allow_nan=False)
    back = Results.load(paths[0])
    assert report(back) == what
    with Image.open(paths[-1]) as picture:
        assert picture.width > 500
    latex = paths[3].read_text()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == len(what.tables)
    assert r"$\pm$" in latex or "±" in latex


def test_the_curves_show_every_model_and_seed() -> None:
    figure = figures(results("1", by_model, seeds=(0, 1)))["curves"]
    assert len(figure.axes) == 8
    for axes in figure.axes:
        lines = {line.get_label(): np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()}
        assert set(lines) == {"VAE", "EVAE"}
        assert lines["VAE"][-1] > lines["EVAE"][-1]


def means_in(axes: Axes) -> list[float]:
    """The means over seeds that are drawn; single seeds are dots."""
    lines = [line for line in axes.get_lines() if np.size(line.get_ydata()) == 1 and line.get_marker() != "."]
    return [float(np.asarray(line.get_ydata())[0]) for line in lines]


def test_the_ablation_is_drawn_with_the_intervals_of_its_words() -> None:
    found = results("ablation", by_objective, seeds=(0, 1, 2))
    drawn = figures(found)
    assert list(drawn) == ["ablation", "rate"]
    cells, parts = drawn["ablation"].axes
    assert len(means_in(cells)) == 9
    assert_fit_to_print(drawn["ablation"])
    (ablation,) = report(found).document["ablations"]
    split = ablation["attribution"]["reconstruction_error"]["decomposition"]
    shown = [text.get_text().replace("\N{MINUS SIGN}", "-") for text in parts.texts if "to" in text.get_text()]
    assert len(shown) == 4
    for text, part in zip(shown, ("gain", "objective", "kernel", "interaction"), strict=True):
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", text)]
        assert numbers == pytest.approx([split[part]["mean"], *split[part]["interval"]], abs=0.006)


def test_an_ablation_that_lacks_runs_shows_what_there_is_and_says_what_it_lacks() -> None:
    whole = results("ablation", by_objective, seeds=(0,))
    found = dataclasses.replace(whole, records=tuple(one for one in whole.records if one.label != "evae"))
    cells, parts = figures(found)["ablation"].axes
    assert len(means_in(cells)) == 8
    assert any("Train what is missing" in text.get_text() for text in parts.texts)


def test_the_curves_fit_to_print() -> None:
    assert_fit_to_print(figures(results("1", by_model, seeds=(0, 1)))["curves"])


def test_reconstruction_against_rate_shows_every_weight() -> None:
    found = results("ablation", by_objective, seeds=(0, 1))
    axes, close_up, distances = figures(found)["rate"].axes
    assert close_up.get_ylim()[1] < axes.get_ylim()[1]
    for panel in (axes, distances):
        points = [np.size(line.get_xdata()) for line in panel.get_lines() if line.get_linestyle() == "None"]
        assert sum(points) == len([one for one in found.records if curve_of(one.recipe) is not None])
        assert [text.get_text() for text in panel.texts].count("1/16") == 3


#: The level lines of the rate figure.
LEVELS = {"plain autoencoder", "training images"}


def test_reconstruction_against_rate_shows_the_plain_autoencoder_and_the_floor() -> None:
    found = with_references(results("ablation", by_objective, seeds=(0, 1)), floor=0.123)
    figure = figures(found)["rate"]
    axes, close_up, distances = figure.axes
    plain = float(np.mean([by_objective(one) for one in found.records if one.label == "ae"]))

    def levels(panel: Any) -> dict[str, float]:
        return {
            str(line.get_label()): float(line.get_ydata()[0])
            for line in panel.get_lines()
            if line.get_label() in LEVELS
        }

    assert levels(axes) == levels(close_up) == {"plain autoencoder": pytest.approx(plain)}
    assert levels(distances) == {
        "plain autoencoder": pytest.approx(plain / 10),
        "training images": pytest.approx(0.123),
    }
    low, high = close_up.get_ylim()
    assert low < plain < max(high, plain + 1)
    assert_fit_to_print(figure)


def test_without_distances_the_rate_has_two_panels() -> None:
    found = results("ablation", by_objective, seeds=(0,))
    for one in found.records:
        one.evaluation.update(frechet_distance=None, features=None)
    assert len(figures(dataclasses.replace(found, features="none"))["rate"].axes) == 2


def test_the_report_fits_a_terminal_of_80_columns() -> None:
    for table in ("1", "ablation"):
        stream = io.StringIO()
        Console(file=stream, width=80).print(report(results(table, by_objective, seeds=(0, 1))).for_terminal())
        lines = stream.getvalue().splitlines()
        assert max(map(len, lines)) <= 80
        assert [line for line in lines if "…" in line] == []


def with_references(found: Results, floor: float = 0.123, spread: float = 0.0) -> Results:
    """The same results with what training images reach, and errors before training that differ by seed."""
    for one in found.records:
        one.evaluation["sharpness"]["training_images"] = 0.0611
        one.evaluation["frechet_distance"]["training_images"] = floor
        one.evaluation["reconstruction_error"]["untrained"] = 700 + spread * one.configuration.seed
    return found


def test_training_images_have_a_separate_row_for_each_data_set() -> None:
    found = with_references(results("1", by_model, seeds=(0,)))
    published, ours = report(found).tables
    floors = [row for row in published.rows if row[2] == "training images"]
    assert floors == [(name, "-", "training images", "-", "0.12", "-", "0.0611") for name in ("mnist", "fashion-mnist")]
    assert [row[3:] for row in ours.rows if row[2] == "training images"] == [("-", "0.12", "-", "-")] * 2
    assert any("their distance is the floor for new images" in note for note in report(found).notes)


def test_the_ablation_compares_with_training_images() -> None:
    found = with_references(results("ablation", by_objective, seeds=(0,)))
    _, models, *_ = report(found).tables
    assert models.rows[-1] == ("training images", "-", "0.12", "0.0611", "0.12")


def test_without_features_training_images_have_a_sharpness_only() -> None:
    found = with_references(results("1", by_model, seeds=(0,)))
    for one in found.records:
        one.evaluation.update(frechet_distance=None, features=None)
    rows = report(dataclasses.replace(found, features="none")).tables[0].rows
    assert rows[-1] == ("fashion-mnist", "-", "training images", "-", "-", "-", "0.0611")


def test_it_is_said_how_much_of_the_initial_spread_is_left() -> None:
    def notes(spread: float) -> list[str]:
        found = with_references(
            results("1", by_model, seeds=(0, 1, 2), latent_dims=(64,), datasets=("digits",)), spread=spread
        )
        return [note for note in report(found).notes if "before training" in note]

    assert notes(50.0) == [
        "digits, d_z = 64: over 3 seeds the error's standard deviation is 50.0 nats before training and 0.1000 after "
        "(0.2 % of it)."
    ]
    assert notes(0.1)[0].startswith("Warning: the initial weights still decide.")
