"""Figures of runs: errors by epoch (S6, S7), the noise of the codes by epoch, reconstructions (S2 to S5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from evae.compute.precision import resolve_device
from evae.data.arrays import GivenData, as_image_data
from evae.evaluation.evaluate import images_of
from evae.evaluation.pictures import ImageRows, reconstruction_rows, rows_figure
from evae.metrics import ACTIVE_BELOW
from evae.models.custom.functions import Builder
from evae.models.vae import VAE
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.figures import BLUE, GREEN, GREY, PURPLE, VERMILION, apply_style, create_figure, label_panels
from foundation.progress import ProgressCallback, ignore_progress
from foundation.typography import format_plot_text

#: Colour and marker of each run in a figure.
_RUNS = ((BLUE, "s"), (VERMILION, "o"), (GREEN, "^"), (PURPLE, "D"))

#: Maximum number of runs in a figure.
MOST_RUNS = len(_RUNS)

#: Label, colour, dashes and marker of each spread of a posterior.
_SPREADS: dict[str, tuple[str, str, str, str]] = {
    "r": ("$r$", VERMILION, "-", "o"),
    "B": ("$B$", BLUE, "--", "s"),
    "sigma": (r"$\sigma$", VERMILION, "-", "o"),
}

#: Labels of the regularisation terms.
_TERMS = {
    "kl": "KL divergence",
    "kl_bound": "bound on the KL divergence",
    "kl_estimate": "KL divergence, estimated",
    "renyi2": "Rényi divergence of order 2",
    "kernel_penalty": "kernel penalty",
    "importance_weighted": "rest of the importance-weighted bound",
    "dip_penalty": "DIP penalty",
}

_MARKS = 8


@apply_style
def training_figure(*runs: Run | str | Path) -> Figure:
    """Draw the errors of runs, at most 4, by epoch: reconstruction, as in Figures S6 and S7, and regularisation.

    Raises
    ------
    InputError
        If a run has no finished epoch, its metrics are missing or damaged, or there are more than 4 runs.
    """
    opened = [_open_run(run) for run in runs]
    if not 1 <= len(opened) <= MOST_RUNS:
        raise InputError(f"the number of runs in a figure must be from 1 to {MOST_RUNS}, got {len(opened)}.")
    figure = _lay_out_panels(_training_panels(opened), _title(*opened))
    if len(opened) > 1:
        # Names of runs are long, so one legend for all panels goes below.
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


@apply_style
def latent_figure(run: Run | str | Path) -> Figure:
    """Draw the noise of a run's codes by epoch: its spreads, the noise-to-signal ratio and the rate of the codes.

    Raises
    ------
    InputError
        If the run has no finished epoch, its metrics are missing or damaged, or its codes have no noise.
    """
    opened = _open_run(run)
    panels = _latent_panels(opened)
    if not panels:
        raise InputError(f"the codes of {opened.path} must have noise for this figure, got a model without noise.")
    return _lay_out_panels(panels, _title(opened))


@apply_style
def run_figure(run: Run | str | Path) -> Figure:
    """Draw the panels of `training_figure` and, if the codes have noise, of `latent_figure` in one figure.

    Raises
    ------
    InputError
        As for `training_figure`.
    """
    opened = _open_run(run)
    return _lay_out_panels([*_training_panels([opened]), *_latent_panels(opened)], _title(opened))


def reconstructions_figure(
    *runs: Run | str | Path,
    model: VAE | Builder | str | None = None,
    data: GivenData | None = None,
    device: str = "auto",
    weights: str | None = None,
    data_dir: str | Path | None = None,
    progress: ProgressCallback = ignore_progress,
) -> Figure:
    """Draw the first hold-out images above their reconstructions by one or several runs, as in Figures S2 to S5.

    One run is shown with reconstructions from a posterior draw and from the posterior mean, several with the former.

    Parameters
    ----------
    *runs : Run, str or Path
        Their folders; all must be trained on the same images.
    model, data
        A network and images of your own, as for `evae.evaluation.evaluate`.
    device, weights, data_dir, progress
        As for `evae.evaluation.evaluate`.

    Raises
    ------
    InputError
        If a run, its weights or its data are missing or damaged, or the hold-out images differ between runs.
    """
    if not runs:
        raise InputError("the number of runs in a figure of reconstructions must be positive, got 0.")
    blocks: list[ImageRows] = []
    for run in map(_open_run, runs):
        given = None if data is None else as_image_data(data)
        pixels = images_of(run, data_dir, progress, given).holdout
        trained = VAE.load(run, resolve_device(device), model=model, weights=weights)
        originals, at_mean, drawn = reconstruction_rows(trained, pixels, run.configuration.seed)
        if blocks and not torch.equal(blocks[0].images, originals.images):
            raise InputError(
                f"{run.path} must be trained on the same images as the first run, got others. Draw one run at a time."
            )
        blocks = blocks or [originals]
        blocks += [at_mean, drawn] if len(runs) == 1 else [ImageRows(f"{run.name}, one posterior draw", drawn.images)]
    title = _open_run(runs[0]).name if len(runs) == 1 else "Hold-out images and their reconstructions"
    return rows_figure(blocks, title)


def _open_run(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else Run.open(run)


def _title(*runs: Run) -> str:
    """Return a title with the distinct models and data sets, preceded by the name of a single run."""
    configs = [run.configuration for run in runs]
    models = dict.fromkeys(
        f"{one.label} on {format_plot_text(one.dataset)}, $d_z$ = {one.latent_dim}" for one in configs
    )
    return "; ".join([f"{format_plot_text(runs[0].name)}: {next(iter(models))}"] if len(runs) == 1 else models)


def _lay_out_panels(panels: Sequence[Callable[[Axes], None]], title: str) -> Figure:
    """Lay out panels over epochs, at most three in a row."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = create_figure(0.2 + 2.9 * columns, 0.3 + 2.7 * rows)
    grid = figure.add_gridspec(rows, columns)
    drawn = [figure.add_subplot(grid[divmod(number, columns)]) for number in range(len(panels))]
    for axes, draw in zip(drawn, panels, strict=True):
        draw(axes)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    if len(drawn) > 1:
        label_panels(drawn)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_line(
    axes: Axes, records: Sequence[EpochRecord], values: Sequence[float | None], label: str | None, **how: Any
) -> None:
    """Draw a curve over epochs; an infinite value (None) is a gap."""
    epochs = [record.epoch for record in records]
    heights = [float("nan") if value is None else value for value in values]
    axes.plot(epochs, heights, label=label, markevery=max(1, len(epochs) // _MARKS), **how)


def _records(run: Run) -> tuple[EpochRecord, ...]:
    records = run.records
    if not records:
        raise InputError(f"{run.path} must have a finished epoch, got none. Train it first.")
    return records


def _training_panels(runs: Sequence[Run]) -> list[Callable[[Axes], None]]:
    found = [_records(run) for run in runs]
    names = [run.name for run in runs]

    def reconstruction(axes: Axes) -> None:
        _draw_errors(axes, found, names, "reconstruction")
        values = [record.reconstruction_at_mean for record in found[0]]
        # Without noise both curves coincide.
        if len(runs) == 1 and values != [record.reconstruction for record in found[0]]:
            _draw_line(axes, found[0], values, "hold-out, from the mean", color=GREY, linestyle=":")
        axes.set(title="reconstruction error", ylabel="nats per image")
        if len(runs) == 1:
            axes.legend()

    def regularisation(axes: Axes) -> None:
        terms = list(dict.fromkeys(term for records in found for term in records[-1].penalties))
        for term in terms:
            _draw_errors(axes, found, names, term)
        axes.set(
            title=" and ".join(_TERMS.get(term) or format_plot_text(term.replace("_", " ")) for term in terms),
            ylabel="nats per image",
        )
        axes.set_yscale("log" if _spans_decades(axes) else "linear")
        if len(runs) == 1:
            axes.legend()

    return [reconstruction, *([regularisation] if any(records[-1].penalties for records in found) else [])]


def _draw_errors(axes: Axes, found: Sequence[Sequence[EpochRecord]], names: Sequence[str], term: str) -> None:
    """Draw a term of the loss on hold-out and training images for every run that has it."""
    for records, name, (colour, marker) in zip(found, names, _RUNS, strict=False):
        if term not in records[-1].train:
            continue
        how: dict[str, Any] = {"color": colour, "marker": marker}
        _draw_line(
            axes, records, [record.holdout[term] for record in records], _line_label("hold-out", name, names), **how
        )
        how |= {"linestyle": "--", "markerfacecolor": "white"}
        _draw_line(
            axes, records, [record.train[term] for record in records], _line_label("training", name, names), **how
        )


def _line_label(curve: str, name: str, names: Sequence[str]) -> str:
    # The curve first: Matplotlib leaves labels that begin with an underscore out of a legend.
    return curve if len(names) == 1 else f"{curve}, {format_plot_text(name)}"


def _spans_decades(axes: Axes) -> bool:
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.get_lines()])
    return bool(values.min() > 0 and values.max() > 10 * values.min())


