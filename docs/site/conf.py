"""The documentation site: `make docs`. Why Sphinx, and how pages stay where they are: docs/decisions/0027."""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tuner.version import __version__  # noqa: E402  found by the line above

project = "Tuner"
version = release = __version__
copyright = "the authors of Tuner"  # noqa: A001  the name that Sphinx reads

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.openapi"]
# The source is the whole checkout, so that links between pages are the same here as on disk.
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**",
    "conformance/README.md",
    "core/README.md",
    "migrations/README.md",
    "web/README.md",
    "tuner/codec/*.md",
    "tuner/codec/format/*.md",
]
root_doc = "docs/site/index"
# What nobody fetches from elsewhere when a page is opened: no fonts, no scripts, no badges.
html_theme = "furo"
html_title = f"Tuner {__version__}"
html_extra_path = ["front"]
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
# Docstrings are prose: what stands between single backticks in them is code.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
autodoc_typehints = "description"
autodoc_member_order = "bysource"

# The tutorial is kept without outputs; building the site runs it, and a cell that fails breaks the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_show_tb = True

# Which codes there are, the document of the service decides.
http_strict_mode = False


def _as_prose(_app: Sphinx, what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Stars and bars of shapes and norms, (*grid_shape, channels) and |x|, are no markup; pages introduce packages."""
    if what == "module":
        lines.clear()
    for number, line in enumerate(lines):
        if ">>>" not in line:
            lines[number] = re.sub(
                r"`[^`]*`|[|*]", lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", line
            )


def setup(app: Sphinx) -> None:
    """Docstrings are read as prose, before napoleon finds their sections."""
    app.connect("autodoc-process-docstring", _as_prose, priority=400)
