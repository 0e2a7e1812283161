"""Which ops of a file a recipe keeps in float."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace

from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp
from nobuco.tflite.precision.recipe import Recipe

_NAMED = 8  # modules that an error lists


def is_kept(row: TFLiteOp, recipe: Recipe) -> bool:
    """Whether the recipe keeps an op in float: by its tensor's name, or by the module of a call it was made from."""
    return any(
        keep in row.output_names
        or any(f"{origin.module_path}.".startswith(f"{keep}.") for origin in row.origins)
        for keep in recipe.keep
    )


def check_kept(recipe: Recipe, info: TFLiteInfo) -> None:
    """Raises TFLiteExportError for what a recipe keeps and no op of the file is made from."""
    unknown = [
        keep
        for keep in recipe.keep
        if not any(is_kept(row, replace(recipe, keep=(keep,))) for row in info.rows)
    ]
    if not unknown:
        return
    paths = list(
        dict.fromkeys(
            path for row in info.rows for origin in row.origins for path in _above(origin.module_path)
        )
    )
    near = list(dict.fromkeys(match for each in unknown for match in difflib.get_close_matches(each, paths)))
    modules = near or paths[:_NAMED]
    there = (
        f"; there are {_listed(modules)}{', ...' if not near and len(paths) > _NAMED else ''}"
        if modules
        else ""
    )
    raise TFLiteExportError(
        f"keep names {_listed(unknown)}, and no op of the file is made from that: give paths of PyTorch modules, or names "
        f"of the file's tensors{there}"
    )


def _above(path: str) -> Iterable[str]:
    parts = path.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
