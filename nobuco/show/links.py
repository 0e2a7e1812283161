"""Links that open a line of source: in a terminal, in an editor, in a browser."""

from __future__ import annotations

import os
from pathlib import Path

from nobuco.contract.sites import Site

_VSCODE = "vscode://file{path}:{line}"
# The line as fragment is what kitty and WezTerm understand; other terminals open the file at its top.
_FILE = "file://{path}#{line}"


def exists(site: Site | None) -> bool:
    """Whether there is a file to open: code of an interactive prompt or of `exec` has none."""
    return site is not None and Path(site.file).is_file()


def file_link(site: Site) -> str:
    return _filled(_FILE, site)


def vscode_link(site: Site) -> str:
    return _filled(_VSCODE, site)


def terminal_link(site: Site) -> str:
    """For a console hyperlink. `NOBUCO_LINK` says otherwise, as in ``idea://open?file={path}&line={line}``."""
    inside_vscode = os.environ.get("TERM_PROGRAM") == "vscode"
    return _filled(os.environ.get("NOBUCO_LINK") or (_VSCODE if inside_vscode else _FILE), site)


def short(site: Site) -> str:
    """The place as one reads it: the path from here when the file lies below, else in full."""
    path = Path(site.file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{site.line}"


def _filled(pattern: str, site: Site) -> str:
    path = Path(site.file).absolute().as_uri().removeprefix("file://")
    # not str.format: a path, or a user's pattern, may hold braces of its own
    return pattern.replace("{line}", str(site.line)).replace("{path}", path)
