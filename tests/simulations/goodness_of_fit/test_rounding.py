"""Rounded data: ties are counted and said, and the null distribution is simulated from samples rounded alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cli import main
from foundation.errors import InputError
from simulations import bickel_rosenblatt_test
from simulations.goodness_of_fit.estimation.location_scale import standardise
from simulations.goodness_of_fit.estimation.model import take_model
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.goodness_of_fit.rounding import Rounding, count_ties, guess_width
from simulations.sampling.streams import draw
from simulations.study.study import Study
from tests.support.examples import examples
from tests.support.processes.runner import runner
from theory.densities.families import NORMAL

LAWS: dict[str, Any] = {"normal": stats.norm, "laplace": stats.laplace, "logistic": stats.logistic}


def rounded_normals(seed: int, size: int = 100, width: float = 2.0) -> np.ndarray:
    """Return normals of standard deviation 8, rounded."""
    values: np.ndarray = np.rint(np.random.default_rng(seed).normal(170, 8, size) / width) * width
    return values


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4), st.integers(-6, 6))
def test_decimal_multiples_of_a_width_are_accepted_and_others_refused(number: int, steps: int, power: int) -> None:
    """As they are read from a text, with the rounding of binary fractions."""
    width = float(f"{steps}e{power}")
    sample = np.array([float(f"{number * steps}e{power}"), float(f"{(number + 1) * steps}e{power}")])
    assert Rounding(width).require(sample) == pytest.approx(sample, rel=1e-9, abs=1e-9 * width)
    with pytest.raises(InputError, match="1 of 3 observations is not, such as"):
        Rounding(width).require(np.append(sample, (number + 0.01) * width))


@given(st.lists(st.integers(-500, 500), min_size=2, max_size=40, unique=True), st.integers(-3, 3))
@settings(max_examples=examples(50))
def test_the_width_that_is_proposed_divides_all_observations(numbers: list[int], power: int) -> None:
    sample = np.array([float(f"{number}e{power}") for number in numbers])
    width = guess_width(sample)
    assert width is not None
    assert Rounding(width).require(sample) == pytest.approx(sample)
    assert width >= 0.999 * 10.0**power


MODEL = take_model("normal", {})


def test_ties_are_counted_and_said_with_the_option_that_takes_them_into_account(tmp_path: Path) -> None:
    sample = rounded_normals(1)
    path, target = tmp_path / "sample.txt", tmp_path / "test.json"
    path.write_text("\n".join(map(str, sample)))
    command = ["test-fit", str(path), "--estimate", "--replicates", "99", "--no-cache", "--json", str(target)]
    result = runner().invoke(main, command)
    ties = sum(1 for value in sample if np.count_nonzero(sample == value) > 1)
    assert json.loads(target.read_text())["ties"] == ties == count_ties(sample)
    said = " ".join(result.stdout.split())
    assert f"- {ties} of the 100 observations equal another one; there are {np.unique(sample).size} different" in said
    assert "use --rounded-to 2 (in Python, rounded_to=2), of which all are multiples." in said
    aware = runner().invoke(main, [*command, "--rounded-to", "2"])
    document = json.loads(target.read_text())
    assert (document["rounded_to"], document["ties"]) == (2.0, ties)
    said = " ".join(aware.stdout.split())
    assert "The p-value is that of data rounded to multiples of 2" in said
    assert "equal another one" not in said


def test_of_data_without_ties_nothing_is_said() -> None:
    test = bickel_rosenblatt_test(np.linspace(-2, 2, 50), replicates=19, cache=False)
    assert (test.ties, test.rounded_to) == (0, None)
    assert not any("equal" in sentence for sentence in test.in_words())


def test_the_null_law_is_that_of_rounded_samples() -> None:
    study, rounding = Study(40, 30, weight="one"), Rounding(0.5)
    statistic = study.setting
    samples = [draw(NORMAL, 0, stream, 40) for stream in study.streams(range(30))]
    plain = [statistic.of_sorted(np.sort(np.rint(sample * 2) / 2)) for sample in samples]
    assert NullLaw(study, rounding=rounding).values() == pytest.approx(plain, rel=1e-12)
    estimated = []
    for sample in samples:
        moved = np.rint((0.3 + 2.0 * (sample - sample.mean()) / sample.std()) * 2) / 2
        estimated.append(statistic.of_sorted(np.sort(standardise(moved, MODEL).values)))
    law = NullLaw(study, MODEL, rounding, 0.3, 2.0)
    assert law.values() == pytest.approx(estimated, rel=1e-12)


def test_laws_of_other_roundings_are_kept_apart(tmp_path: Path) -> None:
    laws = [
        NullLaw(Study(20, 20)),
        NullLaw(Study(20, 20), smoothed=True),
        NullLaw(Study(20, 20), rounding=Rounding(0.5), smoothed=True),
        NullLaw(Study(20, 20), rounding=Rounding(0.5)),
        NullLaw(Study(20, 20), rounding=Rounding(0.25)),
        *(NullLaw(Study(20, 20), MODEL, Rounding(0.25), *place) for place in ((0.0, 1.0), (0.1, 1.0), (0.0, 1.5))),
    ]
    for law in laws:
        law.values(cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(laws)


def test_the_scale_before_the_rounding_is_the_one_whose_rounded_samples_have_the_estimate() -> None:
    for name, law in LAWS.items():
        sample = law.rvs(size=1_000_000, random_state=1)
        width = 0.5 * sample.std()
        rounded = np.rint((sample + 0.17) / width) * width
        estimate = standardise(rounded, take_model(name, {})).fit.scale
        assert Rounding(width).scale_before(estimate, rounded) == pytest.approx(1, rel=0.02)


def rejections(density: str, width: float, estimate: bool, size: int, trials: int) -> float:
    """Return how often a true hypothesis on rounded data is rejected at the level 5 %."""
    found = []
    for seed in range(trials):
        generator = np.random.default_rng([seed, size])
        drawn = LAWS[density].rvs(size=size, random_state=generator)
        location, scale = (generator.uniform(-100, 100), 8.0) if estimate else (0.0, 1.0)
        sample = Rounding(width * scale).apply(location + scale * drawn)
        test = bickel_rosenblatt_test(
            sample, density, estimate=estimate, rounded_to=width * scale, replicates=99, seed=seed, cache=False
        )
        found.append(test.p_value)
    return float(np.mean(np.array(found) <= 0.05))


def test_true_normals_that_were_rounded_are_rejected_at_the_level_of_the_test() -> None:
    """Of 40 samples 2 on average, more than 7 once in 1,000 seeds; without the option, most are at m = 500."""
    assert rejections("normal", 0.25, True, 200, 40) <= 7 / 40
    plain = [
        bickel_rosenblatt_test(rounded_normals(seed, 500), estimate=True, replicates=99, cache=False).p_value
        for seed in range(10)
    ]
    assert np.mean(np.array(plain) <= 0.05) > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("density", LAWS)
@pytest.mark.parametrize("width", [0.05, 0.25, 0.5])
@pytest.mark.parametrize("estimate", [False, True])
def test_the_size_of_the_test_of_rounded_data_is_five_percent_or_less(
    density: str, width: float, estimate: bool
) -> None:
    """Of 400 samples 20 on average, more than 36 once in 2,000 seeds."""
    assert rejections(density, width, estimate, 100, 400) <= 36 / 400


def test_a_wrong_hypothesis_is_still_rejected() -> None:
    generator = np.random.default_rng(0)
    sample = np.rint(generator.choice([-2.0, 2.0], 500) * 4 + generator.standard_normal(500) * 4) / 4
    test = bickel_rosenblatt_test(sample, estimate=True, rounded_to=0.25, replicates=199, cache=False)
    assert test.p_value == 1 / 200


@pytest.mark.parametrize(
    ("width", "estimate", "complaint"),
    [
        (0.0, False, "--rounded-to must be a positive number, got 0.0"),
        (-1.0, False, "--rounded-to must be a positive number, got -1.0"),
        (float("inf"), False, "--rounded-to must be a positive number, got inf"),
        (float("nan"), True, "--rounded-to must be a positive number, got nan"),
        ("2", False, "--rounded-to must be a positive number, got 2"),
        (
            4.0,
            False,
            "every observation must be a multiple of 4 with --rounded-to 4, but .* of 100 observations are not",
        ),
        (2.0, True, None),
    ],
)
def test_a_width_that_cannot_be_is_refused(width: Any, estimate: bool, complaint: str | None) -> None:
    sample = rounded_normals(3)
    if complaint is None:
        bickel_rosenblatt_test(sample, estimate=estimate, rounded_to=width, replicates=19, cache=False)
        return
    with pytest.raises(InputError, match=complaint):
        bickel_rosenblatt_test(sample, estimate=estimate, rounded_to=width, replicates=19, cache=False)


def test_rounding_too_coarse_for_estimates_is_refused() -> None:
    with pytest.raises(InputError, match=r"must be at most the standard deviation of the data, .* got 10"):
        bickel_rosenblatt_test(rounded_normals(3, width=10.0), estimate=True, rounded_to=10.0, cache=False)
