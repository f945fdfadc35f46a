"""How the pages are built: `make docs`. Nothing is fetched, neither when they are built nor when they are read."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # so that the packages of this checkout are documented, and docs.extensions is found
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Epanechnikov VAE toolkit"
version = release = PROJECT["version"]
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs.extensions.command_line",
    "docs.extensions.mathml",
    "docs.extensions.notebooks",
    "docs.extensions.reference",
]
exclude_patterns = ["extensions"]
default_role = "py:obj"
smartquotes = False  # an option is --json
nitpicky = True
# Types are written for a reader: "array of shape (n,)" is not a class.
nitpick_ignore_regex = [("py:class", ".*")]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # their tests execute the notebooks
nb_merge_streams = True

# Each object stands where it is defined; the packages' faces are listed on the pages of the reference.
autodoc_default_options = {"members": True, "ignore-module-all": True, "member-order": "bysource"}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
