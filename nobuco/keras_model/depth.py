"""Room for models that are deeper than Python calls may be nested."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CALLS_FOR_EACH = 3  # layer, at most: Keras follows a graph from its outputs, in calls inside calls


@contextmanager
def room_for(layers: int) -> Iterator[None]:
    """Inside, Keras may build a model of so many layers, one behind the other."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + _CALLS_FOR_EACH * layers)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
