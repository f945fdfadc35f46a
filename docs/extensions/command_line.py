r"""The help texts of the command line on the page of commands.

They are written for a terminal, so that nothing in them is markup: what would be read as such is escaped, and the
paragraphs that click leaves alone after ``\b`` become literal blocks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click
    from sphinx.application import Sphinx

MARKUP = re.compile(r"([\\*`|_])")


def escape_description(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Escape the lines of a description, and set those that sphinx-click began with a bar as they stand."""
    shown = []
    for before, line in zip(["", *lines], lines, strict=False):
        if not line.startswith("| "):
            shown.append(MARKUP.sub(r"\\\1", line))
        elif before.startswith("| "):
            shown.append(f"    {line[2:]}")
        else:
            shown += [MARKUP.sub(r"\\\1", line[2:]), "", "::", ""]
    lines[:] = shown


def escape_options(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Escape the help of the options; the lines that sphinx-click itself adds are markup already."""
    own = (".. option::", "    :default: ``", "    :options:")
    lines[:] = [line if line.startswith(own) else MARKUP.sub(r"\\\1", line) for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the two to what sphinx-click makes of a command."""
    app.setup_extension("sphinx_click")
    app.connect("sphinx-click-process-description", escape_description)
    app.connect("sphinx-click-process-options", escape_options)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
