"""Sentences that are computed from numbers never contradict each other, nor the numbers.

Every paragraph is read back: each of its sentences must be of a known form, no form may come twice, and what it says is
compared with its other sentences, as they are printed, and with statistics that are computed here by other means.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from evae.experiments.reports.attribution import attribute
from evae.experiments.statistics.comparison import compare
from evae.experiments.statistics.equal_rate import compare_at_equal_rate
from evae.experiments.statistics.measurements import Criterion, Measurement
from tests.evae.experiments.tables import FIRST, KERNELS, LAST, OBJECTIVES, Values, trials_of
from tests.support.peers import adjusted

TABLES = 200

NUMBER = r"just above 0|just below 0|-?\d+(?:\.\d+)?(?:e[+-]\d+)?"

CANNOT_BE_TOLD = "cannot be told from zero"


@dataclass(frozen=True)
class Number:
    """A number as it is read: its value, and its sign, which words may have where the value is 0."""

    value: Decimal
    sign: int
    half: Decimal

    @classmethod
    def read(cls, text: str) -> Number:
        if text.startswith("just"):
            return cls(Decimal(0), 1 if "above" in text else -1, Decimal("inf"))
        value = Decimal(text)
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        return cls(value, int(value.compare(Decimal(0))), Decimal(1).scaleb(exponent) / 2)

    def is_of(self, true: float, scale: float, halves: int = 1) -> bool:
        """Tell whether it is a number to some halves of the last place, and the rounding of numbers of this scale."""
        rounding = 1e-12 * scale
        sign = 0 if abs(true) <= rounding else int(np.sign(true))
        return (sign in (0, self.sign)) and abs(self.value - Decimal(true)) <= halves * self.half + Decimal(rounding)


def read(texts: Mapping[str, str | None], *names: str) -> list[Number]:
    return [Number.read(text) for name in names if (text := texts[name]) is not None]


def told(low: Number, high: Number) -> int:
    """The side of 0 on which an interval lies, as it is printed; 0 where it holds 0."""
    return low.sign if low.sign == high.sign else 0


def sentences(paragraph: str, forms: Mapping[str, str]) -> dict[str, dict[str, str | None]]:
    """Take a paragraph apart; every sentence must have a form, and no form may come twice."""
    patterns = {name: re.compile(form.replace("NUM", NUMBER)) for name, form in forms.items()}
    found: dict[str, dict[str, str | None]] = {}
    for sentence in re.split(r"(?<=\.) (?=[A-Z])", paragraph):
        matches = {name: match for name, form in patterns.items() if (match := form.fullmatch(sentence))}
        assert len(matches) == 1, f"{sentence!r} has the forms {list(matches)}"
        ((name, match),) = matches.items()
        assert name not in found, f"{sentence!r} is the second of its form"
        found[name] = match.groupdict()
    return found


def draws() -> Iterator[np.random.Generator]:
    return (np.random.default_rng([50, table]) for table in range(TABLES))


def simulated(generator: np.random.Generator) -> Values:
    """A table with random effects, noise and scale, ties, and runs that are missing."""
    seeds = int(generator.integers(1, 11))
    means = generator.normal(size=(3, 3)) * generator.choice([0, 0.01, 1, 100])
    means[:, 1] += generator.choice([0, 0, 0.1, 20])
    means[0] += generator.choice([0, 0, 0.1, 20])
    noise = 10 ** generator.uniform(-4, 1) * generator.choice([0, 1, 1, 1])
    values = 130 * generator.choice([0, 1]) + means[:, :, None] + generator.normal(size=seeds)
    values = values + noise * generator.normal(size=(1, 3, seeds)) + noise * generator.normal(size=(3, 3, seeds))
    if generator.random() < 0.25:
        values = values.round()
    values = values * 10 ** float(generator.choice([0, 0, -12, -5, 7, 12]))
    missing = generator.random(values.shape) < generator.choice([0, 0, 0.03, 0.3])
    return np.where(missing, np.nan, values)


INTERVAL = "(?P<{0}_low>NUM) to (?P<{0}_high>NUM)"

PARTS = (
    "Averaged over the two orders of exchanging them, the kernel accounts for (?P<kernel>NUM) nats"
    f"(?: of this (?P<whole>gain|loss))?(?: \\({INTERVAL.format('kernel')}\\))?"
    r"(?:, or (?P<kernel_share>NUM) % \((?P<share_low>NUM) % to (?P<share_high>NUM) %\),)? and the objective for "
    f"(?P<objective>NUM) nats(?: \\({INTERVAL.format('objective')}\\))?(?:, or (?P<objective_share>NUM) %)?\\."
)

VERDICT = (
    "(?:the {0}'s part (?P<{0}_open>cannot be told from zero|is the same on every seed and cannot be tested)"
    "|the {0} (?P<{0}_verdict>improves|worsens) the error)"
)

TABLE = (
    r"Of the sum of squares over 3 kernels, 3 objectives and (?P<table_seeds>\d+) seeds?, the kernel has (?P<a>[^,]+), "
    r"the objective (?P<b>[^,]+?)(?: and|,) their interaction (?P<c>[^,]+?)"
    r"(?:, the seed (?P<d>[^,]+) and the variation of these effects over the seeds (?P<e>[^,]+))?\."
)

ABLATION = {
    "gain": r"EVAE has a (?P<direction>lower|higher) error than VAE, by (?P<gain>NUM) nats "
    rf"\((?:95 % interval {INTERVAL.format('gain')}, )?(?P<seeds>\d+) seeds?\)(?P<doubt>, which {CANNOT_BE_TOLD})?\.",
    "same": r"EVAE and VAE have the same error on average over (?P<seeds>\d+) seeds?\.",
    "parts": PARTS,
    "verdicts": f"By these intervals, {VERDICT.format('kernel')}, and {VERDICT.format('objective')}\\.",
    "too few": r"(?P<few>One seed is|Two seeds are) too few to tell any of this from chance\.",
    "interaction": f"(?:Their interaction (?P<interaction_open>{CANNOT_BE_TOLD}) \\("
    r"|The effect of one depends on the other \(interaction )"
    f"(?P<interaction>NUM) nats, {INTERVAL.format('interaction')}\\)"
    r"(?P<dominates>, by more than either part, so that the split is a convention)?\.",
    "table": TABLE,
    "nothing": r"Over 3 kernels, 3 objectives and \d+ seeds? nothing varies\.",
    "left out of the split": r"Seeds? [\d, and]+ lacks? one of the four models, and (?:is|are) left out\.",
    "left out of the table": r"Seeds? [\d, and]+ lacks? one of the 9 models of the table, and (?:is|are) left out\.",
    "no table": r"The whole table cannot be analysed: one seed must have .*\.",
    "no split": r"The gain in error cannot be split: one seed must have .*\.",
    "remedy": r"Train what is missing\.",
}


@dataclass(frozen=True)
class Contrasts:
    """The gain and its parts by seed, as the definition has them, positive for what lowers or raises as is better."""

    gain: Values
    kernel: Values
    objective: Values
    interaction: Values
    scale: float

    @classmethod
    def of(cls, values: Values, lower_is_better: bool) -> Contrasts | None:
        cells = {(KERNELS[k], OBJECTIVES[o]): values[k, o] for k in range(3) for o in range(3)}
        four = np.array([cells[FIRST], cells["epanechnikov", "elbo"], cells["gaussian", "kde-bound"], cells[LAST]])
        whole = four[:, ~np.isnan(four).any(0)] * (-1 if lower_is_better else 1)
        if not whole.size:
            return None
        old, kernel_only, objective_only, new = whole
        first, last = kernel_only - old, new - objective_only
        kernel = (first + last) / 2
        return cls(new - old, kernel, new - old - kernel, last - first, float(np.abs(whole).max()))

    def interval(self, name: str) -> tuple[float, float] | None:
        """SciPy's 95 % interval of a mean, where three seeds or more vary."""
        values = getattr(self, name)
        if len(values) < 3 or np.ptp(values) <= 1e-13 * self.scale:
            return None
        return tuple(stats.ttest_1samp(values, 0).confidence_interval(0.95))


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_the_paragraphs_of_the_ablation_agree_with_themselves_and_with_the_numbers(lower_is_better: bool) -> None:
    seen = set()
    for generator in draws():
        values = simulated(generator)
        text = attribute("error", "nats", trials_of(values), lower_is_better=lower_is_better).paragraph
        said = sentences(text, ABLATION)
        seen |= set(said)
        try:
            found = Contrasts.of(values, lower_is_better)
            if found is None:
                assert set(said) == {"no split", "remedy"}
                continue
            assert len({"table", "nothing", "no table"} & set(said)) == 1
            assert len({"verdicts", "too few"} & set(said)) == 1
            check_gain(said, found, lower_is_better)
            check_parts(said, found)
            check_verdicts(said, found)
            check_interaction(said)
            check_shares(said.get("table"))
        except AssertionError as error:
            raise AssertionError(f"{text}\n{error}") from error
    assert seen == set(ABLATION)


