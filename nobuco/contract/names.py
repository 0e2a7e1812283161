"""Names that a user gives to inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def check_names(what: str, names: Iterable[Any]) -> None:
    """Raises TypeError or ValueError, naming the argument `what`, for names that Keras would not take."""
    if isinstance(names, str):
        raise TypeError(f"{what} is the text {names!r}: give a list of names, as in {what}=[{names!r}]")
    taken: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{what} holds {name!r}, which is no text: give a name for each")
        if not name or "/" in name:
            raise ValueError(
                f"{what} holds {name!r}: a name must not be empty, and Keras takes none with a '/'"
            )
        if name in taken:
            raise ValueError(f"{what} holds {name!r} twice: give names that differ")
        taken.add(name)
