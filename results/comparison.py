"""The README's comparison with peers: measurements of one run of each benchmark, and facts from the peers' sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.tm import EXACT, FASTEST_PEER, M
from benchmarks.training import OURS, PYTHAE
from evae.configuration.recipe import PRESETS

#: The files that ``python -m benchmarks.training --json`` and ``python -m benchmarks.tm --json`` wrote.
TRAINING, STATISTIC = "training.json", "tm.json"

_HEAD = """\
| | this toolkit | Pythae {pythae} | PyTorch-VAE | KDEpy {kdepy} |
|---|---|---|---|---|
| the paper's statements | every one decided, each with alterations that are refused | – | – | – |
| EVAE | its kernel and its objective, in every pair with an exact formula | – | – | – |
| models | {presets} presets | **more than 25**, among them normalising flows | **more than 20** | – |
| trained models to download | one, for the tests | **on a hub** | **for CelebA** | – |
| loss | in nats: sum over pixels and dimensions, mean over images; the same in training and on hold-out images | \
the same sum | mean over pixels; KL × batch/N, logged with the opposite sign | – |
| a stopped run | resumes bit for bit, even after SIGKILL | saves a checkpoint; training restarts at epoch 1 | \
as Lightning does | – |
| kernel density estimation itself | one dimension, inside T_m | – | – | **several dimensions, automatic bandwidths** |
"""


def parts(folder: Path) -> dict[str, str]:
    """Return the README's table with a sentence on the source of its measurements."""
    training, statistic = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (TRAINING, STATISTIC))
    versions = {name.lower(): _version(training, statistic, name) for name in ("pythae", "KDEpy")}
    trainers, given = training["trainers"], statistic["evaluation_epanechnikov"]
    cells = next(row for name, row in given.items() if name.startswith("cells"))
    exact, peer = given[EXACT], given[FASTEST_PEER]
    rows = [
        f"| training, MNIST network, CPU | {trainers[OURS]['images_per_second']:,.0f} images/s | "
        f"{trainers[PYTHAE]['images_per_second']:,.0f} images/s | – | – |",
        f"| one T_m at m = {M:,} | {cells['microseconds']:,.0f} µs at error {cells['rms_error']:.1e}, "
        f"{exact['microseconds']:,.0f} µs exact | – | – | {peer['microseconds']:,.0f} µs at {peer['rms_error']:.1e} |",
    ]
    told = (
        f"Figures: one run each of `python -m benchmarks.training` (ratio {trainers[PYTHAE]['ratio']:.2f}) and "
        f"`python -m benchmarks.tm` (ratio {peer['ratio']:.1f}), on {statistic['machine']['cores']} virtual cores."
    )
    return {"comparison": _HEAD.format(presets=len(PRESETS), **versions) + "\n".join(rows) + f"\n\n{told}\n"}


def _version(*documents_and_name: Any) -> str:
    *documents, name = documents_and_name
    return next(found for document in documents if (found := document["machine"]["packages"][name]))
