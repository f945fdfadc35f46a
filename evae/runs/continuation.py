"""Checks on resuming a run: options that may change, and conditions that must hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evae.configuration.configuration import Configuration
from evae.configuration.options import CHANGEABLE, flag
from evae.runs.checkpoints import Checkpoint
from evae.runs.run import Run
from foundation.errors import InputError


def update_configuration(run: Run, options: dict[str, Any]) -> Configuration:
    """Return the run's configuration, updated by ``options`` that may change.

    Raises
    ------
    InputError
        If an option contradicts the configuration, or the number of epochs would decrease.
    """
    config = run.configuration
    # replace() also normalises values, such as "0.5" for --prior-length.
    asked = dataclasses.replace(config, **options)
    for name in options:
        value, original = getattr(asked, name), run.name if name == "name" else getattr(config, name)
        if name not in CHANGEABLE and value != original:
            option = flag(name)
            raise InputError(
                f"{option} must be {original} to resume the run {run.path}, got {value}. Leave it out: only "
                f"{', '.join(map(flag, CHANGEABLE))} may change."
            )
    if asked.epochs < config.epochs:
        raise InputError(f"--epochs must be at least {config.epochs} to resume the run {run.path}, got {asked.epochs}.")
    if asked.epochs > config.epochs and config.schedule == "cosine":
        raise InputError(
            f"--epochs must be {config.epochs} to resume the run {run.path}, got {asked.epochs}: its --schedule cosine "
            "has brought the learning rate down over these epochs. Leave it out, or start a new run."
        )
    return dataclasses.replace(asked, name=config.name)


def require_same_data(runs: Sequence[Run], config: Configuration, found: Mapping[str, str]) -> None:
    """Raise `InputError` unless ``found`` (`evae.data.images.fingerprint`) matches the data of each run."""
    for run in runs:
        if run.data_sha256 and run.data_sha256 != found:
            raise InputError(
                f"the images of {config.dataset} in {config.data_dir} are not those that {run.path} was trained on: "
                "their SHA-256 differs. Point --data-dir at the original images, or start a new run."
            )


def require_alike(runs: Sequence[Run], configs: Sequence[Configuration]) -> None:
    """Raise `InputError` if runs differ in more than their seeds, so that they cannot be trained at once.

    Parameters
    ----------
    runs : sequence of Run
    configs : sequence of Configuration
        The configurations with which the runs resume.
    """
    paths = [run.path.resolve() for run in runs]
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            raise InputError(f"each run must be given once, got {run.path} twice.")
    first = dataclasses.asdict(configs[0])
    for run, config in zip(runs, configs, strict=True):
        for name, value in dataclasses.asdict(config).items():
            if name not in ("seed", "name", "runs_dir") and value != first[name]:
                option = flag(name)
                remedy = f"Give {option} for all, or resume" if name in CHANGEABLE else "Resume"
                raise InputError(
                    f"the runs cannot be resumed together: {runs[0].path} has {option} {first[name]}, {run.path} has "
                    f"{option} {value}, and only their seeds may differ. {remedy} each alone."
                )


def departures(checkpoint: Checkpoint, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yield the reasons why results may differ in bits from an uninterrupted run.

    ``before`` and ``now`` are documents of `evae.runs.environment`.
    """
    was, is_now = checkpoint.position.device, now["device"].partition(":")[0]
    # Another kind of device changes all results, so the other differences no longer matter.
    if was != is_now:
        yield f"the run was trained on {was} and resumes on {is_now}: its results will not be identical to the bit."
        return
    differing = [
        ("torch", before.get("packages", {}).get("torch"), now["packages"]["torch"]),
        ("device", before.get("device_name"), now["device_name"]),
        ("a number of processes of", before.get("processes"), now["processes"]),
        ("a number of seeds at once of", before.get("seeds_at_once"), now["seeds_at_once"]),
    ]
    # The number of threads affects the order of sums on the CPU only.
    if is_now == "cpu":
        differing.append(("a number of threads of", before.get("threads"), now["threads"]))
    for label, old, new in differing:
        if old is not None and old != new:
            yield f"the run was trained with {label} {old} and resumes with {new}: its last bits may differ."
