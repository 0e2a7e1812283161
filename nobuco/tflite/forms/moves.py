"""Slices, paddings, repetitions and transposes of more than four dims, or of fewer than delegates take, as such of fewer or
more.

    before  TRANSPOSE (1, 8, 8, 2, 24) -> (1, 8, 8, 24, 2)
    after   RESHAPE (64, 2, 24), TRANSPOSE (64, 24, 2), RESHAPE (1, 8, 8, 24, 2)

Dims that are neither cut nor padded are joined with their neighbours, and so are those that a transpose leaves together."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, static
from nobuco.tflite.forms.joining import (
    MOST,
    Joining,
    apart,
    canonical,
    is_between_reshapes,
    largest_rank,
    reshaped,
    reshaping,
)
from nobuco.tflite.forms.slices import Part, parts


def _slice_parts(op: Any) -> list[Part] | None:
    if op.type == "StridedSlice":
        found = parts(op)
        return None if found is None or any(part.stride > 1 for part in found) else found
    begin, size = static(op.inputs[1]), static(op.inputs[2])
    if begin is None or size is None:
        return None
    shape = op.inputs[0].shape.as_list()
    if any(
        extent is None and (first or taken != -1)
        for extent, first, taken in zip(shape, begin, size, strict=True)
    ):
        return None
    return [
        Part(extent, int(first), 1, None if extent is None else int(extent - first if taken == -1 else taken))
        for extent, first, taken in zip(shape, begin, size, strict=True)
    ]


def _fits_slice(op: Any) -> bool:
    return _slice_parts(op) is not None


def _slice(op: Any, now: Now) -> Tensor:
    """One axis after the other where they are too many for one slice."""
    found = _slice_parts(op) or []
    x, shape = now(op.inputs[0]), op.inputs[0].shape.as_list()
    waiting = [axis for axis, part in enumerate(found) if not part.whole]
    while waiting:
        together = waiting
        while len(apart(shape, together)) > MOST:
            together = together[:-1]
        waiting = waiting[len(together) :]
        joining = apart(shape, together)
        begin = [sum(found[axis].begin for axis in group if axis in together) for group in joining.groups]
        taken = [found[axis].count if axis in together else size for axis, size in enumerate(shape)]
        lead = [1] * max(0, 3 - len(joining))  # the classic delegate slices three dims or four
        sizes = [-1 if size is None else size for size in joining.sizes(taken)]
        x = tf.slice(reshaped(x, lead + joining.sizes(shape)), [0] * len(lead) + begin, lead + sizes)
        shape = taken
    return x


def _paddings(op: Any) -> Any:
    return static(op.inputs[1])


def _padding(op: Any) -> Joining:
    x = op.inputs[0]
    padded = [axis for axis, pair in enumerate(_paddings(op)) if any(pair)]
    return apart(x.shape.as_list(), padded)


def _fits_padding(op: Any) -> bool:
    return _paddings(op) is not None and len(_padding(op)) <= MOST


def _pad(op: Any, now: Now) -> Tensor:
    joining, x = _padding(op), op.inputs[0]
    pairs = [
        [int(sum(_paddings(op)[axis][side] for axis in group)) for side in (0, 1)] for group in joining.groups
    ]
    lead = MOST - len(
        joining
    )  # of three dims, delegates read the first as another than they read it elsewhere
    pairs = [[0, 0]] * lead + pairs
    given = reshaped(now(x), [1] * lead + joining.sizes(x.shape.as_list()))
    if op.type == "MirrorPad":
        return tf.pad(given, pairs, op.get_attr("mode").decode())
    return tf.pad(given, pairs, constant_values=now(op.inputs[2]) if len(op.inputs) > 2 else 0)


def _repeats(op: Any) -> Any:
    return static(op.inputs[1])


def _tiling(op: Any) -> Joining:
    shape = op.inputs[0].shape.as_list()
    return apart(shape, [axis for axis, times in enumerate(_repeats(op)) if times != 1])


def _fits_tile(op: Any) -> bool:
    return _repeats(op) is not None and len(_tiling(op)) <= MOST


def _tile(op: Any, now: Now) -> Tensor:
    joining, x = _tiling(op), op.inputs[0]
    times = [prod(int(_repeats(op)[axis]) for axis in group) for group in joining.groups]
    return tf.tile(reshaped(now(x), joining.sizes(x.shape.as_list())), times)


def _fits_transpose(op: Any) -> bool:
    order = static(op.inputs[1])
    return order is not None and len(canonical(op.inputs[0].shape.as_list(), order)[0]) <= MOST


def _transpose(op: Any, now: Now) -> Tensor:
    sizes, order = canonical(op.inputs[0].shape.as_list(), static(op.inputs[1]))
    x = reshaped(now(op.inputs[0]), sizes)
    return x if order == sorted(order) else tf.transpose(x, order)


def _fits_steps(op: Any) -> bool:
    return static(op.inputs[1]) is not None and None not in op.inputs[0].shape.as_list()


def _transpose_in_steps(op: Any, now: Now) -> Tensor:
    """One run of dims after the other is moved to its place, past those that stand before it."""
    sizes, order = canonical(op.inputs[0].shape.as_list(), static(op.inputs[1]))
    x, places = now(op.inputs[0]), list(range(len(order)))
    done = 0
    while places != order:
        if places[done] == order[done]:
            done += 1
            continue
        start = places.index(order[done])
        length = 1
        while (
            done + length < len(order)
            and start + length < len(order)
            and places[start + length] == order[done + length]
        ):
            length += 1
        blocks = [places[:done], places[done:start], places[start : start + length], places[start + length :]]
        x = tf.reshape(x, [prod(sizes[place] or 0 for place in block) for block in blocks])
        x = tf.transpose(x, (0, 2, 1, 3))
        places = blocks[0] + blocks[2] + blocks[1] + blocks[3]
        done += length
    return x


def _of_many(fits: Callable[[Any], bool], make: Any, *op_types: str, free: bool) -> Form:
    return reshaping(
        op_types,
        lambda op: largest_rank(op) > MOST and (not free or is_between_reshapes(op)) and fits(op),
        make,
    )


def _of_few(fits: Callable[[Any], bool], make: Any, *op_types: str, fewest: int) -> Form:
    return reshaping(op_types, lambda op: 0 < op.inputs[0].shape.rank < fewest and fits(op), make)


def _forms(free: bool) -> tuple[Form, ...]:
    return (
        _of_many(_fits_slice, _slice, "Slice", "StridedSlice", free=free),
        _of_many(_fits_padding, _pad, "Pad", "PadV2", "MirrorPad", free=free),
        _of_many(_fits_tile, _tile, "Tile", free=free),
        _of_many(_fits_transpose, _transpose, "Transpose", free=free),
    )


FORMS = _forms(free=True)
GPU_FORMS = (
    *_forms(free=False),
    _of_many(_fits_steps, _transpose_in_steps, "Transpose", free=False),
    _of_few(_fits_slice, _slice, "Slice", "StridedSlice", fewest=3),
    _of_few(_fits_padding, _pad, "Pad", "PadV2", "MirrorPad", fewest=MOST),
)
