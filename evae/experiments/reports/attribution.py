"""The ablation in words: the gain, its split between kernel and objective, and one verdict on each.

Every verdict follows from a printed 95 % interval of paired differences. From the analysis of variance, the text gives
only the shares, which are descriptive; its tests are in the JSON document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from evae.experiments.statistics.anova import INTERACTION, AnalysisOfVariance, analyse
from evae.experiments.statistics.decomposition import Decomposition, Share, decompose_gain
from evae.experiments.statistics.digits import Split, common_digits, percentages
from evae.experiments.statistics.estimates import Estimate
from evae.experiments.statistics.trials import Trial
from evae.experiments.statistics.wording import listed, on_evidence, on_left_out, show_interval, too_few
from foundation.errors import InputError
from foundation.typography import format_count

#: The names of the sources of variation in a sentence.
_OWNERS = {"kernel": "the kernel", "objective": "the objective", INTERACTION: "their interaction", "seed": "the seed"}


@dataclass(frozen=True)
class Attribution:
    """The gain in one metric, attributed.

    Attributes
    ----------
    paragraph : str
    split : Decomposition or None
        None if every seed lacks one of the four models.
    table : AnalysisOfVariance or None
        None if every seed lacks a model of the whole table.
    """

    paragraph: str
    split: Decomposition | None = None
    table: AnalysisOfVariance | None = None

    def document(self) -> dict[str, Any]:
        """Return the figures as strict JSON."""
        return {
            "decomposition": None if self.split is None else self.split.document(),
            "analysis_of_variance": None if self.table is None else self.table.document(),
        }


def attribute(metric: str, unit: str, trials: Sequence[Trial], *, lower_is_better: bool = True) -> Attribution:
    """Attribute the gain in a metric to the kernel and the objective.

    Parameters
    ----------
    metric, unit : str
        As in a sentence: "reconstruction error" and "nats"; the unit may be empty.
    trials : sequence of Trial
    lower_is_better : bool
    """
    try:
        split = decompose_gain(trials, lower_is_better=lower_is_better)
    except InputError as error:
        return Attribution(f"The gain in {metric} cannot be split: {error}")
    sentences = _split_sentences(metric, unit, split)
    try:
        table = analyse(trials)
    except InputError as error:
        return Attribution(" ".join([*sentences, f"The whole table cannot be analysed: {error}"]), split)
    return Attribution(" ".join([*sentences, *_table_sentences(table)]), split, table)


@dataclass(frozen=True)
class Amount:
    """A mean as printed, with its printed value and its interval, which is empty if there is none."""

    mean: str
    value: Decimal
    interval: str


@dataclass(frozen=True)
class Amounts:
    """A gain and its parts as printed. The parts of kernel and objective add up to the gain."""

    gain: Amount
    kernel: Amount
    objective: Amount
    interaction: Amount

    @classmethod
    def of(cls, split: Decomposition, sign: int = 1) -> Amounts:
        """Format ``sign`` times the means and intervals, all with the same digits."""
        parts = {name: getattr(split, name) for name in ("gain", "kernel", "objective", "interaction")}
        means = {name: sign * part.mean for name, part in parts.items()}
        bounds = [bound for part in parts.values() for bound in part.interval or ()]
        sums = Split(means["gain"], means["kernel"], means["objective"])
        digits = common_digits([means["interaction"], *bounds], sums)
        kernel, objective = digits.rounded_parts(sums)
        rounded = {name: digits.rounded(mean) for name, mean in means.items()}
        rounded |= {"kernel": kernel, "objective": objective}
        return cls(
            **{
                name: Amount(digits.write(rounded[name], mean), rounded[name], show_interval(parts[name], digits, sign))
                for name, mean in means.items()
            }
        )


def _split_sentences(metric: str, unit: str, split: Decomposition) -> list[str]:
    """Describe EVAE's gain over VAE, its split, and which parts differ significantly from zero."""
    amounts = Amounts.of(split, -1 if split.gain.mean < 0 else 1)
    words = _Words(metric, f" {unit}" if unit else "", split, amounts)
    sentences = (words.on_gain(), words.on_parts(), words.on_verdicts(), words.on_interaction())
    left_out = on_left_out(split.left_out, "the four models")
    return [sentence for sentence in (*sentences, left_out) if sentence]


