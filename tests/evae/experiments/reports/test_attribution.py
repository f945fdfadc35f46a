"""The ablation's paragraph says what the numbers say; test_consistency.py reads back what it says of random tables."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given

from evae.experiments.reports.attribution import Amounts, attribute
from evae.experiments.statistics.decomposition import decompose_gain
from evae.experiments.statistics.trials import Treatment, Trial
from tests.evae.experiments.tables import LAST, Values, balanced, corners, scenario, trials_of, unbalanced


def words(trials: Sequence[Trial], *, lower_is_better: bool = True) -> str:
    return attribute("reconstruction error", "nats", trials, lower_is_better=lower_is_better).paragraph


def test_the_whole_paragraph_has_a_sentence_on_each_subject() -> None:
    cells = {
        **corners(136, 134, 116, 113),
        ("gaussian", "kde-bound, constant B"): 130.0,
        ("epanechnikov", "kde-bound, constant B"): 129.0,
    }
    assert words(scenario(cells, noise=0.2)) == (
        "EVAE has a lower reconstruction error than VAE, by 23.0 nats (95 % interval 22.5 to 23.5, 4 seeds). "
        "Averaged over the two orders of exchanging them, the kernel accounts for 2.5 nats of this gain (2.2 to"
        " 2.8), or 11 % (10 % to 12 %), and the objective for 20.5 nats (20.1 to 20.9), or 89 %. By these "
        "intervals, the kernel improves the reconstruction error, and the objective improves the reconstruction"
        " error. The effect of one depends on the other (interaction 1.0 nats, 0.6 to 1.4). Of the sum of "
        "squares over 2 kernels, 3 objectives and 4 seeds, the kernel has 1.3 %, the objective 96.7 %, their "
        "interaction 0.2 %, the seed 1.8 % and the variation of these effects over the seeds under 0.1 %."
    )


def test_the_words_give_all_to_the_objective_where_it_did_all() -> None:
    text = words(scenario(corners(136, 136, 114, 114)))
    assert "EVAE has a lower reconstruction error than VAE, by 2" in text
    assert "the kernel's part cannot be told from zero, and the objective improves the reconstruction error" in text
    assert "Their interaction cannot be told from zero" in text


def test_the_words_give_all_to_the_kernel_where_it_did_all() -> None:
    text = words(scenario(corners(136, 114, 136, 114)))
    assert "the kernel improves the reconstruction error, and the objective's part cannot be told from zero" in text


def test_the_words_call_the_split_a_convention_where_the_interaction_dominates() -> None:
    text = words(scenario(corners(136, 136, 136, 114)))
    assert "The effect of one depends on the other" in text
    assert "by more than either part, so that the split is a convention" in text


def test_an_interaction_that_is_printed_as_large_as_a_part_is_not_called_larger() -> None:
    """It is 10.008 nats, and the kernel's part 10.004."""
    text = words(scenario(corners(100, 95, 99, 83.992), noise=1e-4))
    assert "the kernel accounts for 10.0 nats" in text
    assert "The effect of one depends on the other (interaction 10.0 nats, 10.0 to 10.0)." in text


def test_opposite_effects_are_both_named() -> None:
    text = words(scenario(corners(136, 140, 114, 118)))
    assert "the kernel worsens the reconstruction error, and the objective improves the reconstruction error" in text
    assert "the kernel accounts for -" in text


def test_nothing_is_claimed_where_nothing_can_be_told_from_zero() -> None:
    text = words(scenario(corners(100, 100, 100, 100), noise=5))
    assert "4 seeds), which cannot be told from zero." in text
    assert "the kernel's part cannot be told from zero, and the objective's part cannot be told from zero" in text
    assert ", or " not in text


def test_a_negative_gain_is_called_a_loss() -> None:
    text = words(scenario(corners(114, 114, 136, 136)))
    assert "EVAE has a higher reconstruction error than VAE, by 2" in text
    assert "nats of this loss" in text
    assert "the objective worsens the reconstruction error" in text
    assert "and the objective for 2" in text


def test_for_a_metric_that_should_be_high_the_words_turn() -> None:
    text = words(scenario(corners(114, 114, 136, 136)), lower_is_better=False)
    assert "EVAE has a higher reconstruction error than VAE, by 2" in text
    assert "nats of this gain" in text
    assert "the objective improves" in text


@pytest.mark.parametrize(("seeds", "few"), [(1, "One seed is"), (2, "Two seeds are")])
def test_too_few_seeds_claim_nothing(seeds: int, few: str) -> None:
    text = words(scenario(corners(136, 136, 114, 114), seeds=seeds))
    assert f"{few} too few to tell any of this from chance." in text
    assert not any(claim in text for claim in ("interval", "improves", "zero", ", or "))


def test_seeds_that_change_nothing_claim_nothing() -> None:
    text = words(scenario(corners(136, 135, 114, 112), noise=0))
    assert "the kernel's part is the same on every seed and cannot be tested" in text
    assert "interval " not in text


def test_equal_models_are_called_equal() -> None:
    text = words(scenario(corners(1, 1, 1, 1), noise=0, seeds=1))
    assert text.startswith("EVAE and VAE have the same reconstruction error on average over 1 seed.")
    assert text.endswith("Over 2 kernels, 2 objectives and 1 seed nothing varies.")


def test_a_seed_without_all_models_is_named() -> None:
    trials = [t for t in scenario(corners(10, 9, 5, 3)) if (t.treatment, t.seed) != (LAST, 2)]
    text = words(trials)
    assert ", 3 seeds)" in text
    assert "Seed 2 lacks one of the four models, and is left out." in text
    assert "Seed 2 lacks one of the 4 models of the table, and is left out." in text


def test_a_gain_is_split_although_another_model_of_the_table_is_missing() -> None:
    values = np.random.default_rng(51).normal(size=(3, 3, 4)) + 100
    trials = [t for t in trials_of(values) if t.treatment != Treatment("uniform", "elbo")]
    found = attribute("error", "", trials)
    assert found.split is not None
    assert found.table is None
    assert found.document()["analysis_of_variance"] is None
    assert "The whole table cannot be analysed: one seed must have" in found.paragraph


def test_a_gain_without_its_models_is_not_split() -> None:
    found = attribute("error", "", [t for t in scenario(corners(1, 2, 3, 4)) if t.treatment != Treatment(*LAST)])
    assert (found.split, found.table) == (None, None)
    assert found.paragraph.startswith("The gain in error cannot be split: one seed must have gaussian with elbo,")


@given(values=balanced())
def test_a_loss_is_written_as_its_gain_with_the_signs_turned(values: Values) -> None:
    split = decompose_gain(trials_of(values))
    there, back = Amounts.of(split), Amounts.of(split, -1)
    for name in ("gain", "kernel", "objective", "interaction"):
        assert getattr(there, name).value == -getattr(back, name).value


@given(values=balanced() | unbalanced())
def test_documents_are_strict_json(values: Values) -> None:
    document = attribute("error", "", trials_of(values)).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
