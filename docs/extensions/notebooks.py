"""The notebooks as pages of the site, with the outputs that they are committed with.

Sphinx reads pages below its source folder only, so that each build copies them to ``docs/notebooks``, where git ignores
them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SOURCE = Path(__file__).parents[2] / "notebooks"


def copy_notebooks(app: Sphinx) -> None:
    """Copy the notebooks, and the page that lists them, to the pages; remove others that are there.

    Pages elsewhere that are built with this configuration have none.
    """
    if app.srcdir != app.confdir:
        return
    target = Path(app.srcdir) / "notebooks"
    target.mkdir(exist_ok=True)
    copies = {target / path.name: path for path in (*SOURCE.glob("*.ipynb"), SOURCE / "README.md")}
    for stale in set(target.iterdir()) - set(copies):
        stale.unlink()
    for copy, path in copies.items():
        # A copy with the time of its original is not read again by Sphinx.
        if not copy.is_file() or copy.read_bytes() != path.read_bytes():
            shutil.copy2(path, copy)


def setup(app: Sphinx) -> dict[str, Any]:
    """Copy the notebooks before the pages are collected."""
    app.connect("builder-inited", copy_notebooks)
    return {"version": "1", "parallel_read_safe": True}
