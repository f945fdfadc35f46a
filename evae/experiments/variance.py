"""The ablation: how much of a result is the kernel's, how much the objective's, and how much neither's alone.

Every kernel is trained with every objective, over several seeds. An analysis of variance tells what matters over the
whole table; `decompose_gain` splits the difference between two of its cells, VAE and EVAE.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.regression.linear_model import OLS

from evae.experiments.estimates import (
    CONFIDENCE,
    ROUNDING_UNITS,
    SIGNIFICANCE,
    Estimate,
    counted,
    estimate,
    listed,
    percent,
    require_finite,
    shown,
    shown_p,
)
from theory.errors import InputError
from theory.published import holm

Matrix = NDArray[np.float64]

INTERACTION = "kernel x objective"
EFFECTS = ("kernel", "objective", INTERACTION)


class Treatment(NamedTuple):
    """What an ablation varies."""

    kernel: str
    objective: str

    def __str__(self) -> str:
        return f"{self.kernel} with {self.objective}"


@dataclass(frozen=True)
class Trial:
    """One trained model and its figure.

    Attributes
    ----------
    kernel, objective : str
    seed : int
        Trials with the same seed begin with the same weights and see the images in the same order.
    value : float

    Raises
    ------
    InputError
        If ``value`` is infinite or not a number.
    """

    kernel: str
    objective: str
    seed: int
    value: float

    def __post_init__(self) -> None:
        require_finite(self.value, f"the value of {self.treatment}, seed {self.seed},")

    @property
    def treatment(self) -> Treatment:
        """The kernel with the objective."""
        return Treatment(self.kernel, self.objective)


def treatment_estimates(trials: Iterable[Trial]) -> dict[Treatment, Estimate]:
    """Estimate the mean of every treatment over seeds, in sorted order.

    Raises
    ------
    InputError
        If there is no trial, or one treatment has two trials with one seed.
    """
    values: defaultdict[Treatment, list[float]] = defaultdict(list)
    for trial in _ordered(trials):
        values[trial.treatment].append(float(trial.value))
    return {treatment: estimate(values[treatment]) for treatment in values}


def _ordered(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials in an order that does not depend on theirs."""
    ordered = sorted(trials, key=lambda trial: (trial.treatment, trial.seed))
    if not ordered:
        raise InputError("an ablation needs trials, got none.")
    (treatment, seed), most = Counter((trial.treatment, trial.seed) for trial in ordered).most_common(1)[0]
    if most > 1:
        raise InputError(f"there are {most} trials of {treatment} and seed {seed}; keep one of them.")
    return ordered


# --- Analysis of variance --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A line of the table of an analysis of variance.

    Attributes
    ----------
    name : str
        ``"kernel"``, ``"objective"``, ``"kernel x objective"``, ``"seed"`` or ``"residual"``.
    sum_of_squares : float
    degrees_of_freedom : int
    f, p_value : float or None
        None for the residual, and for all where there is no residual to compare with.
    holm_p_value : float or None
        The p-value adjusted for the three effects; None for the seed, which is no effect of interest.
    eta_squared : float or None
        The share of the total sum of squares. The shares add up to 1 in a balanced design. None where nothing varies.
    omega_squared : float or None
        The same less what noise alone would have on average; negative estimates are given as 0. None where ``f`` is.
    """

    name: str
    sum_of_squares: float
    degrees_of_freedom: int
    f: float | None
    p_value: float | None
    holm_p_value: float | None
    eta_squared: float | None
    omega_squared: float | None

    @property
    def significant(self) -> bool:
        """Whether it is significant at 5 % after Holm's correction."""
        return self.holm_p_value is not None and self.holm_p_value < SIGNIFICANCE

    def document(self) -> dict[str, Any]:
        """Return the line as strict JSON has it."""
        return {
            "name": self.name,
            "sum_of_squares": self.sum_of_squares,
            "degrees_of_freedom": self.degrees_of_freedom,
            "f": self.f,
            "p_value": self.p_value,
            "holm_p_value": self.holm_p_value,
            "eta_squared": self.eta_squared,
            "omega_squared": self.omega_squared,
        }


