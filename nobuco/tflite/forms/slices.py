"""Slices that drop an axis or leave out every second place, which delegates refuse.

    before  STRIDED_SLICE (1, 56, 56, 64) -> (1, 28, 28, 64), strides (1, 2, 2, 1)
    after   RESHAPE (28, 2, 28, 128), SLICE (28, 1, 28, 64), RESHAPE (1, 28, 28, 64)

    before  STRIDED_SLICE (1, 197, 768) -> (1, 768), the axis shrunk
    after   SLICE (1, 1, 768), RESHAPE (1, 768)

A stride of s over n places is place k of each row when the axis is n rows of s: the slice is then one of an axis that is
read in whole rows. Where the last row is not full, the rows start earlier, or end in padding. A slice of everything is
nothing. STRIDED_SLICE of unit strides stays: delegates take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, static

_MOST_RANKS = 6  # of what XNNPACK takes


@dataclass(frozen=True)
class Part:
    """What is taken of one axis of `size` places: `count` of them from `begin` on, `stride` apart. The size is None where
    it is unknown, and then the axis is taken whole."""

    size: int | None
    begin: int
    stride: int
    count: int | None

    @property
    def whole(self) -> bool:
        return self.count == self.size and self.stride == 1


def parts(op: Any) -> list[Part] | None:
    """What a StridedSlice takes of each axis of its input; None where that is not known, or runs backwards."""
    begin, end, strides = (static(tensor) for tensor in op.inputs[1:4])
    shape = op.inputs[0].shape
    if begin is None or end is None or strides is None or shape.rank is None:
        return None
    masks = {
        name: op.get_attr(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }

    def masked(name: str, place: int) -> bool:
        return bool(masks[name] >> place & 1)

    named = sum(not masked("new_axis", i) and not masked("ellipsis", i) for i in range(len(begin)))
    waiting = shape.as_list()
    found: list[Part] = []
    for place in range(len(begin)):
        if masked("ellipsis", place):
            for _ in range(shape.rank - named):
                size = waiting.pop(0)
                found.append(Part(size, 0, 1, size))
        elif not masked("new_axis", place):
            size = waiting.pop(0)
            shrunk = masked("shrink_axis", place)
            first = None if masked("begin", place) and not shrunk else int(begin[place])
            last = None if masked("end", place) else int(end[place])
            step = 1 if shrunk else int(strides[place])
            if size is None:
                if shrunk or first or last is not None or step != 1:
                    return None
                found.append(Part(None, 0, 1, None))
                continue
            if shrunk:
                start = int(begin[place]) % size
                found.append(Part(size, start, 1, 1))
                continue
            if step < 0:
                return None
            taken = range(size)[slice(first, last, step)]
            found.append(Part(size, taken.start, step if len(taken) > 1 else 1, len(taken)))
    return found + [Part(size, 0, 1, size) for size in waiting]


def selections(op: Any) -> list[list[np.ndarray | None]] | None:
    """For each output of an op that cuts, the places that it takes of each axis; None for all of them."""
    shape = op.inputs[1 if op.type == "Split" else 0].shape
    if shape.rank is None:
        return None
    if op.type == "StridedSlice":
        found = parts(op)
        if found is None or op.get_attr("new_axis_mask"):
            return None
        places = [
            None if part.whole else part.begin + part.stride * np.arange(part.count or 0) for part in found
        ]
        return [places]
    if op.type == "Unpack":
        axis, lengths = op.get_attr("axis"), [1] * op.get_attr("num")
    elif op.type == "Split":
        axis, count = static(op.inputs[0]), op.get_attr("num_split")
        size = None if axis is None else shape[int(axis)]
        lengths = None if size is None else [size // count] * count
    else:
        axis, lengths = (
            static(op.inputs[2]),
            [output.shape[int(static(op.inputs[2]) or 0)] for output in op.outputs],
        )
    if axis is None or lengths is None or any(length is None for length in lengths):
        return None
    ends = np.cumsum(lengths)
    return [
        [
            np.arange(end - length, end) if place == int(axis) % shape.rank else None
            for place in range(shape.rank)
        ]
        for end, length in zip(ends, lengths, strict=True)
    ]


def _fits(op: Any) -> bool:
    if not op.inputs[0].dtype.is_floating or op.outputs[0].shape.as_list().count(None) > 1:
        return False
    found = parts(op)
    if found is None or any(part.count == 0 for part in found):
        return False
    if all(part.whole for part in found):
        return True
    strided = [part for part in found if part.stride > 1]
    if strided and any(part.size is None for part in found):
        return False
    reshaped = op.get_attr("shrink_axis_mask") or op.get_attr("new_axis_mask")
    return bool(strided or reshaped) and 2 * len(strided) + 1 <= _MOST_RANKS


def _make(op: Any, now: Now) -> Tensor:
    return taken(now(op.inputs[0]), parts(op) or [], op.outputs[0].shape.as_list())


def taken(x: Tensor, found: list[Part], shape: list[int | None]) -> Tensor:
    """Of each axis of `x` its part, with the result in a shape of as many elements."""
    windows = [_window(part) for part in found]
    begin = [start for start, _, _ in windows]
    length = [-1 if length is None else length for _, length, _ in windows]
    past = [
        max(0, start + long - (part.size or 0)) if part.stride > 1 else 0
        for part, start, long in zip(found, begin, length, strict=True)
    ]
    if any(past):
        x = tf.pad(x, [(0, more) for more in past])
    sizes = [None if part.size is None else part.size + more for part, more in zip(found, past, strict=True)]
    if any(start or long not in (size, -1) for start, long, size in zip(begin, length, sizes, strict=True)):
        x = tf.slice(x, begin, length)
    if any(part.stride > 1 for part in found):
        x = _every(x, found, [phase for _, _, phase in windows])
    if x.shape.as_list() == shape:
        return x
    return tf.reshape(x, [-1 if size is None else size for size in shape])


def _window(part: Part) -> tuple[int, int | None, int]:
    """Where the whole rows begin that hold the part, how long they are together, and the place in each."""
    if part.stride == 1 or part.size is None or part.count is None:
        return part.begin, part.count, 0
    length = part.stride * part.count
    start = max(0, min(part.begin, part.size - length))  # less than a row before what is taken first
    return start, length, part.begin - start


def _every(x: Tensor, found: list[Part], phases: list[int]) -> Tensor:
    """Of each axis with a stride the places `phase` of its rows; axes between are counted as one."""
    shape, begin, length = [1], [0], [1]
    inner = False  # whether the last axis so far are rows, that axes without a stride join
    for part, phase in zip(found, phases, strict=True):
        count = part.count or 0
        if part.stride > 1:
            if inner:
                shape, begin, length = [*shape, count], [*begin, 0], [*length, count]
            else:
                shape[-1], length[-1] = shape[-1] * count, length[-1] * count
            shape, begin, length = [*shape, part.stride], [*begin, phase], [*length, 1]
            inner = True
        else:
            shape[-1], begin[-1], length[-1] = shape[-1] * count, begin[-1] * count, length[-1] * count
    return tf.slice(tf.reshape(x, shape), begin, length)


FORM = Form(("StridedSlice",), _fits, _make)
