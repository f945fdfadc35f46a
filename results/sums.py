"""Table of docs/mathematics.md: the law of T_m with drawn sums, as `python -m benchmarks.sums` measured it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def parts(path: Path) -> dict[str, str]:
    """Return the parts of the page by name."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    names = ("kernel", "m", "replicates", "z of the mean", "z of the variance", "z of the skewness", "quantiles", "p")
    head = [f"| {' | '.join(names)} |", "| --- |" + " ---: |" * (len(names) - 1)]
    notes = (
        "Mean and variance are compared with the exact ones and the skewness with that of drawn positions, each in "
        "standard errors; the quantiles at 1, 5, 50, 95 and 99 % by their largest difference in standard deviations of "
        "T_m; p is that of the two-sample test of Kolmogorov and Smirnov. Where positions are not drawn, these columns "
        "are empty."
    )
    return {"sums": "\n".join([*head, *map(_row, rows), "", notes, ""])}


def _row(row: Mapping[str, Any]) -> str:
    compared = [row["skewness_z"], row["largest_quantile_gap"], row["ks_p_value"]]
    formats = ("{:+.2f}", "{:.3f}", "{:.2f}")
    cells = ["" if value is None else form.format(value) for form, value in zip(formats, compared, strict=True)]
    numbers = [f"{row['m']:,}", f"{row['replicates']:,}", f"{row['mean_z']:+.2f}", f"{row['variance_z']:+.2f}"]
    return f"| {' | '.join([row['kernel'], *numbers, *cells])} |"
