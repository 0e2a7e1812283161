"""Constants that stand in a file more than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from tensorflow.lite.python.convert import deduplicate_readonly_buffers

from nobuco.tflite import flatbuffer as fb

_WORTH = 1 / 1000  # of a file's bytes
_HEAD = 64  # bytes in which different weights differ


def without_repeats(data: bytes | bytearray) -> bytes | bytearray:
    """The file with equal constants once, where it is smaller for it. TensorFlow takes a file apart and writes it anew even
    where there are none, half as long as converting it."""
    repeated = sum(each.size for each in _repeats(fb.root(data)))
    return deduplicate_readonly_buffers(data) if repeated > _WORTH * len(data) else data


def _repeats(model: Any) -> Iterator[np.ndarray]:
    """The bytes of each buffer that another before it equals."""
    alike: dict[tuple[int, bytes], list[np.ndarray]] = defaultdict(list)
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataIsNone():
            continue
        content = buffer.DataAsNumpy()
        known = alike[content.size, content[:_HEAD].tobytes()]
        if any(np.array_equal(content, each) for each in known):
            yield content
        else:
            known.append(content)
