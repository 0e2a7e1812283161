"""The site: `make docs` builds it into build/docs."""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "nobuco"
copyright = "the nobuco authors"
html_theme = "furo"
html_title = "nobuco"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["records"]
myst_heading_anchors = 3
napoleon_use_ivar = True  # attributes stand in the class, and once
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository, which the tests follow


class PublicApi(SphinxDirective):
    """`public-api` MODULE: every name in the module's `__all__`, whichever module it lives in."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The names' own directives, as autodoc has them."""
        module = importlib.import_module(self.arguments[0])
        lines: list[str] = []
        for name in sorted(module.__all__):
            value = getattr(module, name)
            kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
            kind = "exception" if inspect.isclass(value) and issubclass(value, BaseException) else kind
            lines += [f".. auto{kind}:: {module.__name__}.{name}", *_options(kind), ""]
        return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *lines, "```"]))


def _options(kind: str) -> list[str]:
    return ["   :members:"] if kind == "class" else []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("public-api", PublicApi)
    return {"parallel_read_safe": True}
