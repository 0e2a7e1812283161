"""Ctrl-C for workers. A signal reaches the main thread alone; ``interrupt`` hands it on to a thread that waits for a
device, which looks here at least every ``LOOK_SECONDS``."""

from __future__ import annotations

import threading
from weakref import WeakSet

LOOK_SECONDS = 0.5

_interrupted: WeakSet[threading.Thread] = WeakSet()  # its number would pass on to another thread when it ends


def interrupt(thread: threading.Thread) -> None:
    """Let ``KeyboardInterrupt`` rise in ``thread`` where it next waits for a device: once, so that what cleans up after
    it can still talk to the device."""
    _interrupted.add(thread)


def look_for_interruption() -> None:
    """Raise ``KeyboardInterrupt`` when this thread has been interrupted."""
    this = threading.current_thread()
    if this in _interrupted:
        _interrupted.discard(this)
        raise KeyboardInterrupt
