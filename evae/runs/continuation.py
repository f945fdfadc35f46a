"""What may differ when a run goes on, and what must not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evae.configuration.configuration import Configuration, flag
from evae.runs.checkpoints import Checkpoint
from evae.runs.run import Run
from foundation.errors import InputError

#: What may be given anew: more epochs, and what decides nothing of the result, or nothing but its last bits.
CHANGEABLE = ("epochs", "device", "data_dir", "checkpoint_minutes")


def update_configuration(run: Run, options: dict[str, Any]) -> Configuration:
    """Return the run's configuration with those ``options`` that may change.

    Raises
    ------
    InputError
        If an option contradicts the configuration, or there would be fewer epochs.
    """
    config = run.configuration
    # The replacing also brings a value into the form it has in a configuration, such as "0.5" for --prior-length.
    asked = dataclasses.replace(config, **options)
    for name in options:
        value, kept = getattr(asked, name), run.name if name == "name" else getattr(config, name)
        if name not in CHANGEABLE and value != kept:
            option = flag(name)
            raise InputError(
                f"{option} {value} contradicts the run {run.path}, which has {option} {kept}. Leave it out: a run that "
                "goes on may have more --epochs, or another --device, and is otherwise what it was."
            )
    if asked.epochs < config.epochs:
        raise InputError(
            f"--epochs {asked.epochs} is less than the {config.epochs} of the run {run.path}: they may only grow."
        )
    return dataclasses.replace(asked, name=config.name)


def require_same_data(runs: Sequence[Run], config: Configuration, found: Mapping[str, str]) -> None:
    """Raise `InputError` unless ``found`` (`evae.data.images.fingerprint`) is what each run was trained on."""
    for run in runs:
        if run.data_sha256 and run.data_sha256 != found:
            raise InputError(
                f"the images of {config.dataset} in {config.data_dir} are not those that {run.path} was trained on: "
                "their SHA-256 is another. Point --data-dir at the original ones, or begin a new run."
            )


def require_alike(runs: Sequence[Run], configs: Sequence[Configuration]) -> None:
    """Refuse runs that cannot be trained at once, because they differ in more than their seeds, with an `InputError`.

    Parameters
    ----------
    runs : sequence of Run
    configs : sequence of Configuration
        As the runs are to go on.
    """
    paths = [run.path.resolve() for run in runs]
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            raise InputError(f"the run {run.path} is named twice. Give each run once.")
    first = dataclasses.asdict(configs[0])
    for run, config in zip(runs, configs, strict=True):
        for name, value in dataclasses.asdict(config).items():
            if name not in ("seed", "name", "runs_dir") and value != first[name]:
                option = flag(name)
                remedy = f"give {option} for all, or resume" if name in CHANGEABLE else "resume"
                raise InputError(
                    f"the runs cannot go on at once: {runs[0].path} has {option} {first[name]}, {run.path} has "
                    f"{option} {value}, and only their seeds may differ; {remedy} each alone."
                )


def departures(checkpoint: Checkpoint, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Say what makes the bits differ from those of a run that was never stopped.

    ``before`` and ``now`` are as `evae.runs.environment` makes them.
    """
    was, is_now = checkpoint.position.device, now["device"].partition(":")[0]
    if was != is_now:
        yield f"the run was trained on {was} and goes on on {is_now}: it is not the same to the bit."
        return
    differing = [
        ("torch", before.get("packages", {}).get("torch"), now["packages"]["torch"]),
        ("device", before.get("device_name"), now["device_name"]),
        ("a number of processes of", before.get("processes"), now["processes"]),
        ("a number of seeds at once of", before.get("seeds_at_once"), now["seeds_at_once"]),
    ]
    if is_now == "cpu":
        differing.append(("a number of threads of", before.get("threads"), now["threads"]))
    for label, old, new in differing:
        if old is not None and old != new:
            yield f"the run was trained with {label} {old} and goes on with {new}: its last bits may differ."
