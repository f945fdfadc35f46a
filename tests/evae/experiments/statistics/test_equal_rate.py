"""Two models at equal rate: the error of one is interpolated at the other's rate, seed by seed."""

from __future__ import annotations

import pytest

from evae.experiments.statistics.equal_rate import Curves, compare_at_equal_rate


def curves(rate: float, *gains: float) -> dict[int, Curves]:
    """VAE's error is 200 less its rate, which its weight decides; EVAE is below that at its rate, by a gain a seed."""
    return {
        seed: {"vae": {1.0: (20.0, 180.0), 1 / 8: (60.0, 140.0), 1 / 64: (90.0, 110.0)}, "evae": {1.0: (rate, error)}}
        for seed, error in enumerate(200 - rate - gain for gain in gains)
    }


def test_the_gain_is_the_distance_from_vaes_curve() -> None:
    found = compare_at_equal_rate(curves(70, 9, 10, 12))
    assert found.gain is not None
    assert found.gain.values == pytest.approx((9, 10, 12))
    assert "EVAE's error is 10.3 nats lower (95 % interval 6.5 to 14.1, 3 seeds)." in found.words


def test_a_loss_is_called_higher_with_its_own_interval() -> None:
    text = compare_at_equal_rate(curves(70, -1, -0.5, -4)).words
    assert "EVAE's error is 1.83 nats higher (95 % interval -2.87 to 6.54, 3 seeds), which cannot be told" in text


def test_two_seeds_are_called_too_few() -> None:
    text = compare_at_equal_rate(curves(70, 9, 10)).words
    assert "9.50 nats lower (2 seeds); two seeds are too few to tell this from chance." in text


def test_the_same_error_is_neither_lower_nor_higher() -> None:
    assert "the errors are the same on average" in compare_at_equal_rate(curves(70, 1, -1, 0)).words


def test_rates_that_do_not_meet_are_not_compared() -> None:
    found = compare_at_equal_rate(curves(300, 9, 10))
    assert found.gain is None
    assert "EVAE's codes carry 300.0 nats per image" in found.words
    assert "from 20.0 to 90.0 nats, and not to EVAE's rate on every seed" in found.words


def test_a_seed_that_lacks_a_weight_is_left_out_and_named() -> None:
    points = {
        seed: {model: dict(curve) for model, curve in found.items()} for seed, found in curves(70, 9, 9, 7).items()
    }
    del points[1]["vae"][1 / 64]
    found = compare_at_equal_rate(points)
    assert (found.left_out, found.gain and found.gain.n) == ((1,), 2)
    assert found.words.endswith("Seed 1 lacks one of these models, and is left out.")


def test_without_a_whole_seed_nothing_is_compared() -> None:
    assert compare_at_equal_rate({}).words.startswith("What the codes carry cannot be compared")
