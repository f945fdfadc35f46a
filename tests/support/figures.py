"""Checks that every figure must pass, and access to its parts."""

from __future__ import annotations

import io
import re
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foundation.figures import StyledFigure

#: Inches by which text may exceed the figure, because the metrics of fonts include empty space.
SLACK = 0.02


def assert_fit_to_print(figure: Figure) -> None:
    """Check that a figure has the common style and labelled axes, is legible without colour, and is not cut off."""
    assert isinstance(figure, StyledFigure)
    figure.savefig(io.BytesIO(), format="png")
    drawn = [axes for axes in figure.axes if axes.axison]
    for axes in drawn:
        assert axes.get_xlabel() or _is_labelled_below(axes, drawn), f"{axes.get_title(loc='left')}: horizontal axis"
        assert axes.get_ylabel() or _has_words(axes) or _is_labelled_at_the_left(axes, drawn)
        for one, other in combinations(_labelled(axes), 2):
            assert _shape(one) != _shape(other), f"{one.get_label()} and {other.get_label()} are alike in grey"
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) > -SLACK
    assert box.x1 < width + SLACK
    assert box.y1 < height + SLACK


def _labelled(axes: Axes) -> list[Line2D]:
    return [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]


def _shape(line: Line2D) -> tuple[str, str]:
    # Compare the dashes as drawn, since a style given as numbers has no name.
    dashes = getattr(line, "_dash_pattern", None) if line.get_linestyle() != "None" else "none"
    return str(dashes), str(line.get_marker())


def _has_words(axes: Axes) -> bool:
    return all(re.search("[a-z]", label.get_text()) for label in axes.get_yticklabels())


def _is_labelled_at_the_left(axes: Axes, others: list[Axes]) -> bool:
    shared = axes.get_shared_y_axes().get_siblings(axes)
    return any(one.get_ylabel() for one in others if one in shared and _start(one)[0] < _start(axes)[0])


def _is_labelled_below(axes: Axes, others: list[Axes]) -> bool:
    shared = axes.get_shared_x_axes().get_siblings(axes)
    return any(one.get_xlabel() for one in others if one in shared and _start(one)[1] < _start(axes)[1])


def _start(axes: Axes) -> tuple[float, float]:
    return axes.get_position().x0, axes.get_position().y0


def legend_of(axes: Axes) -> list[str]:
    """Return the texts of a legend."""
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def curve(axes: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of the line whose label contains a text."""
    line = next(line for line in axes.lines if label in str(line.get_label()))
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
