"""The line of a class or function that writes to an attribute, found in its source: a plain assignment leaves no trace."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Iterator
from typing import Any

from nobuco.contract.sites import Site

_CHANGING = {
    "append", "extend", "insert", "pop", "popleft", "appendleft", "remove", "clear", "add", "discard", "update",
    "setdefault", "popitem", "sort", "reverse", "rotate", "fill",
}  # fmt: skip


def written_at(owner: Any, name: str) -> Site | None:
    """Where the class of `owner`, or the function that it is, writes to its attribute or variable `name`."""
    for source, file, first in _sources(owner):
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        lines = [node.lineno for node in ast.walk(_without_init(tree)) if _writes(node, name)]  # type: ignore[attr-defined]
        if lines:
            return Site(file, first + min(lines) - 1, name)
    return None


def _sources(owner: Any) -> Iterator[tuple[str, str, int]]:
    for target in [owner] if isinstance(owner, types.FunctionType) else type(owner).__mro__:
        if (target.__module__ or "").split(".")[0] in ("torch", "builtins"):
            continue
        try:
            lines, first = inspect.getsourcelines(target)
            yield textwrap.dedent("".join(lines)), inspect.getsourcefile(target) or "?", first
        except (OSError, TypeError):  # defined at a prompt, or in C
            continue


def _without_init(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            node.body = [
                each
                for each in node.body
                if not (isinstance(each, ast.FunctionDef) and each.name == "__init__")
            ] or [ast.Pass()]
    return tree


def _writes(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Assign):
        targets = [each for target in node.targets for each in ast.walk(target)]
        return any(_is(target, name) and isinstance(target.ctx, ast.Store | ast.Load) for target in targets)  # type: ignore[attr-defined]
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return any(_is(target, name) for target in ast.walk(node.target))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        changing = node.func.attr in _CHANGING or (
            node.func.attr.endswith("_") and not node.func.attr.endswith("__")
        )
        return changing and any(_is(part, name) for part in ast.walk(node.func.value))
    return False


def _is(node: ast.AST, name: str) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == name) or (
        isinstance(node, ast.Name) and node.id == name
    )
