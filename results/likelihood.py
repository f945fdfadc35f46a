"""Part of docs/networks.md: the log-likelihoods that `python -m benchmarks.likelihood` measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.likelihood import MODELS
from evae.experiments.statistics.estimates import SIGNIFICANCE, Estimate, estimate
from theory.paper.significance import holm

#: The file that the benchmark wrote.
RECORD = "likelihood.json"

#: Pairs of models, of which the first is compared with the second: each with the VAE, and the two kernels of kde-bound.
PAIRS = (*((model, MODELS[0]) for model in MODELS[1:]), ("evae", "gaussian-kde"))

_NAMES = (
    "model",
    "under the mixture",
    "under the prior",
    "difference from VAE",
    "95 % interval",
    "p (Holm)",
    "k > 0.7",
)


def parts(path: Path) -> dict[str, str]:
    """Return the part of the page by name, from the seeds with which every model was scored."""
    document = json.loads(path.read_text(encoding="utf-8"))
    runs = {(run["model"], run["seed"]): run for run in document["runs"]}
    seeds = sorted({seed for _, seed in runs if all((model, seed) in runs for model in MODELS)})
    compared = {pair: _difference(runs, seeds, pair) for pair in PAIRS}
    adjusted = dict(zip(compared, holm([_p_value(one) for one in compared.values()]), strict=True))
    head = [f"| {' | '.join(_NAMES)} |", f"| --- |{' ---: |' * (len(_NAMES) - 1)}"]
    rows = [_row(model, runs, seeds, compared, adjusted) for model in MODELS]
    told = f"{' '.join(_sentences(compared, adjusted))} {_notes(document, runs, seeds)}"
    return {"likelihood": "\n".join([*head, *rows, "", told, ""])}


def _values(runs: Mapping[tuple[str, int], Any], seeds: Sequence[int], model: str, law: str) -> list[float]:
    laws = [runs[model, seed]["laws"] for seed in seeds]
    return [one[law]["log_likelihood"] for one in laws if law in one]


def _difference(runs: Mapping[tuple[str, int], Any], seeds: Sequence[int], pair: tuple[str, str]) -> Estimate:
    better, other = (_values(runs, seeds, model, "mixture") for model in pair)
    return estimate([mine - its for mine, its in zip(better, other, strict=True)], max(map(abs, [*better, *other])))


def _p_value(difference: Estimate) -> float:
    # Without an interval nothing is concluded.
    return 1.0 if difference.p_value is None else difference.p_value


def _row(
    model: str,
    runs: Mapping[tuple[str, int], Any],
    seeds: Sequence[int],
    compared: Mapping[tuple[str, str], Estimate],
    adjusted: Mapping[tuple[str, str], float],
) -> str:
    cells = [_mean(_values(runs, seeds, model, law)) for law in ("mixture", "prior")]
    pair = (model, MODELS[0])
    if pair in compared:
        one = compared[pair]
        cells += [f"{one.mean:+.2f}", _interval(one), f"{adjusted[pair]:.2g}"]
    else:
        cells += ["-", "-", "-"]
    shares = [runs[model, seed]["laws"]["mixture"]["pareto_k"]["share_above_0.7"] for seed in seeds]
    return f"| {' | '.join([model, *cells, f'{fmean(shares):.0%}'])} |"


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "-"
    found = estimate(values)
    error = "" if found.standard_error is None else f" ± {found.standard_error:.2f}"
    return f"{found.mean:.2f}{error}"


def _interval(one: Estimate) -> str:
    return "-" if one.interval is None else f"{one.interval[0]:+.2f} to {one.interval[1]:+.2f}"


def _sentences(compared: Mapping[tuple[str, str], Estimate], adjusted: Mapping[tuple[str, str], float]) -> list[str]:
    """Say which models differ from the VAE, and whether the two kernels under equation (8) differ."""
    told = {1: [], -1: [], 0: []}  # type: dict[int, list[str]]
    for pair, one in compared.items():
        if pair[1] == MODELS[0]:
            told[_verdict(one, adjusted[pair])].append(pair[0])
    beginnings = {1: "more likely", -1: "less likely"}
    found = [
        f"Under {', '.join(told[sign])} the hold-out images are {words} than under vae."
        for sign, words in beginnings.items()
        if told[sign]
    ]
    if told[0]:
        found.append(f"Between vae and {', '.join(told[0])} no difference can be told.")
    kernels = compared["evae", "gaussian-kde"]
    sign = _verdict(kernels, adjusted["evae", "gaussian-kde"])
    verdict = "cannot be told from zero" if sign == 0 else f"is the {'gain' if sign > 0 else 'loss'} by the kernel"
    found.append(
        f"With the objective of equation (8), Epanechnikov's kernel gives {kernels.mean:+.2f} nats over a Gaussian one "
        f"(95 % interval {_interval(kernels)}), which {verdict}."
    )
    return found


def _verdict(one: Estimate, p_value: float) -> int:
    """Return 1 or -1 for a gain or a loss that is significant after Holm's correction, otherwise 0."""
    if p_value >= SIGNIFICANCE:
        return 0
    return 1 if one.mean > 0 else -1


def _notes(document: Mapping[str, Any], runs: Mapping[tuple[str, int], Any], seeds: Sequence[int]) -> str:
    settings, first = document["settings"], runs[MODELS[0], seeds[0]]
    height, width = first["pixels"]
    return (
        f"Log-likelihood in nats of {first['images']} hold-out {settings['dataset']} ({height}x{width} binary pixels), "
        f"mean over {len(seeds)} seeds ± standard error, by importance sampling with {first['samples']} codes; "
        f"differences are paired by seed, with Holm's correction over {len(PAIRS)} of them. d_z = "
        f"{settings['latent_dim']}, and only {settings['epochs']} epochs at a learning rate of {settings['lr']:g}: the "
        "models are far from converged, and a longer training may order them otherwise. Seeds vary, images do not. "
        "Where the Pareto k of an image is above 0.7, its estimate is unreliable, and too low as a rule."
    )
