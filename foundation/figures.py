"""One style for every figure, and how a figure is saved.

Colours are told apart by the colour-blind and, with line styles and markers, in grey. Figures carry no state: each is
a `Styled` of its own, which a notebook shows by itself, and the same figure gives the same file.
"""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foundation.errors import InputError
from foundation.files import written_aside

Parameters = ParamSpec("Parameters")

FORMATS = (".png", ".svg", ".pdf")
"""What a figure is written as."""

# Okabe and Ito's colours. Their yellow is too pale for lines on white.
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"

BLACK, GREY, PALE = "#000000", "#6E6E6E", "#D9D9D9"

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "errorbar.capsize": 2.5,
    "figure.titlesize": 9,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "legend.framealpha": 0.85,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "mathtext.fontset": "dejavusans",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    # Text stays text, and the same figure gives the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "epanechnikov-vae",
    "pdf.fonttype": 42,
}

DOTS_PER_INCH = 200
"""Of a PNG file."""

SHOWN_DOTS_PER_INCH = 100
"""Of a figure in a notebook."""

_WITHOUT_DATES: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class Styled(Figure):
    """A figure in the one style."""

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows."""
        page = io.BytesIO()
        _draw(self, page, "png", SHOWN_DOTS_PER_INCH)
        return page.getvalue()


def styled(function: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Apply the style to all that a function draws."""

    @functools.wraps(function)
    def in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return function(*args, **kwargs)

    return in_style


def blank(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, whose panels make room for their labels."""
    return Styled(figsize=(width, height), layout="constrained")


def letter(panels: Sequence[Axes]) -> None:
    """Mark panels a, b, c, ... above their upper left corners."""
    for axes, name in zip(panels, "abcdefghijkl", strict=False):
        axes.annotate(name, (0, 1), (-14, 6), "axes fraction", "offset points", weight="bold", va="baseline")


def legend_on_top(axes: Axes, share: float, columns: int = 1) -> None:
    """Put the legend above everything drawn, in room of its own: a share of the height."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + share * (high - low))
    axes.legend(loc="upper left", ncols=columns)


def bandwidth_label(rule: str) -> str:
    """Return a bandwidth, such as m^-0.235 or 0.1, as a formula."""
    base, power, exponent = rule.partition("^")
    return f"$b = {base}^{{{exponent}}}$" if power else f"$b = {base}$"


def with_minus(text: str) -> str:
    """Return a number as text with the minus sign that the axes have."""
    return text.replace("-", "\N{MINUS SIGN}")


def checked_plot_path(path: Path) -> Path:
    """Return ``path``.

    Raises
    ------
    InputError
        If it does not end in .png, .svg or .pdf, or no file can be written there.
    """
    if path.suffix.lower() not in FORMATS:
        *others, last = FORMATS
        raise InputError(f"--plot {path} must end in {', '.join(others)} or {last}, which say how it is drawn.")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"--plot {path} cannot be written: name a file in a folder that exists and can be written to.")
    return path


def save_figure(figure: Figure, path: Path, dots_per_inch: float = DOTS_PER_INCH) -> None:
    """Write a figure to a .png, .svg or .pdf, whole or not at all; the same figure gives the same bytes.

    ``dots_per_inch`` is that of a .png, and of pictures inside the others.
    """
    with written_aside(path) as aside:
        _draw(figure, aside, path.suffix.lower()[1:], dots_per_inch)


def _draw(figure: Figure, target: Path | IO[bytes], kind: str, dots_per_inch: float) -> None:
    with matplotlib.rc_context(STYLE):
        figure.savefig(target, format=kind, dpi=dots_per_inch, metadata=_WITHOUT_DATES[kind])
