"""Sphinx configuration: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dpsynth import __version__

project = "dpsynth"
author = "the dpsynth authors"
copyright = "the dpsynth authors"  # noqa: A001 - the name that Sphinx reads
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"dpsynth {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["notebooks.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_excludepatterns = ["notebooks/*"]  # `make notebooks` has executed them
nb_execution_raise_on_error = True
nb_execution_timeout = 300

autodoc_default_options = {"members": True, "imported-members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_numpy_docstring = False
# Only names of our rooms must resolve: other packages and inner modules have no page here.
nitpick_ignore_regex = [(r"py:.*", r"(?!dpsynth\.).*"), (r"py:.*", r"dpsynth\.\w+\.\w+\.\w+(\.\w+)*")]


def privacy_section(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Turn our docstring section `Privacy: text` into a note, its continuation lines into one paragraph."""
    start = next((i for i, line in enumerate(lines) if line.startswith("Privacy: ")), None)
    if start is None:
        return
    end = start + 1
    while end < len(lines) and (not lines[end] or lines[end].startswith("    ")):
        end += 1
    body = [lines[start].removeprefix("Privacy: "), *(line.strip() for line in lines[start + 1 : end])]
    lines[start:end] = ["", ".. admonition:: Privacy", "", *(f"   {line}" for line in body), ""]


def one_line_property(_app: Any, what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Keep napoleon from reading `The price: ...` of a property as a type and its description."""
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", " \N{EN DASH} ")


def setup(app: Any) -> None:
    """Register the hooks before napoleon's."""
    app.connect("autodoc-process-docstring", one_line_property, priority=100)
    app.connect("autodoc-process-docstring", privacy_section, priority=100)
