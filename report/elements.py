"""Figures and pictures embedded in the page: SVG that follows its light and dark colours, and pixels as PNG."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from foundation.figures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    render_in_style,
    stack_panels,
)
from report.formulas import plain, typeset


@dataclass(frozen=True)
class PageTable:
    """A table of typeset text.

    Attributes
    ----------
    caption : Markup
    columns : tuple of Markup
        Headings. The first ``words`` columns hold words, the others numbers.
    rows : tuple of tuple of Markup
    words : int
    """

    caption: Markup
    columns: tuple[Markup, ...]
    rows: tuple[tuple[Markup, ...], ...]
    words: int = 1


def page_table(caption: str, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], words: int = 1) -> PageTable:
    """Typeset a table of plain text; the words in its rows may be names from outside, and are shown as they are."""
    cells = (map(plain, row[:words]) for row in rows), (map(typeset, row[words:]) for row in rows)
    return PageTable(
        typeset(caption),
        tuple(map(typeset, columns)),
        tuple((*names, *figures) for names, figures in zip(*cells, strict=True)),
        words,
    )


_NAMED = {
    "blue": BLUE,
    "vermilion": VERMILION,
    "green": GREEN,
    "orange": ORANGE,
    "sky": SKY,
    "purple": PURPLE,
    "grey": GREY,
    "pale": PALE,
}

#: The page's colours, by the colours of a figure that they replace.
COLOURS = {
    "#ffffff": "var(--paper)",
    BLACK: "var(--ink)",
    **{colour.lower(): f"var(--{name})" for name, colour in _NAMED.items()},
}

#: The form of an anchor. It is part of identifiers, and never holds text from outside.
_ANCHOR = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_IDENTIFIER = re.compile(r'(\bid="|xlink:href="#|url\(#)')

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")

_OPENING = re.compile(r"<svg [^>]*>")

#: Coordinates of an SVG, and in them the decimals beyond a hundredth of a pixel.
_COORDINATES = re.compile(r' (?:d|x|y)="[^"]*"')

_NEEDLESS_DECIMALS = re.compile(r"(\.\d\d)\d+")


@dataclass(frozen=True)
class Drawing:
    """A figure on the page.

    Attributes
    ----------
    name : str
        Its anchor, unique on the page: lower-case letters, digits and hyphens.
    caption : Markup
        Description of the figure, below it.
    description : str
        Alternative text for screen readers.
    source : str
        The command or the notebook that draws it.
    html : Markup
        An ``svg`` element, or two: the figure, and its form for narrow screens.
    width : float
        Minimum width in CSS pixels of the first form; on narrower screens it scrolls.
    """

    name: str
    caption: Markup
    description: str
    source: str
    html: Markup
    width: float


def drawing(name: str, figure: Figure, *, caption: str, description: str, source: str) -> Drawing:
    """Convert a Matplotlib figure to ``svg`` elements in the page's colours, light or dark.

    A figure with panels side by side also gets a form for narrow screens, in which they are stacked. The style sheet
    shows one of the two.

    Raises
    ------
    ValueError
        If ``name`` is not of the form of an anchor.
    """
    if not _ANCHOR.fullmatch(name):
        raise ValueError(f"the name of a drawing must be of lower-case letters, digits and hyphens, got {name!r}")
    width = 72 * figure.get_figwidth()
    html = _svg(name, figure, description, "wide")
    if stack_panels(figure):
        html += _svg(f"{name}-stacked", figure, description, "stacked")
    return Drawing(name, typeset(caption), description, source, html, width)


def _svg(name: str, figure: Figure, description: str, form: str) -> Markup:
    stream = io.StringIO()
    with render_in_style(name):
        figure.savefig(stream, format="svg", transparent=True)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    # The page's style sheet has the rule that Matplotlib puts into a style element.
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    # Ids must be unique on the page, which holds several drawings.
    svg = _IDENTIFIER.sub(lambda before: f"{before[1]}{name}-", svg)
    svg = _COLOUR.sub(lambda colour: COLOURS.get(colour.group().lower(), colour.group()), svg)
    svg = _COORDINATES.sub(lambda found: _NEEDLESS_DECIMALS.sub(r"\1", found.group()), svg)
    width, height = (72 * inches for inches in figure.get_size_inches())
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'class="{form}" aria-label="{plain(description)}" viewBox="0 0 {width:g} {height:g}" '
        f'style="aspect-ratio: {width:g} / {height:g}">'
    )
    return Markup(_OPENING.sub(lambda _: opening, svg, count=1).strip())


def picture(pixels: npt.NDArray[np.uint8], description: str) -> Markup:
    """Convert pixels, (height, width) or (height, width, 3), to an ``img`` element with embedded data."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    height, width = pixels.shape[:2]
    return Markup('<img class="pixels" width="{}" height="{}" alt="{}" src="data:image/png;base64,{}">').format(
        width, height, plain(description), data
    )
