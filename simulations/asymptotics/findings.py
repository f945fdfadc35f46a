"""What the study found, as tables and sentences in plain text, all of them made from the record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from foundation.typography import format_markdown, format_symbols
from simulations.asymptotics.courses import COURSES, FACTOR, SHIFT
from simulations.asymptotics.figure import border_limit
from simulations.asymptotics.record import FIRST_OF_FIT, FIRST_OF_GROWTH, NOMINAL, Fit, Point, Record, Track
from theory.bickel_rosenblatt.bandwidth import Bandwidth, window_at
from theory.bickel_rosenblatt.smoothing import b as bandwidth
from theory.bickel_rosenblatt.symbolic_mean import m as observations
from theory.bickel_rosenblatt.symbolic_mean import mean_expression

SMALL_DISTANCES = (0.01, 0.001)
"""Kolmogorov distances for which the m that they require is computed."""

FIRST_AGREEMENT = 10**6
"""From this m on the skewness is compared with its leading term, which leaves out a share of order b."""


@dataclass(frozen=True)
class Listing:
    """A table of plain text: its first ``words`` columns hold words, the others numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 0

    def markdown(self) -> str:
        """Return it in Markdown, without the caption."""
        sides = ["---"] * self.words + ["---:"] * (len(self.columns) - self.words)
        head = [f"| {' | '.join(map(_markdown, self.columns))} |", f"| {' | '.join(sides)} |"]
        return "\n".join([*head, *(f"| {' | '.join(map(_markdown, row))} |" for row in self.rows)]) + "\n"


def listings(record: Record) -> dict[str, Listing]:
    """Return the tables by name: moments, law, powers and courses."""
    inside = record["inside"]
    return {
        "moments": _moments(inside),
        "law": _law(inside),
        "powers": _powers(record),
        "courses": _courses(record),
    }


def sentences(record: Record) -> tuple[str, ...]:
    """Say what the study found."""
    return (
        _on_agreement(record),
        _on_the_window(record["inside"]),
        _on_the_variance(record["inside"]),
        _on_the_skewness(record["inside"]),
        _on_the_distance(record["inside"]),
        _on_the_test(record["inside"]),
        _on_the_border(record),
        _on_the_uniform_prior(record["uniform"]),
        _on_the_shifted_kernel(record["shifted"]),
    )


def sentences_in_markdown(record: Record) -> str:
    """Return the sentences as a list in Markdown."""
    return "".join(f"- {_markdown(sentence)}\n" for sentence in sentences(record))


def _moments(track: Track) -> Listing:
    terms = track.terms
    rows = []
    for point in track.points:
        leading = terms.limit_variance + point.bandwidth * (terms.variance_centring or 0.0)
        rows.append(
            (
                _power_of_ten(point.m),
                f"{point.bandwidth:.4f}",
                _with_error(point.mean, point.mean_error),
                f"{point.exact_mean:+.4f}",
                _with_error(point.variance, point.variance_error),
                f"{point.exact_variance:.5f}",
                f"{leading:.5f}",
                _with_error(point.skewness, point.skewness_error),
                f"{terms.skewness_at(point.bandwidth):.3f}",
            )
        )
    centring = f"{terms.limit_variance:.4f} - {-(terms.variance_centring or 0.0):.4f} b"
    columns = ("m", "b", "mean", "exact", "variance", "exact", centring, "skewness", f"{terms.skewness:.3f} b^(1/2)")
    return Listing(
        "Mean, variance and skewness of the standardised statistic, ± a standard error", columns, tuple(rows)
    )


