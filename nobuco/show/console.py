"""The call tree on the console."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from nobuco.trace.graph import Call
from nobuco.validate.report import Report, Status

_STYLES = {
    Status.RIGHT: "green",
    Status.INEXACT: "yellow",
    Status.FAILED: "bold red",
    Status.MISSING: "bold white on red",
    Status.UNUSED: "bright_black",
    Status.FOLDED: "bright_black",
    Status.CONTAINER: "default",
    Status.READ: "magenta",
    Status.UNCHECKED: "default",
}


def print_tree(report: Report) -> None:
    console = Console(stderr=True)
    tree = Tree(_line(report.root, report))
    _grow(tree, report.root, report)
    console.print(tree)
    console.print(str(report))


def _grow(tree: Tree, call: Call, report: Report) -> None:
    found = report.of(call)
    if found is not None and found.status is not Status.CONTAINER:
        return
    for child in call.children:
        _grow(tree.add(_line(child, report)), child, report)


def _line(call: Call, report: Report) -> Text:
    found = report.of(call)
    status = found.status if found else Status.CONTAINER
    text = Text(call.name, style=_STYLES[status])
    if found and found.error is not None:
        text.append(f"  {found.error:.1e}", style="bright_black")
    return text
