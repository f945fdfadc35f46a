"""Departures of a table's runs from the paper, and the machine that they ran on, in sentences."""

from __future__ import annotations

from collections import Counter

from evae.configuration.configuration import Configuration
from evae.experiments.results import Results
from evae.experiments.statistics.measurements import FLOOR, floor
from evae.experiments.statistics.starting_point import starting_points
from foundation.typography import format_count

#: What is said of each setting that is not the paper's, with its value and the paper's.
PHRASES = {
    "epochs": "{} of the paper's {plain} epochs",
    "limit_train": "the first {:,} training images",
    "limit_holdout": "evaluated on the first {:,} hold-out images",
    "lr": "learning rate {:g} in place of {plain:g}",
    "batch_size": "batches of {} in place of {plain}",
    "schedule": "learning rate by the schedule {}",
    "optimizer": "the optimizer {} in place of {plain}",
    "weight_decay": "weight decay {:g}",
    "clip_gradient": "gradients clipped at the norm {:g}",
    "keep": "evaluated with the weights of the epoch that {} keeps",
    "precision": "arithmetic {} in place of {plain}",
    "network": "the network {} in place of Appendix B's",
    "image_size": "images at {0}x{0} pixels",
    "fit": "smaller images fitted by {} in place of {plain}",
    "binarise": "grey pixels made binary by {}",
    "pixels": "the law {} of the pixels in place of {plain}, so that errors compare with those of this law alone",
    "pixel_scale": "standard deviation of a pixel {}",
}


def departures(results: Results) -> tuple[str, ...]:
    """Describe the departures and the machine, for results with at least one run."""
    seeds = sorted({record.configuration.seed for record in results.records})
    return (
        *_scaled_down(results.records[0].configuration),
        *dict.fromkeys(f"The data are {r.evaluation['note']}." for r in results.records if r.evaluation["note"]),
        f"{format_count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}); mean ± standard deviation over seeds.",
        *_features(results),
        *_floor(results),
        *map(str, starting_points(results.records)),
        *(f"Failed and left out: {failure.name} ({failure.reason})" for failure in results.failures),
        *_unfinished(results),
        *_machines(results),
    )


def _scaled_down(config: Configuration) -> list[str]:
    plain = Configuration()
    changed = [name for name in PHRASES if getattr(config, name) != getattr(plain, name)]
    notes = [PHRASES[name].format(getattr(config, name), plain=getattr(plain, name)) for name in changed]
    return [f"Not the paper's settings: {', '.join(notes)}."] if notes else []


def _features(results: Results) -> list[str]:
    """Describe the distance."""
    if results.features == "none":
        return ["Without a Fréchet distance (--features none)."]
    by_dataset = {r.configuration.dataset: r.evaluation["features"] for r in results.records}
    if results.features == "inception":
        note = "The Fréchet distance is the FID, with pytorch-fid's network."
    elif results.features == "imagenet":
        seen = ", ".join(
            f"{name} at {found['resolution']} x {found['resolution']}" for name, found in by_dataset.items()
        )
        note = (
            f"The Fréchet distance is one of the features of EfficientNet-Lite0, trained on ImageNet ({seen}): not "
            "FID, and not comparable with the paper's."
        )
    else:
        accuracies = ", ".join(f"{name} {found['holdout_accuracy']:.2%}" for name, found in by_dataset.items())
        note = (
            "The Fréchet distance is one of the features of a small classifier, trained on the data set's own labels "
            f"(accuracy on hold-out images: {accuracies}): not FID, and not comparable with the paper's."
        )
    choices = (record.evaluation["features"].get("choice") for record in results.records)
    warned = (found["warning"] for found in by_dataset.values())
    return [note, *dict.fromkeys(sentence for sentence in (*choices, *warned) if sentence)]


def _floor(results: Results) -> list[str]:
    if not floor(results.records):
        return []
    distance = "" if results.features == "none" else "; their distance is the floor for new images"
    return [f"{FLOOR.capitalize()}: chosen at random, as many as there are hold-out images{distance}."]


def _unfinished(results: Results) -> list[str]:
    if not results.unfinished:
        return []
    return [f"The table is not complete: it rests on {len(results.records)} of {results.planned} planned runs."]


def _machines(results: Results) -> list[str]:
    machines = Counter(
        f"Trained on {e['device_name']}, {format_count(e['threads'], 'thread')}, torch {e['packages']['torch']}"
        for e in (record.environment for record in results.records)
    )
    several = len(machines) > 1
    where = [
        f"{machine}: {format_count(runs, 'run')}." if several else f"{machine}." for machine, runs in machines.items()
    ]
    apart = ["The same run, made on two of these, would not end with the same bits."] if several else []
    minutes = sum(record.seconds for record in results.records) / 60
    return [*sorted(where), *apart, f"{format_count(len(results.records), 'run')}, {minutes:.0f} minutes of training."]