Said = Mapping[str, Mapping[str, str | None]]


def whole_of(said: Said) -> int:
    return -1 if said["parts"]["whole"] == "loss" else 1


def check_gain(said: Said, found: Contrasts, lower_is_better: bool) -> None:
    mean = float(found.gain.mean())
    if "same" in said:
        assert abs(mean) <= 1e-13 * found.scale
        assert said["parts"]["whole"] is None
        assert int(said["same"]["seeds"] or 0) == len(found.gain)
        return
    gain = said["gain"]
    (amount,) = read(gain, "gain")
    assert amount.sign == 1
    assert amount.is_of(abs(mean), found.scale)
    assert (gain["direction"] == "lower") == ((mean > 0) == lower_is_better)
    assert said["parts"]["whole"] == ("gain" if mean > 0 else "loss")
    assert int(gain["seeds"] or 0) == len(found.gain)
    check_interval(read(gain, "gain_low", "gain_high"), amount, found, "gain", whole_of(said))
    if gain["gain_low"] is not None:
        assert (gain["doubt"] is None) == (told(*read(gain, "gain_low", "gain_high")) != 0)
    else:
        assert gain["doubt"] is None


def check_interval(printed: list[Number], mean: Number, found: Contrasts, name: str, whole: int) -> None:
    """The printed interval holds the printed mean, and is SciPy's."""
    expected = found.interval(name)
    assert bool(printed) == (expected is not None)
    if expected is not None:
        low, high = printed
        assert low.value <= mean.value <= high.value
        for bound, true in zip(printed, sorted(whole * bound for bound in expected), strict=True):
            assert bound.is_of(true, found.scale)