def _latent_panels(run: Run) -> list[Callable[[Axes], None]]:
    records = _records(run)
    latents = [record.latent for record in records]
    spreads = [name for name in _SPREADS if name in latents[-1].spreads]
    ratios = [latent.noise_to_signal for latent in latents]

    # One function per panel; a panel without data is omitted below.
    def spread(axes: Axes) -> None:
        for name in spreads:
            label, colour, dashes, marker = _SPREADS[name]
            values = [latent.spreads.get(name) for latent in latents]
            _draw_line(axes, records, values, label, color=colour, linestyle=dashes, marker=marker)
        axes.set(title="mean spread of the noise", ylabel="units of the code", yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend()

    def shape(axes: Axes) -> None:
        values = [latent.spreads.get("a") for latent in latents]
        _draw_line(axes, records, values, None, color=VERMILION, marker="o")
        axes.axhline(2, color=GREY, linestyle=":", label="Epanechnikov")
        axes.set(title="shape of the kernel", ylabel="$a$", ylim=(1, None))
        axes.legend()

    def noise(axes: Axes) -> None:
        # The band of all dimensions, their median, and the bound below which a dimension counts as active.
        epochs = [record.epoch for record in records]
        known = [
            value for ratio in ratios if ratio is not None for value in (ratio.min, ratio.median, ratio.max) if value
        ]
        # Draw an infinite ratio, of a dimension without signal, at the upper edge.
        edge = 10 * max([ACTIVE_BELOW, *known])
        low = [edge if ratio is None or ratio.min is None else ratio.min for ratio in ratios]
        high = [edge if ratio is None or ratio.max is None else ratio.max for ratio in ratios]
        label = "all dimensions" + (",\nsome without signal" if edge in high else "")
        axes.fill_between(epochs, low, high, color=BLUE, alpha=0.2, linewidth=0, label=label)
        medians = [None if ratio is None else ratio.median for ratio in ratios]
        _draw_line(axes, records, medians, "their median", color=BLUE, marker="o")
        if max(high) > ACTIVE_BELOW / 10:
            axes.axhline(ACTIVE_BELOW, color=GREY, linestyle=":", label=f"active below {ACTIVE_BELOW:g}")
        if edge in high:
            axes.set_ylim(top=edge)
        axes.set(title="noise-to-signal ratio", ylabel="variance of noise / of codes", yscale="log")
        axes.legend()

    def rate(axes: Axes) -> None:
        values = [latent.rate for latent in latents]
        _draw_line(axes, records, values, None, color=GREEN, marker="^")
        axes.set(title="rate of the codes", ylabel="nats per image", ylim=(0, None))

    # Without noise all ratios are 0; runs of earlier versions may lack them.
    noisy = any(ratio is not None and ratio.max != 0 for ratio in ratios)
    rated = any(latent.rate is not None for latent in latents)
    shaped = "a" in latents[-1].spreads
    panels = ((spread, spreads), (shape, shaped), (noise, noisy), (rate, rated))
    return [panel for panel, there in panels if there]