def _law(track: Track) -> Listing:
    terms, shown = track.terms, {0.05: 1, 0.5: 3, 0.95: 5}
    rows = []
    for point in track.points:
        quantiles = (f"{point.quantiles[number]:+.3f}" for number in shown.values())
        rows.append(
            (
                _power_of_ten(point.m),
                *quantiles,
                f"{point.limit_distance:.4f}",
                f"{terms.limit_distance_at(point.m, point.bandwidth) or math.nan:.4f}",
                f"{point.normal_distance:.4f}",
                f"{100 * point.size:.2f}",
            )
        )
    limits = (f"{terms.limit_variance**0.5 * z:+.3f}" for z in (-1.6448536, 0.0, 1.6448536))
    rows.append(("limit", *limits, "0", "0", "0", f"{100 * NOMINAL:.2f}"))
    columns = (
        "m",
        *(f"{100 * level:.0f} % point" for level in shown),
        "distance to the limit law",
        "leading term",
        "to a normal law",
        "size, %",
    )
    caption = (
        "Quantiles of the standardised statistic; Kolmogorov distances to the limit law, with their leading term, and "
        "to the normal law with the exact mean and variance; size, the share beyond the limit law's 95 % point"
    )
    return Listing(caption, columns, tuple(rows))


def _powers(record: Record) -> Listing:
    rows = [(fit.quantity, "b", *_fitted(fit)) for fit in record["inside"].fits()]
    rate = float(COURSES["uniform"].bandwidth.exponent)
    for name, title, predicted in (
        ("uniform", "uniform prior, exact mean less its limit", 1 - 2 * rate),
        ("shifted", "shifted kernel, exact mean less its limit", 1 - 3 * rate),
    ):
        rows.append((title, "m", *_fitted(record[name].growth(predicted))))
    caption = (
        f"Powers of b fitted from m = {_power_of_ten(FIRST_OF_FIT)} on, and powers of m from "
        f"{_power_of_ten(FIRST_OF_GROWTH)} on; those of exact values have no standard error"
    )
    return Listing(caption, ("quantity", "power of", "predicted", "fitted", "z"), tuple(rows), words=2)


def _fitted(fit: Fit) -> tuple[str, str, str]:
    if fit.standard_error is None or fit.z is None:
        return f"{fit.predicted:.4g}", f"{fit.fitted:.4f}", "-"
    return f"{fit.predicted:.4g}", _with_error(fit.fitted, fit.standard_error), f"{fit.z:+.1f}"


def _courses(record: Record) -> Listing:
    sizes = (10**2, 10**7, 10**12)
    rows = [
        (
            track.course.title,
            _rule(track.course.bandwidth),
            *(cell for m in sizes for cell in _means(track.at(m))),
        )
        for track in record.tracks.values()
    ]
    columns = ("course", "b", *(text for m in sizes for text in (f"m = {_power_of_ten(m)}", "exact")))
    return Listing("The standardised mean, 0 in the limit of Theorem 3.1", columns, tuple(rows), words=1)


def _means(point: Point) -> tuple[str, str]:
    simulated = _with_error(point.mean, point.mean_error)
    digits = len(simulated.partition(" ")[0].partition(".")[2])
    return simulated, f"{point.exact_mean:,.{digits}f}"


def _on_agreement(record: Record) -> str:
    points = [point for track in record.tracks.values() for point in track.points]
    means, variances = (max(abs(z) for z in zs) for zs in zip(*((p.mean_z, p.variance_z) for p in points), strict=True))
    least, most = min(p.m for p in points), max(p.m for p in points)
    return (
        f"In all {len(record.tracks)} courses, at {len(points)} points from m = {_power_of_ten(least)} to "
        f"{_power_of_ten(most)}, the simulated means and variances agree with the exact ones: the largest distance is "
        f"{means:.1f} standard errors for a mean and {variances:.1f} for a variance."
    )


def _on_the_window(track: Track) -> str:
    last = track.points[-1]
    lower, upper = window_at(last.m)
    return (
        f"b = {track.course.bandwidth.name} is a rule inside the theorem's window. That is a statement about rates: "
        f"taken with constants 1 the window is empty at each of these m, at {_power_of_ten(last.m)} with {lower:.3g} "
        f"above {upper:.3g}, and b = {last.bandwidth:.3g} is below both."
    )


