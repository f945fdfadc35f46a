"""The result of a goodness-of-fit test: numbers, sentences and the machine-readable form."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr

from foundation.typography import format_count
from simulations.goodness_of_fit.comparison import Comparison
from simulations.goodness_of_fit.estimation.model import FORMS
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.goodness_of_fit.rounding import count_ties, guess_width
from simulations.observations.sample import Sample
from simulations.study.study import Study
from theory.algebra.evidence import Evidence, assumptions_document
from theory.bickel_rosenblatt.mean import limit_mean, limit_variance, theorem_conditions

OUTLYING, MANY_OUTLYING = 1e-4, 0.05
"""Mass of the hypothesis in each tail that counts as outlying; share of the sample there that triggers the advice."""

DECIMAL = re.compile(r"\d+\.\d+(e[-+]?\d+)?")
"""A number with decimals in the name of a density."""


@dataclass(frozen=True)
class GoodnessOfFit(Comparison):
    """The result of the test of a sample; its statistic is T_m.

    Attributes
    ----------
    study : Study
        The setting of T_m and of the simulation of its null distribution, at the deciding bandwidth.
    asymptotic_p_value : float or None
        From the normal limit of Theorem 3.1, which is a poor approximation at practical m; None with several
        bandwidths or the smoothed density, which the theorem is not about.
    null : {"density", "smoothed"}
        Whether the estimate is compared with f or with K_b * f.
    location, scale : float or None
        The estimates, if requested; T_m is then that of the standardised sample.
    estimates : dict from str to float, or None
        The estimated parameters by name.
    rounded_to : float or None
        The width to whose multiples the data are rounded, and with them the samples of the null distribution.
    conditions : tuple of Evidence
        The conditions of Theorem 3.1, and so of the asymptotic p-value; none where a shape is estimated.
    law : NullLaw
        The null distribution at the deciding bandwidth.
    sample : Sample
        The observations, and what was read.
    """

    study: Study
    asymptotic_p_value: float | None
    null: str
    location: float | None
    scale: float | None
    estimates: dict[str, float] | None
    rounded_to: float | None
    conditions: tuple[Evidence, ...]
    law: NullLaw = field(repr=False, compare=False)
    sample: Sample = field(repr=False, compare=False)

    def in_words(self) -> list[str]:
        """Describe in sentences the conclusions from the test, and their limits."""
        sentences = self._finding(), self.on_bandwidths(), self._on_ties(), self._on_the_limit(), self._advice()
        return [sentence for sentence in sentences if sentence]

    @property
    def hypothesis(self) -> str:
        """The name of the density, with estimated parameters rounded to four digits."""
        name = self.study.setting.density.name
        return name if self.estimates is None else DECIMAL.sub(lambda number: f"{float(number[0]):.4g}", name)

    @cached_property
    def ties(self) -> int:
        """The number of observations that equal another one; a continuous hypothesis has none."""
        return count_ties(self.sample.values)

    def _on_ties(self) -> str:
        """Return what rounding does to the test, or an empty string if no observations are equal."""
        if self.rounded_to is not None:
            limit = "" if self.asymptotic_p_value is None else " The limit law knows nothing of it."
            return (
                f"The p-value is that of data rounded to multiples of {self.rounded_to:g}: the samples of the "
                f"hypothesis are rounded alike.{limit}"
            )
        if not self.ties:
            return ""
        values = self.sample.values
        width = guess_width(values)
        option = "--rounded-to WIDTH (in Python, rounded_to=WIDTH)"
        if width is not None:
            option = f"--rounded-to {width:g} (in Python, rounded_to={width:g}), of which all are multiples"
        return (
            f"{self.ties:,} of the {values.size:,} observations equal another one; there are "
            f"{format_count(np.unique(values).size, 'different value')}. Data of a continuous density are never equal, "
            "and T_m takes rounding for a departure from it, so that the p-value may be far too small. If the data "
            f"were rounded, use {option}."
        )

    def _finding(self) -> str:
        name, level = self.hypothesis, self.level
        share = (
            f"If the data came from {name}, the statistic would be at least as large in {100 * self.p_value:.3g}% "
            "of samples of this size"
        )
        if self.rejected:
            return f"{share}: the test rejects {name} at the level {level}."
        return (
            f"{share}: the test does not reject {name} at the level {level}, which does not show that the "
            "sample comes from it."
        )

    def _on_the_limit(self) -> str:
        if self.asymptotic_p_value is None:
            return ""
        broken = [condition.statement for condition in self.conditions if not condition.holds]
        if broken:
            return (
                f"Theorem 3.1 does not cover this choice ({'; '.join(broken)}): the p-value by its limit law is not "
                "justified."
            )
        return "The p-value by the limit law ignores the remaining bias and skewness of T_m at this m."

    def _advice(self) -> str:
        """Return advice if the data seem to be in other units than the density, or an empty string."""
        sample = self.sample.values
        inside = self.study.setting.density.bulk(OUTLYING)
        share = float(np.mean((sample < inside[0]) | (sample > inside[1])))
        if self.location is not None or share < MANY_OUTLYING:
            return ""
        name = self.study.setting.density.name
        family = name.partition(":")[0]
        remedy = "Check the units of the data."
        if family in FORMS:
            remedy = (
                f"To test the family for any parameters, use --density {family} --estimate (in Python, estimate=True)."
            )
        return f"{share:.0%} of the sample lies where {name} has almost no mass. {remedy}"

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        study, setting = self.study, self.study.setting
        return {
            "m": study.m,
            "data": self.sample.reading.document(),
            "density": setting.density.name,
            "kernel": setting.kernel.name,
            "weight": setting.weight.name,
            "null": self.null,
            "estimated": self.estimates,
            "ties": self.ties,
            "rounded_to": self.rounded_to,
            **self.comparison_document(),
            "asymptotic_p_value": self.asymptotic_p_value,
            "replicates": study.replicates,
            "seed": study.seed,
            "assumptions": assumptions_document(self.conditions),
        }


def combine(
    laws: Sequence[NullLaw], comparison: Comparison, null: str, *, shape_known: bool = True, **rest: Any
) -> GoodnessOfFit:
    """Return the result for the laws at all bandwidths and the comparison of their values of T_m.

    Theorem 3.1 says nothing of a density whose shape is estimated.
    """
    law = laws[comparison.at_bandwidths.index(comparison.deciding)]
    study, setting = law.study, law.study.setting
    conditions: tuple[Evidence, ...] = ()
    asymptotic = None
    if shape_known:
        conditions = theorem_conditions(setting.kernel, setting.density, setting.weight, setting.bandwidth)
        if len(laws) == 1 and null == "density":
            asymptotic = _asymptotic_p_value(comparison.statistic, study)
    return GoodnessOfFit(
        **comparison.attributes(),
        study=study,
        law=law,
        asymptotic_p_value=asymptotic,
        null=null,
        conditions=conditions,
        **rest,
    )


def _asymptotic_p_value(statistic: float, study: Study) -> float:
    setting = study.setting
    mean = float(limit_mean(setting.kernel, setting.density, setting.weight))
    variance = float(limit_variance(setting.kernel, setting.density, setting.weight)) * setting.bandwidth.at(study.m)
    return float(ndtr(-(statistic - mean) / math.sqrt(variance)))
