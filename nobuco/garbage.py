"""Python's garbage collector, which takes long in a process that has imported PyTorch and TensorFlow."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """What is collected inside is what has been made inside: the million objects of the frameworks are not looked at.

    A fifth of the time of an export goes into looking at them otherwise. Inside, `gc.get_referrers` does not find them, so
    no PyTorch program may be traced there: lifting its branches looks for functions in that way."""
    if gc.get_freeze_count():  # somebody has set objects aside for good
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