def check_parts(said: Said, found: Contrasts) -> None:
    parts, whole = said["parts"], whole_of(said)
    kernel, objective = read(parts, "kernel", "objective")
    (gain,) = read(said["gain"], "gain") if "gain" in said else (Number(Decimal(0), 0, Decimal(0)),)
    assert kernel.value + objective.value == gain.value
    for name, part in (("kernel", kernel), ("objective", objective)):
        # The larger part may have taken a unit of the last place that rounding left over.
        assert part.is_of(whole * float(getattr(found, name).mean()), found.scale, halves=3)
        check_interval(read(parts, f"{name}_low", f"{name}_high"), part, found, name, whole)
    if parts["kernel_share"] is None:
        assert parts["objective_share"] is None
        return
    share, rest, low, high = read(parts, "kernel_share", "objective_share", "share_low", "share_high")
    assert share.value + rest.value == 100
    assert low.value <= share.value <= high.value
    assert told(low, high) == told(*read(parts, "kernel_low", "kernel_high"))
    assert share.sign == kernel.sign
    assert told(*read(said["gain"], "gain_low", "gain_high")) == 1


def check_verdicts(said: Said, found: Contrasts) -> None:
    few = {1: "One seed is", 2: "Two seeds are"}.get(len(found.gain))
    if few:
        assert said["too few"]["few"] == few
        assert not {"interaction", "verdicts"} & set(said)
        return
    verdicts, parts = said["verdicts"], said["parts"]
    for name in ("kernel", "objective"):
        bounds = read(parts, f"{name}_low", f"{name}_high")
        if not bounds:
            assert verdicts[f"{name}_open"] == "is the same on every seed and cannot be tested"
        elif not told(*bounds):
            assert verdicts[f"{name}_open"] == CANNOT_BE_TOLD
        else:
            better = told(*bounds) * whole_of(said) > 0
            assert verdicts[f"{name}_verdict"] == ("improves" if better else "worsens")


def check_interaction(said: Said) -> None:
    if "interaction" not in said:
        return
    interaction, parts = said["interaction"], said["parts"]
    size, low, high = read(interaction, "interaction", "interaction_low", "interaction_high")
    kernel, objective = read(parts, "kernel", "objective")
    assert low.value <= size.value <= high.value
    assert (interaction["interaction_open"] is None) == (told(low, high) != 0)
    larger = abs(size.value) > max(abs(kernel.value), abs(objective.value))
    assert (interaction["dominates"] is not None) == (larger and told(low, high) != 0)


