r"""Help texts of the command line for the page of commands.

Help texts are plain text for a terminal: characters that would be read as markup are escaped, and the paragraphs that
click does not wrap, after ``\b``, become literal blocks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click
    from sphinx.application import Sphinx

MARKUP = re.compile(r"([\\*`|_])")


def escape_description(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Escape the lines of a description, and turn those that sphinx-click marks with a bar into literal blocks."""
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
    """Escape the help of the options, but not the markup that sphinx-click adds."""
    own = (".. option::", "    :default: ``", "    :options:")
    lines[:] = [line if line.startswith(own) else MARKUP.sub(r"\\\1", line) for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect both functions to the events of sphinx-click."""
    app.setup_extension("sphinx_click")
    app.connect("sphinx-click-process-description", escape_description)
    app.connect("sphinx-click-process-options", escape_options)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