def _on_the_variance(track: Track) -> str:
    first, last, terms = track.points[0], track.points[-1], track.terms
    limit = terms.limit_variance
    rest = max(
        abs(p.exact_variance - (terms.variance_at(p.m, p.bandwidth) or math.nan)) / (limit - p.exact_variance)
        for p in track.points
    )
    return (
        f"The exact variance is {100 * first.exact_variance / limit:.1f} % of its limit {limit:.4f} at m = "
        f"{_power_of_ten(first.m)} and {100 * last.exact_variance / limit:.2f} % at {_power_of_ten(last.m)}. What is "
        f"missing is {-(terms.variance_centring or 0.0):.4f} b, to {100 * rest:.1f} % of it at every m."
    )


def _on_the_skewness(track: Track) -> str:
    terms = track.terms
    late = [point for point in track.points if point.m >= FIRST_AGREEMENT]
    worst = max(abs(p.skewness - terms.skewness_at(p.bandwidth)) / p.skewness_error for p in late)
    first, last = track.points[0], track.points[-1]
    return (
        f"The skewness is {terms.skewness:.4f} b^(1/2) to leading order: from m = {_power_of_ten(FIRST_AGREEMENT)} on "
        f"the simulated values differ from it by at most {worst:.1f} standard errors, and together give the "
        f"coefficient {_with_error(*_coefficient(late))}. It falls from "
        f"{_with_error(first.skewness, first.skewness_error)} at m = {_power_of_ten(first.m)} to "
        f"{_with_error(last.skewness, last.skewness_error)} at {_power_of_ten(last.m)}."
    )


def _coefficient(points: Sequence[Point]) -> tuple[float, float]:
    """Return the factor of the root of b in the skewness, by weighted least squares, and its standard error."""
    weights = [point.bandwidth / point.skewness_error**2 for point in points]
    factors = [point.skewness / math.sqrt(point.bandwidth) for point in points]
    total = sum(weights)
    return sum(w * f for w, f in zip(weights, factors, strict=True)) / total, 1 / math.sqrt(total)


def _on_the_distance(track: Track) -> str:
    first, last = track.points[0], track.points[-1]
    needed = " and ".join(f"{distance:g} at m = 10^{_size_for(track, distance):.1f}" for distance in SMALL_DISTANCES)
    return (
        f"The Kolmogorov distance to the limit law falls as b^(1/2), from {first.limit_distance:.3f} at m = "
        f"{_power_of_ten(first.m)} to {last.limit_distance:.4f} at {_power_of_ten(last.m)}, where the skewness alone "
        f"accounts for {track.terms.skewness_at(last.bandwidth) / 6 / math.sqrt(2 * math.pi):.4f} and the mean for "
        f"most of the rest. By the leading terms it is {needed}."
    )


def _size_for(track: Track, distance: float) -> float:
    """Return the logarithm to base 10 of the m at which the leading term of the distance falls to a value."""
    low, high = 2.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        at = track.terms.limit_distance_at(10**middle, 10 ** (-middle * float(track.course.bandwidth.exponent)))
        low, high = (middle, high) if (at or 0.0) > distance else (low, middle)
    return low


def _on_the_test(track: Track) -> str:
    first, last = track.points[0], track.points[-1]
    b = last.bandwidth
    coefficients = [(_gap(track, level) / math.sqrt(b)) for level in (1 - NOMINAL, 0.5)]
    return (
        f"A test that rejects beyond the limit law's 95 % point has the size {_percent(first)} at m = "
        f"{_power_of_ten(first.m)} and {_percent(last)} at {_power_of_ten(last.m)}, instead of 5 %. The mean, below "
        f"its limit, and the skewness, above it, all but cancel at this point of the law, where they leave "
        f"{coefficients[0]:.3f} b^(1/2) of the distribution function, so that terms of order b, such as the "
        f"variance's, decide; at the median they add up, to {coefficients[1]:.3f} b^(1/2)."
    )