def check_shares(table: Mapping[str, str | None] | None) -> None:
    if table is not None:
        shares = [share for name, share in table.items() if name != "table_seeds" and share is not None]
        assert len(shares) == (3 if table["table_seeds"] == "1" else 5)
        assert sum(Decimal(0) if s == "under 0.1 %" else Decimal(s.removesuffix(" %")) for s in shares) == 100


EQUAL_RATE = {
    "rates": r"EVAE's codes carry \S+ nats per image at a reconstruction error of \S+, VAE's \S+ at \S+\.",
    "outside": r"As its weight varies, VAE's curve reaches from \S+ to \S+ nats, and not to EVAE's rate on every seed: "
    r"at equal rate they are not compared\.",
    "gain": "At equal rate, with a weight at which VAE's codes carry as much, EVAE's error is "
    rf"(?P<gain>NUM) nats (?P<direction>lower|higher) \((?:95 % interval {INTERVAL.format('gain')}, )?\d+ seeds?\)"
    f"(?:, which (?P<doubt>{CANNOT_BE_TOLD})|; (?P<few>one seed is|two seeds are) too few to tell this from chance"
    r"|(?P<constant>, the same on every seed, so that it cannot be tested))?\.",
    "same": r"At equal rate, .* the errors are the same on average\.",
    "left out": r"Seed 0 lacks one of these models, and is left out\.",
    "nothing": r"What the codes carry cannot be compared: no seed has EVAE and all weights of VAE\.",
}


def test_the_sentence_on_equal_rates_agrees_with_itself_and_with_the_numbers() -> None:
    seen = set()
    for generator in draws():
        # VAE's error falls by 1 a nat of rate, whatever the weight.
        weights, rates = (1 / 64, 1 / 8, 1.0), np.array([90.0, 50.0, 20.0])
        gains = generator.choice([0, 0.1, 5]) * generator.normal() + generator.normal(
            scale=10 ** generator.uniform(-3, 1) * generator.choice([0, 1, 1]), size=generator.integers(1, 11)
        )
        gains = gains.round() if generator.random() < 0.3 else gains
        own = generator.choice([60.0, 60.0, 60.0, 95.0])
        curves = {
            seed: {
                "vae": dict(zip(weights, zip(rates, 200 - rates, strict=True), strict=True)),
                "evae": {1.0: (own, 200 - own - gain)},
            }
            for seed, gain in enumerate(gains.tolist())
        }
        if generator.random() < 0.2:
            del curves[0]["evae"][1.0]
        kept = np.array([gains[seed] for seed, found in curves.items() if found["evae"]])
        text = compare_at_equal_rate(curves).words
        said = sentences(text, EQUAL_RATE)
        seen |= set(said)
        assert ("nothing" in said) == (not kept.size)
        assert ("outside" in said) == (bool(kept.size) and own > 90)
        if "gain" in said:
            gain = said["gain"]
            (amount,) = read(gain, "gain")
            bounds = read(gain, "gain_low", "gain_high")
            assert (gain["direction"] == "lower") == (kept.mean() > 0), text
            assert amount.sign == 1
            assert amount.is_of(abs(float(kept.mean())), 200)
            assert (gain["few"] is not None) == (len(kept) < 3)
            assert (gain["constant"] is not None) == (len(kept) >= 3 and not bounds)
            assert (gain["doubt"] is not None) == (bool(bounds) and not told(*bounds))
            if bounds:
                assert bounds[0].value <= amount.value <= bounds[1].value
                p_value = stats.ttest_1samp(kept, 0).pvalue
                assert (gain["doubt"] is None) == (p_value < 0.05)
    assert seen == set(EQUAL_RATE)


FID = Criterion("fid", lower_is_better=True, title="FID")