@dataclass(frozen=True)
class AnalysisOfVariance:
    """A two-way analysis of variance with interaction.

    Attributes
    ----------
    sources : tuple of Source
        Kernel, objective, their interaction, the seed where it is a block, the residual.
    total_sum_of_squares : float
        About the mean of all values.
    blocked : bool
        Whether the seed is a block: every treatment has the same seeds, of which there are two or more.
    seeds : int
        How many different ones there are.
    kernels, objectives : tuple of str
    """

    sources: tuple[Source, ...]
    total_sum_of_squares: float
    blocked: bool
    seeds: int
    kernels: tuple[str, ...]
    objectives: tuple[str, ...]

    def source(self, name: str) -> Source:
        """Return the line of this name."""
        return next(source for source in self.sources if source.name == name)

    @property
    def tested(self) -> bool:
        """Whether there is a residual to test with."""
        return self.source("kernel").f is not None

    def document(self) -> dict[str, Any]:
        """Return the table as strict JSON has it."""
        return {
            "sources": [source.document() for source in self.sources],
            "total_sum_of_squares": self.total_sum_of_squares,
            "sums_of_squares": "type II",
            "blocked": self.blocked,
            "seeds": self.seeds,
            "kernels": list(self.kernels),
            "objectives": list(self.objectives),
        }


class _Square(NamedTuple):
    """A sum of squares with its degrees of freedom."""

    sum: float
    freedom: int


def two_way(trials: Iterable[Trial]) -> AnalysisOfVariance:
    """Analyse the variance between kernels, objectives and seeds.

    Parameters
    ----------
    trials : iterable of Trial
        At least two kernels and two objectives, every kernel with every objective at least once. Where treatments
        have different seeds, the seed is no block but part of the residual.

    Raises
    ------
    InputError
        If the trials are not as described, or one treatment has two with one seed.

    Notes
    -----
    The sums of squares are of type II: each main effect is what it explains beyond the other and the seed, the
    interaction what it explains beyond both. In a balanced design those of types I and III are the same. With one seed
    there is no residual, hence shares without tests; so it is where the residual is zero but for rounding.
    The tests take the noise to have one variance in all treatments; `decompose_gain` does not need that.
    """
    ordered = _ordered(trials)
    kernels, objectives = _crossed(ordered)
    seeds = {trial.seed for trial in ordered}
    blocked = len(seeds) > 1 and len(ordered) == len(kernels) * len(objectives) * len(seeds)
    squares = _squares(ordered, blocked)
    total = squares.pop("total").sum
    return AnalysisOfVariance(_sources(squares, total), total, blocked, len(seeds), kernels, objectives)