@dataclass(frozen=True)
class _Words:
    """The sentences on a decomposition. Amounts are signed so that contributions to the gain or loss are positive."""

    metric: str
    unit: str
    split: Decomposition
    amounts: Amounts

    def on_gain(self) -> str:
        gain, amount = self.split.gain, self.amounts.gain
        if not gain.mean:
            return f"EVAE and VAE have the same {self.metric} on average over {format_count(gain.n, 'seed')}."
        direction = "lower" if (gain.mean > 0) == self.split.lower_is_better else "higher"
        evidence = on_evidence(amount.interval, gain.n)
        doubt = "" if gain.sign or gain.interval is None else ", which cannot be told from zero"
        return f"EVAE has a {direction} {self.metric} than VAE, by {amount.mean}{self.unit} ({evidence}){doubt}."

    def on_parts(self) -> str:
        gain, share = self.split.gain.mean, self.split.kernel_share
        whole = f" of this {'gain' if gain > 0 else 'loss'}" if gain else ""
        shares = self._shares(share) if share else ("", "")
        return (
            "Averaged over the two orders of exchanging them, the kernel accounts for "
            f"{self._part(self.amounts.kernel, whole)}{shares[0]} and the objective for "
            f"{self._part(self.amounts.objective)}{shares[1]}."
        )

    def _part(self, amount: Amount, whole: str = "") -> str:
        interval = f" ({amount.interval})" if amount.interval else ""
        return f"{amount.mean}{self.unit}{whole}{interval}"

    def _shares(self, kernel: Share) -> tuple[str, str]:
        """Format the shares of the kernel, with its interval, and of the objective."""
        parts = Split(100.0, 100 * kernel.value, 100 * kernel.rest.value)
        bounds = [100 * bound for bound in kernel.interval]
        digits = common_digits(bounds, parts)
        own, rest = map(digits.write, digits.rounded_parts(parts), (parts.first, parts.second))
        low, high = map(digits.show, bounds)
        return f", or {own} % ({low} % to {high} %),", f", or {rest} %"

    def on_verdicts(self) -> str:
        """Describe which parts differ significantly from zero."""
        few = too_few(self.split.gain.n)
        if few:
            return f"{few.capitalize()} to tell any of this from chance."
        kernel = self._verdict("kernel", self.split.kernel)
        return f"By these intervals, {kernel}, and {self._verdict('objective', self.split.objective)}."

    def _verdict(self, who: str, part: Estimate) -> str:
        if part.interval is None:
            return f"the {who}'s part is the same on every seed and cannot be tested"
        if not part.sign:
            return f"the {who}'s part cannot be told from zero"
        return f"the {who} {'improves' if part.sign > 0 else 'worsens'} the {self.metric}"

    def on_interaction(self) -> str:
        interaction, amounts = self.split.interaction, self.amounts
        if interaction.interval is None:
            return ""
        size = f"{amounts.interaction.mean}{self.unit}, {amounts.interaction.interval}"
        if not interaction.sign:
            return f"Their interaction cannot be told from zero ({size})."
        larger = abs(amounts.interaction.value) > max(abs(amounts.kernel.value), abs(amounts.objective.value))
        dominance = ", by more than either part, so that the split is a convention" if larger else ""
        return f"The effect of one depends on the other (interaction {size}){dominance}."


def _table_sentences(table: AnalysisOfVariance) -> list[str]:
    """Describe the split of the sum of squares of the whole table, without a verdict."""
    kernels, objectives = format_count(len(table.kernels), "kernel"), format_count(len(table.objectives), "objective")
    place = f"{kernels}, {objectives} and {format_count(len(table.seeds), 'seed')}"
    shares = {source.name: source.share for source in table.sources if source.share is not None}
    if shares:
        sentence = f"Of the sum of squares over {place}, {_on_shares(shares, table.error_share)}."
    else:
        sentence = f"Over {place} nothing varies."
    left_out = on_left_out(table.left_out, f"the {len(table.kernels) * len(table.objectives)} models of the table")
    return [sentence, left_out] if left_out else [sentence]


def _on_shares(shares: Mapping[str, float], error: float) -> str:
    found = {owner: shares[name] for name, owner in _OWNERS.items() if name in shares}
    if "seed" in shares:
        found["the variation of these effects over the seeds"] = error
    percent = percentages(list(found.values()))
    verbs = ("has ", *[""] * (len(found) - 1))
    return listed([f"{owner} {verb}{share}" for owner, verb, share in zip(found, verbs, percent, strict=True)])
