"""What a block must not do, since it would be done once and for all: print, and change Python's own things."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nobuco.contract.sites import Site
from nobuco.trace.errors import TraceError, Unliftable
from nobuco.trace.reach import Place, places_of


@contextmanager
def watched(site: Site | None, blocks: Sequence[Callable[..., Any]], names: Sequence[str]) -> Iterator[None]:
    """Raises Unliftable for what may be done only where the branch is taken, whatever it is. `names` are the variables
    that the blocks may set."""
    places = [place for block in blocks for place in places_of(block)[0]]
    before = builtins.print
    builtins.print = _refuses(site, "it prints")
    try:
        yield
    except Unliftable:
        raise
    except TraceError as error:
        raise Unliftable(site, str(error)) from error
    except Exception as error:  # whatever the program raises where Python would not have gone
        raise Unliftable(site, f"one way through it raises {type(error).__name__}: {error}") from error
    finally:
        builtins.print = before
    changed = [path for place in places if not _is_variable(place, names) for path in place.changed()]
    if changed:
        raise Unliftable(site, f"it changes {changed[0]}, which is no tensor of the graph")


def _is_variable(place: Place, names: Sequence[str]) -> bool:
    return type(place.holder).__name__ == "cell" and place.name in names


def _refuses(site: Site | None, reason: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise Unliftable(site, reason)

    return refuse