COMPARISON = {
    "wins": r"EVAE has the lower FID in (?P<wins>\d+) of (?P<cells>\d+) cells?(?:, with (?P<ties>\d+) ties?)? "
    r"\(the paper's sign test over cells: p = (?P<p_value>\S+)\) and, on average over latent dimensions, "
    r"on (?P<on>\d+) of (?P<datasets>\d+) data sets?\.",
    "absent": r"Of \d+ cells, \d+ (?:has|have) no seed with both models, and (?:is|are) left out\.",
    "unpaired": r"In \d+ cells?, seeds that only one of the two models has are not compared\.",
    "verdicts": r"Cell by cell, paired t-tests over .+ with Holm's correction for (?P<tested>\d+) cells? "
    r"find EVAE ahead in (?P<evae>\d+) and VAE in (?P<vae>\d+), and leave (?P<open>\d+) undecided"
    r"(?: \((?P<untested>\d+) cells? could not be tested\))?\.",
    "too few": r"(?:One seed is|Two seeds are) too few to tell a single cell from chance\.",
    "constant": r"No single cell can be tested: the seeds are too few, or the differences the same on all\.",
    "data sets": r"(?:The cells share \d+|All cells share one) data sets?.*\.",
    "nothing": r"No cell has the FID of both EVAE and VAE on a common seed\.",
}


def test_the_paragraphs_of_a_comparison_agree_with_themselves_and_with_the_numbers() -> None:
    seen = set()
    for generator in draws():
        measured, differences = compared_models(generator)
        text = compare(measured, [FID]).verdict
        said = sentences(text, COMPARISON)
        seen |= set(said)
        if not differences:
            assert set(said) == {"nothing"}
            continue
        wins = {name: int(number or 0) for name, number in said["wins"].items() if name != "p_value"}
        means = np.array([values.mean() for values in differences.values()])
        assert (wins["wins"], wins["cells"], wins["ties"]) == ((means > 0).sum(), len(means), (means == 0).sum()), text
        assert wins["on"] >= (wins["wins"] == wins["cells"]) * wins["datasets"]
        p_value = stats.binomtest(wins["wins"], wins["cells"], alternative="greater").pvalue
        assert float(said["wins"]["p_value"] or 0) == pytest.approx(p_value, rel=0.05)
        tested = {c: v for c, v in differences.items() if len(v) > 2 and np.ptp(v)}
        assert ("verdicts" in said) == bool(tested)
        if tested:
            counts = {name: int(number or 0) for name, number in said["verdicts"].items()}
            holm = adjusted([float(stats.ttest_1samp(v, 0).pvalue) for v in tested.values()], "holm")
            signs = [np.sign(v.mean()) * (p < 0.05) for v, p in zip(tested.values(), holm, strict=True)]
            assert (counts["evae"], counts["vae"], counts["open"]) == tuple(signs.count(s) for s in (1, -1, 0)), text
            assert counts["tested"] == len(tested) == len(differences) - counts["untested"]
            assert counts["evae"] <= wins["wins"]
            assert counts["vae"] <= wins["cells"] - wins["wins"] - wins["ties"]
    assert seen == set(COMPARISON)


def compared_models(
    generator: np.random.Generator,
) -> tuple[list[Measurement], dict[tuple[str, int], Values]]:
    """Two models in some cells, some runs missing; and the differences by cell, over the seeds that both have."""
    seeds = int(generator.integers(1, 8))
    datasets = ("a", "b", "c")[: generator.integers(1, 4)]
    noise, effect = 10 ** generator.uniform(-2, 1) * generator.choice([0, 1, 1, 1]), generator.choice([-5, 0, 1, 5])
    missing = generator.choice([0, 0, 0.1, 0.7])
    measured, differences = [], {}
    for cell in itertools.product(datasets, (8, 16)):
        base = generator.integers(0, 9, seeds)
        # Eighths, so that sums are exact and ties are ties.
        vae = base + np.round(8 * noise * generator.normal(size=seeds)) / 8
        evae = base - effect + np.round(8 * noise * generator.normal(size=seeds)) / 8
        there = generator.random((2, seeds)) >= missing
        for model, values, kept in (("vae", vae, there[0]), ("evae", evae, there[1])):
            measured += [Measurement(*cell, model, s, {"fid": float(values[s])}) for s in np.flatnonzero(kept).tolist()]
        if there.all(0).any():
            differences[cell] = (vae - evae)[there.all(0)]
    measured.append(Measurement("a", 8, "other", 0, {"fid": 1.0}))
    return measured, differences


def test_a_sentence_of_an_unknown_form_and_a_second_verdict_are_noticed() -> None:
    with pytest.raises(AssertionError, match="has the forms"):
        sentences("Significant at 5 % after Holm: the objective.", ABLATION)
    with pytest.raises(AssertionError, match="second of its form"):
        sentences(" ".join(["Two seeds are too few to tell any of this from chance."] * 2), ABLATION)
