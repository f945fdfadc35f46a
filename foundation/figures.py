"""The common style of all figures, and their files.

The colours can be distinguished by colour-blind readers and, with line styles and markers, in grey. A figure is an
object without global state; a notebook displays it automatically, and equal figures give identical files.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cbook import GrouperView
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from foundation.errors import InputError
from foundation.files import open_output

Parameters = ParamSpec("Parameters")

FORMATS = (".png", ".svg", ".pdf")
"""The suffixes of the file formats of figures."""

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
    # Whatever a reader's own settings say, text is not given to LaTeX.
    "text.usetex": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    # Keep text as text, and write identical files for equal figures.
    "svg.fonttype": "none",
    "svg.hashsalt": "epanechnikov-vae",
    "pdf.fonttype": 42,
}

STACKED_WIDTH = 4.5
"""Width in inches of a figure whose panels are stacked for a narrow screen."""

DOTS_PER_INCH = 200
"""Resolution of a PNG file."""

NOTEBOOK_DOTS_PER_INCH = 100
"""Resolution of a figure in a notebook."""

_WITHOUT_DATES: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class StyledFigure(Figure):
    """A figure in the common style."""

    def _repr_png_(self) -> bytes:
        """Return the PNG image that a notebook displays."""
        page = io.BytesIO()
        _draw(self, page, "png", NOTEBOOK_DOTS_PER_INCH)
        return page.getvalue()


def apply_style(function: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Decorate a function that draws a figure, so that it draws in the common style."""

    @functools.wraps(function)
    def draw_in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return function(*args, **kwargs)

    return draw_in_style


def create_figure(width: float, height: float) -> Figure:
    """Create an empty figure of this width and height, in inches, with room for the labels of its panels."""
    return StyledFigure(figsize=(width, height), layout="constrained")


def label_panels(panels: Sequence[Axes]) -> None:
    """Label panels a, b, c, ... above their upper left corners."""
    for axes, name in zip(panels, "abcdefghijkl", strict=False):
        axes.annotate(name, (0, 1), (-14, 6), "axes fraction", "offset points", weight="bold", va="baseline")


def stack_panels(figure: Figure, width: float = STACKED_WIDTH) -> bool:
    """Rearrange the panels of a figure in one column, in reading order, each with its height; return whether it did.

    A figure with one column of panels is left as it is, and so is one whose panels share axes, because some of these
    have labels only in the original arrangement. ``width`` is the new one of the figure, in inches.
    """
    places = {axes: place for axes in figure.axes if (place := axes.get_subplotspec()) is not None}
    axes_groups = (grouper.get_siblings(axes) for axes in places for grouper in _shared_axes(axes))
    sharing = any(len(group) > 1 for group in axes_groups)
    if sharing or len({place.colspan.start for place in places.values()}) < 2:
        return False
    figure.draw_without_rendering()
    rows = sorted({place.num1: axes.get_position().height for axes, place in places.items()}.items())
    # What is above, between and below the panels of a column, such as labels, is needed by each of them.
    height = figure.get_figheight()
    margin = height * (1 - sum(_column_heights(places))) / len({place.rowspan.start for place in places.values()})
    heights = [height * share + margin for _, share in rows]
    figure.set_size_inches(width, sum(heights))
    grid = figure.add_gridspec(len(rows), 1, height_ratios=heights)
    numbers = {first: number for number, (first, _) in enumerate(rows)}
    for axes, place in places.items():
        axes.set_subplotspec(grid[numbers[place.num1]])
    return True


def _shared_axes(axes: Axes) -> tuple[GrouperView[Axes], GrouperView[Axes]]:
    return axes.get_shared_x_axes(), axes.get_shared_y_axes()


def _column_heights(places: dict[Axes, SubplotSpec]) -> list[float]:
    """Return the heights of the panels at the left, as shares of the figure's height."""
    first = {place.rowspan.start: axes for axes, place in places.items() if place.colspan.start == 0}
    return [axes.get_position().height for axes in first.values()]


def place_legend_on_top(axes: Axes, share: float, columns: int = 1) -> None:
    """Place the legend above the data, for which the vertical axis is extended by ``share`` of its length."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + share * (high - low))
    axes.legend(loc="upper left", ncols=columns)


def format_bandwidth(rule: str) -> str:
    """Return the formula, in matplotlib's notation, of a bandwidth such as ``m^-0.235`` or ``0.1``."""
    base, power, exponent = rule.partition("^")
    return f"$b = {base}^{{{exponent}}}$" if power else f"$b = {base}$"


def format_minus(text: str) -> str:
    """Replace the hyphens of a formatted number by the minus sign that the axes use."""
    return text.replace("-", "\N{MINUS SIGN}")


def check_plot_path(path: Path) -> Path:
    """Return ``path`` if a figure can be saved there.

    Raises
    ------
    InputError
        If it does not end in .png, .svg or .pdf, or no file can be written there.
    """
    if path.suffix.lower() not in FORMATS:
        *others, last = FORMATS
        endings = f"{', '.join(others)} or {last}"
        raise InputError(f"--plot must end in {endings}, got {path}. The ending selects the format.")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"--plot must be a file in a writable folder, got {path}. Name one in a folder that exists.")
    return path


def save_figure(figure: Figure, path: Path, dots_per_inch: float = DOTS_PER_INCH) -> None:
    """Save a figure as .png, .svg or .pdf, atomically; equal figures give identical bytes.

    ``dots_per_inch`` is the resolution of a .png, and of images inside the other formats.
    """
    with open_output(path) as stream:
        _draw(figure, stream, path.suffix.lower()[1:], dots_per_inch)


@contextlib.contextmanager
def render_in_style(hash_salt: str = STYLE["svg.hashsalt"]) -> Iterator[None]:
    """Render figures in the common style; ``hash_salt`` distinguishes the identifiers of one SVG from another's.

    A character of a name that the font lacks is drawn as a box, without a warning.
    """
    logger = logging.getLogger("matplotlib.mathtext")
    level = logger.level
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": hash_salt}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def _draw(figure: Figure, target: Path | IO[bytes], kind: str, dots_per_inch: float) -> None:
    with render_in_style():
        figure.savefig(target, format=kind, dpi=dots_per_inch, metadata=_WITHOUT_DATES[kind])
