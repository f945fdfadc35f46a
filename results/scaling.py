"""Tables of docs/scaling.md: the laws that `python -m benchmarks.scaling` measured, and plans computed from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scaling import RATE, Law
from simulations.engines.choice import engine_for
from simulations.study.blocks import BLOCKS_IN_A_PIECE, block_size
from simulations.study.study import Study

#: Numbers of machines for which plans are computed; each is like the measured machine.
MACHINES = (1, 10, 100, 1_000)

#: For each data set of Table 2: training images, hold-out images, and the law of an epoch.
TABLE_2 = {"cifar10": (50_000, 10_000, "training-32"), "celeba": (162_770, 19_867, "training-64")}
SEEDS, EPOCHS, DIMENSIONS, MODELS = 20, 50, 4, 2

#: Sets of new images and reconstructions whose features are computed for every run; those of the originals are cached.
JUDGED_SETS = 4

SIZES, REPLICATES = (10**9, 10**12), 10**6


@dataclass(frozen=True)
class Laws:
    """The laws by name, and the machine on which they were measured."""

    by_name: Mapping[str, Law]
    cores: int
    processor: str

    @classmethod
    def load(cls, path: Path) -> Laws:
        """Read the JSON file of the benchmark."""
        document = json.loads(path.read_text(encoding="utf-8"))
        laws = {name: Law.from_document(one) for name, one in document["laws"].items()}
        return cls(laws, document["machine"]["cores"], document["machine"]["processor"])

    def __getitem__(self, name: str) -> Law:
        return self.by_name[name]


@dataclass(frozen=True)
class Piece:
    """Indivisible units of work, such as runs: their number, and the seconds that one takes on a machine.

    A machine processes ``at_once`` units in parallel in that time.
    """

    name: str
    number: int
    seconds: float
    at_once: int = 1


def replicate_seconds(laws: Laws, m: int) -> float:
    """Compute the time of a replicate at ``m`` on one core: that of its cells, of a number proportional to 1/b."""
    return laws["tm"].at(m**RATE)


def simulation(laws: Laws, m: int) -> Piece:
    """Return the plan of a million replicates at ``m``."""
    return Piece("replicates", REPLICATES, replicate_seconds(laws, m), at_once=laws.cores)


def table_2(laws: Laws) -> dict[str, tuple[Piece, Piece]]:
    """Return the work of training and of evaluation with Inception's features, for each data set of Table 2."""
    runs = SEEDS * DIMENSIONS * MODELS
    return {
        name: (
            Piece("training", runs, EPOCHS * laws[epoch].at(train)),
            Piece("features", runs, JUDGED_SETS * laws["features"].at(holdout)),
        )
        for name, (train, holdout, epoch) in TABLE_2.items()
    }


def elapsed(pieces: list[Piece], machines: int) -> float:
    """Compute the seconds that ``machines`` take if each starts the next piece when it has finished one."""
    total = sum(piece.number * piece.seconds / piece.at_once for piece in pieces)
    return max(total / machines, *(piece.seconds for piece in pieces))


def duration(seconds: float) -> str:
    """Format a duration, as in ``0.8 s``, ``35 min``, ``12 h`` or ``9.5 days``."""
    for unit, size in (("days", 172_800), ("h", 7_200), ("min", 120)):
        length = {"days": 86_400, "h": 3_600, "min": 60}[unit]
        if seconds >= size:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def laws_table(laws: Laws) -> str:
    """Return a Markdown table of the laws and the sizes at which they were checked."""
    head = [
        "| what | seconds | checked at | predicted | measured |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    rows = []
    for law in laws.by_name.values():
        formula = f"{law.fixed:.2g} + {law.slope:.3g} * {law.size}"
        for index, (size, seconds) in enumerate(law.checked):
            what, shown = (law.what, formula) if index == 0 else ("", "")
            rows.append(f"| {what} | {shown} | {size:,g} | {duration(law.at(size))} | {duration(seconds)} |")
    return "\n".join([*head, *rows, ""])


def plans_table(laws: Laws) -> str:
    """Return a Markdown table of the durations of the plans by number of machines."""
    plans = {f"{REPLICATES:,} replicates at m = {m:,}": [simulation(laws, m)] for m in SIZES}
    for name, pieces in table_2(laws).items():
        # One worker both trains and evaluates a run.
        whole = Piece("runs", pieces[0].number, sum(piece.seconds for piece in pieces))
        plans[f"Table 2, {name}, {SEEDS} seeds"] = [whole]
    machines = " | ".join(f"{number:,} machine{'s' if number > 1 else ''}" for number in MACHINES)
    head = [f"| plan | pieces | {machines} |", "| --- | ---: | " + " | ".join("---:" for _ in MACHINES) + " |"]
    rows = [
        f"| {name} | {pieces[0].number:,} | " + " | ".join(duration(elapsed(pieces, n)) for n in MACHINES) + " |"
        for name, pieces in plans.items()
    ]
    return "\n".join([*head, *rows, ""])


def sentences(laws: Laws) -> str:
    """Describe the distribution of the time, and how the bottleneck moves."""
    m = SIZES[0]
    one, together = (
        replicate_seconds(laws, m),
        BLOCKS_IN_A_PIECE * block_size(engine_for("sums", Study(m).setting, m).draws),
    )
    task = laws["tasks"].slope
    gain = laws["seeds"].slope / laws["seeds-cluster"].slope
    devices = laws["devices-1"].slope / laws["devices-2"].slope
    overhead = laws["cluster"].slope / laws["replicates"].slope
    lines = [
        f"- A replicate at m = {m:,} takes {duration(one)} of a core, and a million of them "
        f"{duration(REPLICATES * one)}. The scheduler takes {1e3 * task:.2g} ms for a piece of work, here on cores "
        f"that it shares with the workers; a piece is up to {together:,} replicates of that size, so that one "
        f"scheduler keeps {together * one / task:,.0f} cores busy.",
        f"- On one machine a cluster of {laws.cores} workers takes {overhead:.2f} times the time of as many threads "
        "for each replicate.",
        f"- One process merges the blocks of all workers, at {1e9 * laws['merging'].slope:.3g} ns a replicate; at "
        f"m = 10,000 it keeps up with {laws['replicates'].slope * laws.cores / laws['merging'].slope:,.0f} cores.",
        f"- Runs are independent: on one machine {laws.cores} workers of a thread are {gain:.2f} times as fast as one.",
        f"- One run divided among two processes of a thread each, on one machine, is {devices:.2f} times as fast as "
        "one process.",
    ]
    for name, (training, features) in table_2(laws).items():
        share = features.seconds / (training.seconds + features.seconds)
        lines.append(
            f"- A run on {name} takes {duration(training.seconds)} of training and {duration(features.seconds)} of "
            f"Inception's features ({100 * share:.0f} % of both). All {training.number} of them on "
            f"{training.number} machines take as long as one; more machines are of use only to a run that is itself "
            "divided (`torchrun`)."
        )
    return "\n".join([*lines, ""])


def parts(path: Path) -> dict[str, str]:
    """Return the parts of docs/scaling.md by name."""
    laws = Laws.load(path)
    return {
        "scaling-laws": laws_table(laws),
        "scaling-plans": plans_table(laws),
        "scaling-sentences": sentences(laws),
    }
