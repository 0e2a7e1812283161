"""Ctrl-C for workers. A signal reaches the main thread alone; ``interrupt`` hands it on to a thread that waits for a
device, which looks here at least every ``LOOK_SECONDS``."""

from __future__ import annotations

import threading
from weakref import WeakSet

LOOK_SECONDS = 0.5

# Threads, not their numbers, which are given to others once a thread has ended.
_interrupted: WeakSet[threading.Thread] = WeakSet()


def interrupt(thread: threading.Thread) -> None:
    """Raise ``KeyboardInterrupt`` in ``thread`` where it next waits for a device: once, so that the code that cleans up
    can still use the device."""
    _interrupted.add(thread)


def look_for_interruption() -> None:
    """Raise ``KeyboardInterrupt`` when this thread has been interrupted."""
    this = threading.current_thread()
    if this in _interrupted:
        _interrupted.discard(this)
        raise KeyboardInterrupt
