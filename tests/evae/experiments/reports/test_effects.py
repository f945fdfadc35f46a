"""The table of effects and the headline of the ablation have the numbers of the runs, and the signs that they show."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from scipy import stats

from evae.experiments.plan import factors_of
from evae.experiments.reports.files import report
from evae.experiments.reports.headline import UNKNOWN, headline
from evae.experiments.results import RunRecord
from evae.experiments.statistics.decomposition import decompose_gain
from evae.experiments.statistics.estimates import estimate
from tests.evae.experiments.reports.test_reports import results
from tests.evae.experiments.tables import corners, scenario

SEEDS = (0, 1, 2, 3)


def noisy(record: RunRecord) -> float:
    """About 140 nats, 120 under EVAE's objective, 117 for the autoencoder; every run has noise of its own."""
    seed, label = record.configuration.seed, record.label
    noise = float(np.random.default_rng([seed, *label.encode()]).normal())
    cell = factors_of(record.recipe)
    return (117.0 if label == "ae" else 120.0 if cell and cell[1] == "kde-bound" else 140.0) + noise + seed


def test_every_row_is_the_paired_difference_of_two_models_with_its_test() -> None:
    found = results("ablation", noisy, seeds=SEEDS)
    errors = {(r.label, r.configuration.seed): noisy(r) for r in found.records}
    rows = {row[:2]: row[2:] for row in report(found).tables[0].rows}
    for effect, baseline in {"EVAE instead of VAE": "vae", "EVAE instead of a plain autoencoder": "ae"}.items():
        gains = [errors[baseline, seed] - errors["evae", seed] for seed in SEEDS]
        test = stats.ttest_1samp(gains, 0)
        mean, interval, p = rows["reconstruction error (nats)", effect]
        low, high = map(float, interval.split(" to "))
        assert float(mean) == pytest.approx(np.mean(gains), abs=0.006)
        assert (low, high) == pytest.approx(test.confidence_interval(), abs=0.006)
        assert float(p) == pytest.approx(test.pvalue, rel=0.05)
        # The distance of the samples is a fifth of the error, and is compared as well.
        new_images = float(rows["Fréchet distance of new images", effect][0])
        assert new_images == pytest.approx(np.mean(gains) / 5, abs=0.006)


def test_the_parts_add_up_to_the_gain_as_they_are_printed() -> None:
    rows = report(results("ablation", noisy, seeds=SEEDS)).tables[0].rows
    for metric in {row[0] for row in rows}:
        gains = {row[1]: float(row[2]) for row in rows if row[0] == metric}
        if "of this, the kernel" in gains:
            parts = gains["of this, the kernel"] + gains["of this, the objective"]
            assert parts == pytest.approx(gains["EVAE instead of VAE"], abs=1e-9)


def test_with_one_seed_the_effects_have_neither_interval_nor_p() -> None:
    rows = report(results("ablation", noisy, seeds=(0,))).tables[0].rows
    assert len(rows) > 8
    assert {row[3:] for row in rows} == {("-", "-")}


def test_the_headline_names_what_improves_the_error_and_nothing_else() -> None:
    for kernel, objective in itertools.product((-9.0, 0.0, 9.0), repeat=2):
        split = decompose_gain(scenario(corners(140, 140 - kernel, 140 - objective, 140 - kernel - objective)))
        verdict = headline(split, None, None).verdict
        better = split.gain.sign > 0
        assert verdict.startswith("It reconstructs better") == better, (kernel, objective)
        if better:
            reason = verdict.split(", ", 1)[1]
            for part, size in {"kernel": kernel, "objective": objective}.items():
                named = re.search(rf"because of its (?:objective and of its )?{part}\b", reason) is not None
                assert named == (size > 0), (verdict, kernel, objective)
                assert (f"in spite of its {part}" in reason) == (size < 0), (verdict, kernel, objective)


def test_the_headline_does_not_decide_on_too_little() -> None:
    assert headline(None, None, None).verdict == UNKNOWN
    few = decompose_gain(scenario(corners(140, 140, 120, 120), seeds=2))
    assert headline(few, None, None).verdict == "Not decided: two seeds are too few"
    noise = decompose_gain(scenario(corners(140, 140, 140, 140), noise=5.0))
    assert headline(noise, None, None).verdict == "It reconstructs no better than VAE, as far as is known"
    worse = decompose_gain(scenario(corners(140, 140, 160, 160)))
    assert headline(worse, None, None).verdict == "It reconstructs worse than VAE"


def test_the_evidence_says_which_gains_cannot_be_told_from_zero() -> None:
    split = decompose_gain(scenario(corners(140, 140, 120, 120)))
    words = headline(split, estimate([-3.0, -3.1, -2.9]), estimate([-1.0, 1.0, 0.5])).evidence
    equal_rate, autoencoder = words.split(". ")[1:]
    assert equal_rate.endswith("which cannot be told from zero")
    assert "is -3.00 nats (-3.25 to -2.75)" in autoencoder
    assert "cannot" not in autoencoder