def _crossed(trials: Sequence[Trial]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the kernels and the objectives, all combinations of which must be there."""
    kernels = tuple(sorted({trial.kernel for trial in trials}))
    objectives = tuple(sorted({trial.objective for trial in trials}))
    if len(kernels) < 2 or len(objectives) < 2:
        raise InputError(
            f"a two-way analysis needs two kernels and two objectives, got {listed(kernels)} with "
            f"{listed(objectives)}; train others beside them."
        )
    treatments = {trial.treatment for trial in trials}
    for treatment in (Treatment(kernel, objective) for kernel in kernels for objective in objectives):
        if treatment not in treatments:
            raise InputError(
                f"a two-way analysis needs every kernel with every objective, and {treatment} has no trial; "
                "train it, or leave that kernel or objective out."
            )
    return kernels, objectives


def _squares(trials: Sequence[Trial], blocked: bool) -> dict[str, _Square]:
    """Return the sums of squares of type II, and the total one, by differences of residuals of nested models."""
    values, kernel, objective, seed = _design(trials, blocked)
    additive = _residual(values, kernel, objective, seed)
    full = _residual(values, kernel, objective, seed, _products(kernel, objective))
    squares = {
        "kernel": _less(_residual(values, objective, seed), additive),
        "objective": _less(_residual(values, kernel, seed), additive),
        INTERACTION: _less(additive, full),
        "seed": _less(_residual(values, kernel, objective, _products(kernel, objective)), full),
        "residual": full,
        "total": _residual(values),
    }
    # In squares, what differs by rounding is at most this; a fit's own rounding errors are of the same order.
    rounding = len(trials) * (ROUNDING_UNITS * np.finfo(float).eps * max(abs(trial.value) for trial in trials)) ** 2
    return {
        name: _Square(0.0, square.freedom) if square.sum <= rounding else square
        for name, square in squares.items()
        if blocked or name != "seed"
    }


def _design(trials: Sequence[Trial], blocked: bool) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Return the values about their mean, and the columns of the kernel, the objective and the seed."""
    values = np.array([trial.value for trial in trials])
    seed = _sum_contrasts([trial.seed for trial in trials])
    return (
        values - values.mean(),
        _sum_contrasts([trial.kernel for trial in trials]),
        _sum_contrasts([trial.objective for trial in trials]),
        seed if blocked else seed[:, :0],
    )


def _sum_contrasts(labels: Sequence[str] | Sequence[int]) -> Matrix:
    """Return a column for each level but the last: 1 at that level, -1 at the last."""
    levels, index = np.unique(np.array(labels), return_inverse=True)
    return np.vstack([np.eye(len(levels) - 1), -np.ones(len(levels) - 1)])[index]


def _products(first: Matrix, second: Matrix) -> Matrix:
    """Return the products of each column of one with each of the other."""
    return (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)


def _residual(values: Matrix, *columns: Matrix) -> _Square:
    """Return what least squares leave when a constant and these columns are fitted."""
    fit = OLS(values, np.hstack([np.ones((len(values), 1)), *columns])).fit()
    return _Square(float(fit.ssr), int(fit.df_resid))


def _less(smaller: _Square, larger: _Square) -> _Square:
    """Return what the larger of two nested models explains beyond the smaller."""
    return _Square(max(smaller.sum - larger.sum, 0.0), smaller.freedom - larger.freedom)


def _sources(squares: Mapping[str, _Square], total: float) -> tuple[Source, ...]:
    residual = squares["residual"]
    error = residual.sum / residual.freedom if residual.freedom else 0.0
    tests = {name: _f_test(square, residual, error) for name, square in squares.items() if name != "residual"}
    effects = [p for name in EFFECTS if (p := tests[name][1]) is not None]
    adjusted = dict(zip(EFFECTS, holm(effects), strict=False))
    return tuple(
        Source(
            name,
            square.sum,
            square.freedom,
            *tests.get(name, (None, None)),
            adjusted.get(name),
            square.sum / total if total else None,
            max(square.sum - square.freedom * error, 0.0) / (total + error) if error and name in tests else None,
        )
        for name, square in squares.items()
    )


def _f_test(square: _Square, residual: _Square, error: float) -> tuple[float | None, float | None]:
    if not error:
        return None, None
    f = square.sum / square.freedom / error
    return f, float(stats.f.sf(f, square.freedom, residual.freedom))


# --- Decomposition of a gain -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """A part of a gain as a fraction of it, with Fieller's 95 % interval for the ratio of two means."""

    value: float
    interval: tuple[float, float]

    @property
    def rest(self) -> Share:
        """What is left of the whole."""
        return Share(1 - self.value, (1 - self.interval[1], 1 - self.interval[0]))

    def document(self) -> dict[str, Any]:
        """Return the share as strict JSON has it."""
        return {"value": self.value, "interval": list(self.interval)}


@dataclass(frozen=True)
class Decomposition:
    """The gain from one treatment to another, split between the kernel and the objective.

    All are estimated from one number a seed. ``kernel.mean + objective.mean`` is ``gain.mean``.

    Attributes
    ----------
    start, end : Treatment
    lower_is_better : bool
    gain : Estimate
        Positive where ``end`` is the better one.
    kernel, objective : Estimate
        The part of each, averaged over the two orders of exchanging them (Shapley value).
    kernel_first, kernel_last : Estimate
        What exchanging the kernel gains with the objective of ``start``, and with that of ``end``.
    objective_first, objective_last : Estimate
        What exchanging the objective gains with the kernel of ``start``, and with that of ``end``.
    interaction : Estimate
        ``kernel_last - kernel_first``, which is ``objective_last - objective_first``.
    kernel_share, objective_share : Share or None
        Of the gain. None where the gain's interval holds 0, for the ratio's interval is unbounded exactly then, and
        where the gain has no interval.
    left_out : tuple of int
        Seeds with some of the four treatments, but not all.
    """

    start: Treatment
    end: Treatment
    lower_is_better: bool
    gain: Estimate
    kernel: Estimate
    objective: Estimate
    kernel_first: Estimate
    kernel_last: Estimate
    objective_first: Estimate
    objective_last: Estimate
    interaction: Estimate
    left_out: tuple[int, ...]

    @property
    def kernel_share(self) -> Share | None:
        """The kernel's part as a fraction of the gain."""
        return _fieller(self.kernel.values, self.gain) if self.gain.sign else None

    @property
    def objective_share(self) -> Share | None:
        """The objective's part as a fraction of the gain."""
        return None if self.kernel_share is None else self.kernel_share.rest

    def document(self) -> dict[str, Any]:
        """Return the decomposition as strict JSON has it."""
        names = ("gain", "kernel", "objective", "kernel_first", "kernel_last", "objective_first", "objective_last")
        shares = {"kernel_share": self.kernel_share, "objective_share": self.objective_share}
        return {
            "start": self.start._asdict(),
            "end": self.end._asdict(),
            "lower_is_better": self.lower_is_better,
            **{name: getattr(self, name).document() for name in (*names, "interaction")},
            **{name: None if share is None else share.document() for name, share in shares.items()},
            "left_out": list(self.left_out),
        }


def decompose_gain(
    trials: Iterable[Trial],
    start: tuple[str, str] = ("gaussian", "elbo"),
    end: tuple[str, str] = ("epanechnikov", "kde-bound"),
    *,
    lower_is_better: bool = True,
) -> Decomposition:
    """Split the gain from ``start`` to ``end`` into the part of the kernel and the part of the objective.

    Parameters
    ----------
    trials : iterable of Trial
        Those of other treatments than the four that the two kernels make with the two objectives are not used.
    start, end : (kernel, objective)
        They differ in both.
    lower_is_better : bool

    Raises
    ------
    InputError
        If ``start`` and ``end`` share the kernel or the objective, no seed has all four treatments, or one treatment
        has two trials with one seed.

    Examples
    --------
    >>> values = {"gaussian": {"elbo": 9, "kde-bound": 3}, "epanechnikov": {"elbo": 8, "kde-bound": 1}}
    >>> trials = [Trial(kernel, objective, 0, v) for kernel, row in values.items() for objective, v in row.items()]
    >>> split = decompose_gain(trials)
    >>> split.gain.mean, split.kernel.mean, split.objective.mean
    (8.0, 1.5, 6.5)
    """
    first, last = Treatment(*start), Treatment(*end)
    if first.kernel == last.kernel or first.objective == last.objective:
        raise InputError(
            f"a gain is split between two that differ in kernel and objective, got {first} and {last}; name another."
        )
    corners = (first, first._replace(kernel=last.kernel), first._replace(objective=last.objective), last)
    values, left_out = _corner_values(trials, corners)
    return _decomposition(first, last, lower_is_better, values, left_out)


def _corner_values(trials: Iterable[Trial], corners: Sequence[Treatment]) -> tuple[Matrix, tuple[int, ...]]:
    """Return the values of shape (seeds, corners), and the seeds that lack some."""
    by_seed: defaultdict[int, dict[Treatment, float]] = defaultdict(dict)
    for trial in _ordered(trials):
        if trial.treatment in corners:
            by_seed[trial.seed][trial.treatment] = trial.value
    whole = [seed for seed in sorted(by_seed) if len(by_seed[seed]) == len(corners)]
    if not whole:
        raise InputError(
            f"to split the gain, one seed must have {listed([str(corner) for corner in corners])}, and none has all; "
            "train what is missing."
        )
    values = np.array([[by_seed[seed][corner] for corner in corners] for seed in whole], dtype=float)
    return values, tuple(seed for seed in sorted(by_seed) if seed not in whole)


def _decomposition(
    start: Treatment, end: Treatment, lower_is_better: bool, values: Matrix, left_out: tuple[int, ...]
) -> Decomposition:
    magnitude = float(np.abs(values).max())
    old, kernel_only, objective_only, new = (-1 if lower_is_better else 1) * values.T

    def estimated(gains: Matrix) -> Estimate:
        return estimate(gains.tolist(), magnitude)

    return Decomposition(
        start,
        end,
        lower_is_better,
        gain=estimated(new - old),
        kernel=estimated(((kernel_only - old) + (new - objective_only)) / 2),
        objective=estimated(((objective_only - old) + (new - kernel_only)) / 2),
        kernel_first=estimated(kernel_only - old),
        kernel_last=estimated(new - objective_only),
        objective_first=estimated(objective_only - old),
        objective_last=estimated(new - kernel_only),
        interaction=estimated((new - objective_only) - (kernel_only - old)),
        left_out=left_out,
    )


def _fieller(part: Sequence[float], gain: Estimate) -> Share:
    """Return the mean of ``part`` over that of ``gain``, where the latter's interval does not hold 0.

    Fieller's interval is that of all ratios q for which a t-test does not reject that the mean of part - q gain is 0:
    the values between the roots of a quadratic, whose leading coefficient is positive under that condition.
    """
    covariance = np.cov(part, gain.values) * stats.t.ppf((1 + CONFIDENCE) / 2, gain.n - 1) ** 2 / gain.n
    mean = float(np.mean(part))
    a = gain.mean**2 - covariance[1, 1]
    b = mean * gain.mean - covariance[0, 1]
    c = mean**2 - covariance[0, 0]
    width = math.sqrt(max(b**2 - a * c, 0.0))
    return Share(mean / gain.mean, (float(b - width) / float(a), float(b + width) / float(a)))


# --- Words -----------------------------------------------------------------------------------------------------------


def paragraph(
    metric: str,
    unit: str,
    decomposition: Decomposition,
    analysis: AnalysisOfVariance | None = None,
    names: tuple[str, str] = ("VAE", "EVAE"),
) -> str:
    """Say in plain words whose the gain is, and what the analysis of variance says of the whole table.

    Parameters
    ----------
    metric, unit : str
        As in a sentence: "reconstruction error" and "nats"; the unit may be empty.
    decomposition : Decomposition
    analysis : AnalysisOfVariance or None
    names : (str, str)
        What the start and the end of the decomposition are called.
    """
    words = _Words(metric, f" {unit}" if unit else "", decomposition, names)
    sentences = [words.on_gain(), words.on_parts(), words.on_conclusion(), words.on_interaction(), words.on_left_out()]
    if analysis is not None:
        sentences.append(_on_analysis(analysis))
    return " ".join(sentence for sentence in sentences if sentence)


@dataclass(frozen=True)
class _Words:
    """The sentences on a decomposition."""

    metric: str
    unit: str
    split: Decomposition
    names: tuple[str, str]

    def on_gain(self) -> str:
        gain, (old, new) = self.split.gain, self.names
        if not gain.mean:
            return f"{new} and {old} have the same {self.metric} on average over {counted(gain.n, 'seed')}."
        direction = "lower" if (gain.mean > 0) == self.split.lower_is_better else "higher"
        interval = f"95 % interval {between}, " if (between := _interval(gain, self._whole)) else ""
        doubt = "" if gain.sign or gain.interval is None else ", which may be chance"
        return (
            f"{new} has a {direction} {self.metric} than {old}, by {shown(abs(gain.mean))}{self.unit} "
            f"({interval}{counted(gain.n, 'seed')}){doubt}."
        )

    def on_parts(self) -> str:
        split = self.split
        kernel = self._part("the kernel", split.kernel, split.kernel_share)
        objective = self._part("the objective", split.objective, split.objective_share)
        averaged = "veraged over the two orders of exchanging them"
        beginning = f"Of this {'gain' if split.gain.mean > 0 else 'loss'}, a" if split.gain.mean else "A"
        return f"{beginning}{averaged}, {kernel} and {objective}."

    def _part(self, who: str, part: Estimate, share: Share | None) -> str:
        """Say what part one of the two has; the sign is that of the gain or loss which is split."""
        uncertainty = [text for text in (_interval(part, self._whole), share and _percent(share)) if text]
        brackets = f" ({'; '.join(uncertainty)})" if uncertainty else ""
        return f"{who} accounts for {shown(self._whole * part.mean)}{self.unit}{brackets}"

    @property
    def _whole(self) -> int:
        """-1 where a loss is split, so that what causes it counts positive; otherwise 1."""
        return -1 if self.split.gain.mean < 0 else 1

    def on_conclusion(self) -> str:
        """Say which parts are told from zero."""
        if self.split.gain.n == 1:
            return "With one seed, no uncertainty can be given, and none of this can be told from chance."
        kernel = self._conclusion("kernel", self.split.kernel)
        return f"At 5 %, {kernel}, and {self._conclusion('objective', self.split.objective)}."

    def _conclusion(self, who: str, part: Estimate) -> str:
        if part.interval is None:
            return f"the {who}'s part does not vary from seed to seed, so that it cannot be tested"
        if not part.sign:
            return f"the {who}'s part cannot be told from zero"
        return f"the {who} {'improves' if part.sign > 0 else 'worsens'} the {self.metric}"

    def on_interaction(self) -> str:
        split = self.split
        return (
            f"Exchanging the kernel gains {self._amount(split.kernel_first)} under {split.start.objective} and "
            f"{self._amount(split.kernel_last)} under {split.end.objective}; exchanging the objective gains "
            f"{self._amount(split.objective_first)} with the {split.start.kernel} kernel and "
            f"{self._amount(split.objective_last)} with the {split.end.kernel} kernel{self._on_dependence()}."
        )

    def _amount(self, part: Estimate) -> str:
        return f"{shown(part.mean)}{self.unit}"

    def _on_dependence(self) -> str:
        interaction = self.split.interaction
        if interaction.interval is None:
            return ""
        size = f"interaction {self._amount(interaction)}, {_interval(interaction)}"
        if not interaction.sign:
            return f"; the two effects may simply add up ({size})"
        larger = abs(interaction.mean) > max(abs(self.split.kernel.mean), abs(self.split.objective.mean))
        dominance = ", by more than either part, so that the split is a convention" if larger else ""
        return f"; the effect of one depends on the other ({size}){dominance}"

    def on_left_out(self) -> str:
        left_out = self.split.left_out
        if not left_out:
            return ""
        seeds = listed([str(seed) for seed in left_out])
        return f"Left out for want of one of the four models: {'seed' if len(left_out) == 1 else 'seeds'} {seeds}."


def _interval(part: Estimate, sign: int = 1) -> str:
    """Return the interval of ``sign`` times the estimate in words, empty where there is none."""
    if part.interval is None:
        return ""
    low, high = sorted(sign * bound for bound in part.interval)
    return f"{shown(low)} to {shown(high)}"


def _percent(share: Share) -> str:
    low, high = share.interval
    return f"{percent(share.value)} of it, {percent(low)} to {percent(high)}"


def _on_analysis(analysis: AnalysisOfVariance) -> str:
    """Say what each effect has of the sum of squares, and which effects are significant."""
    if not analysis.total_sum_of_squares:
        return "In the analysis of variance nothing varies."
    table = f"{counted(len(analysis.kernels), 'kernel')} and {counted(len(analysis.objectives), 'objective')}"
    shares = listed([f"{_effect(s)} {_source_words(s)}" for s in analysis.sources])
    sentence = f"Over {table}, the analysis of variance gives, of the sum of squares, {shares}."
    if not analysis.tested:
        reason = "one seed leaves" if analysis.seeds == 1 else "the residual is zero, which leaves"
        return f"{sentence} No effect is tested, for {reason} nothing to compare with."
    significant = [_effect(s) for s in analysis.sources if s.significant]
    others = [_effect(s) for s in analysis.sources if s.holm_p_value is not None and not s.significant]
    if not significant:
        return f"{sentence} No effect is significant at 5 % after Holm."
    rest = f"; not significant: {listed(others)}" if others else ""
    return f"{sentence} Significant at 5 % after Holm: {listed(significant)}{rest}."


def _effect(source: Source) -> str:
    return "their interaction" if source.name == INTERACTION else f"the {source.name}"


def _source_words(source: Source) -> str:
    share = percent(source.eta_squared or 0.0)
    if source.f is None or source.p_value is None or source.holm_p_value is None:
        return share
    return f"{share} (F = {shown(source.f)}, {shown_p(source.p_value)})"