def _gap(track: Track, level: float) -> float:
    """Return the leading term of the distance to the limit law at one of its quantiles, at the last m."""
    point, terms = track.points[-1], track.terms
    z, spread = float(ndtri(level)), math.sqrt(terms.limit_variance)
    quantile = terms.quantile_at(level, point.m, point.bandwidth)
    return abs((quantile or math.nan) / spread - z) * math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _percent(point: Point) -> str:
    return f"{100 * point.size:.2f} ± {100 * point.size_error:.2f} %"


def _on_the_border(record: Record) -> str:
    plain, wide, inside = record["border"], record["border-wide"], record["inside-wide"]
    spread = math.sqrt(plain.terms.limit_variance)
    last, other = wide.points[-1], inside.points[-1]
    power = 1 - 4.5 * float(inside.course.bandwidth.exponent)
    return (
        f"On the border, at b = c m^(-2/9), the standardised mean tends to {border_limit(plain):.4f} c^(9/2) instead "
        f"of 0. With c = 1, the paper's rule, that is {100 * border_limit(plain) / spread:.1f} % of a standard "
        f"deviation and cannot be seen; with c = {FACTOR} it is {border_limit(wide):.3f}, or "
        f"{border_limit(wide) / spread:.1f} standard deviations: at m = {_power_of_ten(last.m)} "
        f"{_with_error(last.mean, last.mean_error)} is simulated and {last.exact_mean:.3f} exact. Inside the window "
        f"the same factor still gives {_with_error(other.mean, other.mean_error)} there, and it vanishes as slowly as "
        f"m^({power:.4f})."
    )


def _on_the_uniform_prior(track: Track) -> str:
    bias = mean_expression("epanechnikov", track.course.density, track.course.weight).squared_bias_term
    first, last = track.points[0], track.points[-1]
    factor = bias / (observations * bandwidth**2)
    away = last.exact_mean / math.sqrt(last.exact_variance)
    return (
        f"With EVAE's uniform prior and the weight 1/p, E T_m contains {factor} m b^2 for the bias at the ends of the "
        f"interval: it is {_mean(track, first):.4g} at m = {_power_of_ten(first.m)} and {_mean(track, last):,.0f} at "
        f"{_power_of_ten(last.m)}, {away:,.0f} standard deviations from the theorem's {track.limit_mean:.4g}."
    )


def _on_the_shifted_kernel(track: Track) -> str:
    first, last = track.points[0], track.points[-1]
    bias = track.terms.bias_at(last.m, last.bandwidth) or math.nan
    return (
        f"A kernel with the mean mu = {SHIFT} has a bias of first order, -b mu f', so that m b^3 mu^2 times the "
        f"integral of f'^2 a takes the place of the term in m b^5. It is {bias:.2f} at m = {_power_of_ten(last.m)}, "
        f"and E T_m grows from {_mean(track, first):.3f} to {_mean(track, last):.2f}, where the theorem's limit is "
        f"{track.limit_mean:.4f} as without the shift. The variance of the standardised statistic grows as well, to "
        f"{last.exact_variance:.1f}: the linear term of the bias outweighs the quadratic form, and the skewness is "
        f"{_with_error(last.skewness, last.skewness_error)}."
    )


def _mean(track: Track, point: Point) -> float:
    """Return E T_m."""
    return track.limit_mean + math.sqrt(point.bandwidth) * point.exact_mean


def _with_error(value: float, error: float) -> str:
    """Format a value to the second digit of its standard error."""
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:,.{digits}f} ± {error:.{digits}f}"


def _rule(bandwidth: Bandwidth) -> str:
    factor = "" if bandwidth.factor == 1 else f"{bandwidth.factor:g} "
    return f"{factor}m^(-{bandwidth.name.rpartition('-')[2]})"


def _power_of_ten(m: int) -> str:
    return f"10^{round(math.log10(m))}"


def _markdown(text: str) -> str:
    return format_markdown(format_symbols(text))
