"""The memory that conversions take, shared out among those that run at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bench.artifact import ModelVariant

_BASE_BYTES = 1.2e9
_BYTES_PER_WEIGHT_BYTE = 12
"""What nobuco's conversions were measured to take: the frameworks, and the weights as TensorFlow's converter copies them."""


class MemoryShares:
    """Lets work begin when the memory that it is expected to take is free.

    Args:
        total: Bytes to share out.
    """

    def __init__(self, total: float) -> None:
        self.total = total
        self._taken: list[float] = []
        self._changed = threading.Condition()

    @contextmanager
    def share(self, size: float) -> Iterator[None]:
        """Hold `size` bytes during the block; what is larger than the whole waits until it is alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or sum(self._taken) + size <= self.total)
            self._taken.append(size)
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(size)
                self._changed.notify_all()


def expected_bytes(model: ModelVariant) -> float:
    """The memory that a conversion is expected to take, by the model's parameters; those of a user's own are unknown."""
    entry = model.spec.entry
    return _BASE_BYTES + _BYTES_PER_WEIGHT_BYTE * 4 * (entry.parameters if entry else 10e6)
