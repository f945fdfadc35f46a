"""Results of several machines add up: it does not matter how, and what does not fit together is named."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evae.experiments.merging import merged
from evae.experiments.reports.departures import departures
from evae.experiments.results import Failure, Results, RunRecord
from foundation.errors import InputError
from tests.evae.experiments.reports.test_reports import by_model, results
from tests.support.examples import examples

IDENTITY, DIGEST = "a" * 64, "d" * 64


def made(one: RunRecord) -> RunRecord:
    """The run with all that decides whether it can be compared."""
    environment = {**one.environment, "packages": {"torch": "2.15.0", "epanechnikov-vae": "1.0"}}
    features = {**one.evaluation["features"], "name": "classifier", "identity": IDENTITY}
    evaluation = {**one.evaluation, "features": features}
    digests = {"train": DIGEST, "holdout": DIGEST}
    return dataclasses.replace(one, environment=environment, evaluation=evaluation, data_sha256=digests)


def table(name: str, **options: Any) -> Results:
    """Results in which everything fits together; of the runs of the last seed one failed and one is unfinished."""
    whole = results(name, by_model, **options)
    *finished, failed, unfinished = map(made, whole.records)
    return Results(name, "classifier", tuple(finished), (Failure(failed.name, "why."),), (unfinished.name,))


WHOLE = {"1": table("1", seeds=(0, 1)), "ablation": table("ablation", seeds=(0, 1, 2))}


@st.composite
def split_results(draw: st.DrawFn) -> tuple[Results, dict[str, Results]]:
    """Results, and files that hold them together: each run is in one or several, as it was or not yet finished."""
    whole = WHOLE[draw(st.sampled_from(sorted(WHOLE)))]
    choose, names = draw(st.randoms(use_true_random=False)), "abcd"[: draw(st.integers(1, 4))]
    parts: dict[str, Any] = {name: ([], [], []) for name in names}
    for one in whole.records:
        holders = choose.sample(names, choose.randint(1, len(names)))
        for name in names:
            if name in holders:
                # The time that it took is not a figure.
                parts[name][0].append(dataclasses.replace(one, seconds=60.0 + holders.index(name)))
            elif choose.random() < 0.2:
                parts[name][1].append(Failure(one.name, "the disk was full."))
            elif choose.random() < 0.2:
                parts[name][2].append(one.name)
    for name in names:
        parts[name][2].extend(whole.unfinished)
        parts[name][1 if name == names[-1] else 2].append(
            whole.failures[0] if name == names[-1] else whole.failures[0].name
        )
    files = {}
    for name, lists in parts.items():
        for part in lists:
            choose.shuffle(part)
        files[name] = Results(whole.table, whole.features, *map(tuple, lists))
    return whole, files


@given(split_results())
@settings(max_examples=examples(15))
def test_the_parts_of_a_table_merge_to_the_whole(split: tuple[Results, dict[str, Results]]) -> None:
    whole, files = split
    found = merged(files)
    assert found.results == whole
    held = [one.name for results in files.values() for one in results.records]
    assert found.repeated == sum(held.count(name) > 1 for name in set(held))


@given(split_results(), st.randoms(use_true_random=False))
@settings(max_examples=examples(15))
def test_it_does_not_matter_which_are_merged_first_or_again(
    split: tuple[Results, dict[str, Results]], choose: random.Random
) -> None:
    whole, files = split
    parts = [*files.values(), choose.choice([*files.values()])]
    while len(parts) > 1:
        one, other = (parts.pop(choose.randrange(len(parts))) for _ in range(2))
        parts.append(merged({"one": one, "other": other}).results)
    assert parts == [whole]


def altered(results: Results, alter: Callable[[RunRecord], RunRecord]) -> Results:
    return dataclasses.replace(results, records=(alter(results.records[0]), *results.records[1:]))


def configured(**options: Any) -> Callable[[RunRecord], RunRecord]:
    return lambda one: dataclasses.replace(one, configuration=dataclasses.replace(one.configuration, **options))


def judged(**evaluation: Any) -> Callable[[RunRecord], RunRecord]:
    return lambda one: dataclasses.replace(one, evaluation={**one.evaluation, **evaluation})


def identified(identity: str) -> Callable[[RunRecord], RunRecord]:
    return lambda one: judged(features={**one.evaluation["features"], "identity": identity})(one)


def made_by(version: str) -> Callable[[RunRecord], RunRecord]:
    packages = {"torch": "2.15.0", "epanechnikov-vae": version}
    return lambda one: dataclasses.replace(one, environment={**one.environment, "packages": packages})


def trained_on(**digests: str) -> Callable[[RunRecord], RunRecord]:
    return lambda one: dataclasses.replace(one, data_sha256=digests)


def trained_twice(one: RunRecord) -> RunRecord:
    earlier = [{"packages": {"epanechnikov-vae": "0.9"}}]
    return dataclasses.replace(one, environment={**one.environment, "earlier": earlier})


#: What an altered first run of a file makes differ, as the sentence names it.
CONFLICTS: dict[str, Callable[[RunRecord], RunRecord]] = {
    "--epochs differs: 50 in b, 3 in a": configured(epochs=3),
    "--lr differs: 0.0001 in b, 0.5 in a": configured(lr=0.5),
    "--batch-size differs: 100 in b, 7 in a": configured(batch_size=7),
    "--limit-train differs: none in b, 1000 in a": configured(limit_train=1000),
    "--precision differs: fp32 in b, bf16 in a": configured(precision="bf16"),
    "--deterministic differs: False in b, True in a": configured(deterministic=True),
    "the version of this program differs: version 1.0 in b, version 0.1.0 in a": made_by("0.1.0"),
    f"the SHA-256 of the training images of mnist differs: {DIGEST} in b, another in a": trained_on(
        train="another", holdout=DIGEST
    ),
    f"the network of features on mnist differs: classifier {IDENTITY} in b, classifier another in a": identified(
        "another"
    ),
    "mnist-vae-d8-seed0-50epochs in a was made by versions 0.9 and 1.0": trained_twice,
    "a does not say on which images it made 1 run, of which the first is mnist-vae-d8-seed0-50epochs": trained_on(),
    "b and a have other figures for mnist-vae-d8-seed0-50epochs": judged(sharpness={"one_posterior_draw": 1.0}),
}

DIGESTS = {conflict for conflict in CONFLICTS if "SHA-256" in conflict or "which images" in conflict}


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_what_does_not_fit_together_is_named_with_its_files(conflict: str) -> None:
    whole = WHOLE["1"]
    only_its_own = dataclasses.replace(whole, records=whole.records[:1])
    with pytest.raises(InputError) as refused:
        merged({"b": whole, "a": altered(only_its_own, CONFLICTS[conflict])})
    assert conflict in str(refused.value)
    assert merged({"b": whole, "a": only_its_own}).repeated == 1


@given(st.sets(st.sampled_from(sorted(CONFLICTS)), min_size=2))
@settings(max_examples=examples(15))
def test_every_conflict_is_named(conflicts: set[str]) -> None:
    one = WHOLE["1"].records[0]
    for conflict in conflicts:
        one = CONFLICTS[conflict](one)
    with pytest.raises(InputError) as refused:
        merged({"b": WHOLE["1"], "a": altered(WHOLE["1"], lambda _: one)})
    # Of digests only one of the alterations can be the last.
    for conflict in conflicts if not conflicts >= DIGESTS else conflicts - DIGESTS:
        assert conflict.partition(": ")[0].partition(" in a was made")[0] in str(refused.value)


def test_models_of_one_name_that_are_not_the_same_are_refused() -> None:
    weighted = {one.label: one for one in WHOLE["ablation"].records}["vae-beta0.0625"]
    other = configured(beta=0.0625 + 1e-9, seed=7)(weighted)
    assert other.label == weighted.label
    with pytest.raises(InputError, match=r"--beta of vae-beta0\.0625 differs: 0\.0625 in a, 0\.062500001 in b"):
        merged({name: Results("ablation", "classifier", (one,)) for name, one in {"a": weighted, "b": other}.items()})


def test_results_of_different_tables_or_features_are_refused() -> None:
    other = dataclasses.replace(WHOLE["1"], table="2", features="none")
    with pytest.raises(
        InputError, match=r"the table differs: 1 in a, 2 in b; --features differs: classifier in a, none"
    ):
        merged({"a": WHOLE["1"], "b": other})


def test_runs_of_one_data_set_may_have_another_side_than_those_of_another() -> None:
    one, other = WHOLE["1"].records[:2]
    pictures = [configured(dataset=f"npz:{side}.npz", image_size=side)(run) for side, run in ((32, one), (64, other))]
    files = {str(number): Results("1", "classifier", (picture,)) for number, picture in enumerate(pictures)}
    assert len(merged(files).results.records) == 2


def test_the_machines_of_merged_runs_are_named() -> None:
    first, second, *_ = WHOLE["1"].records
    elsewhere = dataclasses.replace(second, environment={**second.environment, "device_name": "another processor"})
    files = {name: Results("1", "classifier", (one,), (), ("a-run",)) for name, one in (("a", first), ("b", elsewhere))}
    assert departures(merged(files).results)[-5:-1] == (
        "The table is not complete: it rests on 2 of 3 planned runs.",
        "Trained on a processor, 2 threads, torch 2.15.0: 1 run.",
        "Trained on another processor, 2 threads, torch 2.15.0: 1 run.",
        "The same run, made on two of these, would not end with the same bits.",
    )
