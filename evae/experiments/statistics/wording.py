"""Wording of numbers and estimates in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from evae.experiments.statistics.digits import Digits
from evae.experiments.statistics.estimates import FEWEST_SEEDS, SIGNIFICANCE, Estimate
from foundation.typography import format_count


def show_interval(found: Estimate, digits: Digits, sign: int = 1) -> str:
    """Format the interval of ``sign`` times the estimate; empty if there is none."""
    if found.interval is None:
        return ""
    low, high = sorted(sign * bound for bound in found.interval)
    return f"{digits.show(low)} to {digits.show(high)}"


def on_evidence(interval: str, seeds: int) -> str:
    """Describe the number of seeds of an estimate, and its interval if there is one.

    Examples
    --------
    >>> on_evidence("20.1 to 23.0", 3), on_evidence("", 1)
    ('95 % interval 20.1 to 23.0, 3 seeds', '1 seed')
    """
    return f"95 % interval {interval}, {format_count(seeds, 'seed')}" if interval else format_count(seeds, "seed")


def too_few(seeds: int) -> str:
    """Describe a number of seeds that is too small for a verdict; empty otherwise.

    Examples
    --------
    >>> too_few(1), too_few(2), too_few(3)
    ('one seed is too few', 'two seeds are too few', '')
    """
    assert FEWEST_SEEDS == 3
    return {1: "one seed is too few", 2: "two seeds are too few"}.get(seeds, "")


def on_left_out(seeds: Sequence[int], models: str) -> str:
    """Describe the seeds that are left out because they lack a model; empty if there are none.

    Examples
    --------
    >>> on_left_out([2], "the four models")
    'Seed 2 lacks one of the four models, and is left out.'
    """
    if not seeds:
        return ""
    named = listed([str(seed) for seed in seeds])
    if len(seeds) == 1:
        return f"Seed {named} lacks one of {models}, and is left out."
    return f"Seeds {named} lack one of {models}, and are left out."


def shown_p(p_value: float) -> str:
    """Format a p-value in a sentence, as `format_p` does.

    Examples
    --------
    >>> shown_p(1 / 256), shown_p(1e-20)
    ('p = 0.0039', 'p < 1e-16')
    """
    shown = format_p(p_value)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def format_p(p_value: float) -> str:
    """Format a p-value with two significant digits, or as many as are needed to show on which side of 5 % it lies.

    Examples
    --------
    >>> format_p(1 / 256), format_p(0.04998), format_p(1e-20)
    ('0.0039', '0.04998', '< 1e-16')
    """
    if p_value < 1e-16:
        return "< 1e-16"
    significant = p_value < SIGNIFICANCE
    digits = next((d for d in range(2, 17) if (float(f"{p_value:.{d}g}") < SIGNIFICANCE) == significant), 17)
    return f"{p_value:.{digits}g}"


def listed(words: Sequence[str]) -> str:
    """Join words with commas and a final "and".

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def label(model: str) -> str:
    """Return the name of a model as the paper writes it.

    Examples
    --------
    >>> label("evae"), label("evae-exact")
    ('EVAE', 'evae-exact')
    """
    return model.upper() if model in {"vae", "evae"} else model
