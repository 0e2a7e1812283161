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
    MOST_OF_TFLITE,
    Sizes,
    apart,
    canonical,
    is_between_reshapes,
    largest_rank,
    reshaped,
    reshaping,
    steps,
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


def _together(sizes: Sizes, axes: list[int]) -> list[int]:
    """The first of the axes, as many as one op of four dims can tell apart."""
    while len(apart(sizes, axes)) > MOST:
        axes = axes[:-1]
    return axes


def _sliced_axes(op: Any) -> list[int] | None:
    found = _slice_parts(op)
    return None if found is None else [axis for axis, part in enumerate(found) if not part.whole]


def _slice(op: Any, now: Now) -> Tensor:
    found, waiting = _slice_parts(op) or [], _sliced_axes(op) or []
    x, shape = now(op.inputs[0]), op.inputs[0].shape.as_list()
    while waiting:
        together = _together(shape, waiting)
        waiting = waiting[len(together) :]
        joining = apart(shape, together)
        begin = [sum(found[axis].begin for axis in group if axis in together) for group in joining.groups]
        taken = [found[axis].count if axis in together else size for axis, size in enumerate(shape)]
        lead = [1] * max(0, 3 - len(joining))  # the classic delegate slices three dims or four
        sizes = [-1 if size is None else size for size in joining.sizes(taken)]
        x = tf.slice(reshaped(x, lead + joining.sizes(shape)), [0] * len(lead) + begin, lead + sizes)
        shape = taken
    return x


def _padded_axes(op: Any) -> list[int] | None:
    pairs = static(op.inputs[1])
    return None if pairs is None else [axis for axis, pair in enumerate(pairs) if any(pair)]


def _pad(op: Any, now: Now) -> Tensor:
    pairs, waiting = static(op.inputs[1]), _padded_axes(op) or []
    x, shape = now(op.inputs[0]), op.inputs[0].shape.as_list()
    while waiting:
        together = _together(shape, waiting)
        waiting = waiting[len(together) :]
        joining = apart(shape, together)
        sides = [
            [sum(int(pairs[axis][side]) for axis in group if axis in together) for side in (0, 1)]
            for group in joining.groups
        ]
        lead = [1] * (MOST - len(joining))  # delegates read paddings of three dims in another way
        x = _filled(op, now, reshaped(x, lead + joining.sizes(shape)), [[0, 0]] * len(lead) + sides)
        shape = [
            size if size is None or axis not in together else size + int(sum(pairs[axis]))
            for axis, size in enumerate(shape)
        ]
    return x


def _filled(op: Any, now: Now, x: Tensor, pairs: list[list[int]]) -> Tensor:
    if op.type == "MirrorPad":
        return tf.pad(x, pairs, op.get_attr("mode").decode())
    return tf.pad(x, pairs, constant_values=now(op.inputs[2]) if len(op.inputs) > 2 else 0)


def _repeated_axes(op: Any) -> list[int] | None:
    times = static(op.inputs[1])
    return None if times is None else [axis for axis, each in enumerate(times) if each != 1]


def _tile(op: Any, now: Now) -> Tensor:
    times, waiting = static(op.inputs[1]), _repeated_axes(op) or []
    x, shape = now(op.inputs[0]), op.inputs[0].shape.as_list()
    while waiting:
        together = _together(shape, waiting)
        waiting = waiting[len(together) :]
        joining = apart(shape, together)
        repeats = [prod(int(times[axis]) for axis in group if axis in together) for group in joining.groups]
        x = tf.tile(reshaped(x, joining.sizes(shape)), repeats)
        shape = [
            size if size is None or axis not in together else size * int(times[axis])
            for axis, size in enumerate(shape)
        ]
    return x


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
    x = now(op.inputs[0])
    for blocks in steps(order):
        x = tf.reshape(x, [prod(sizes[place] or 0 for place in block) for block in blocks])
        x = tf.transpose(x, (0, 2, 1, 3))
    return x


# What takes apart an axis here and there: the ops, which axes those are, and how it is done.
_CUTS: tuple[tuple[tuple[str, ...], Callable[[Any], list[int] | None], Any], ...] = (
    (("Slice", "StridedSlice"), _sliced_axes, _slice),
    (("Pad", "PadV2", "MirrorPad"), _padded_axes, _pad),
    (("Tile",), _repeated_axes, _tile),
)


def _is_free(op: Any, axes: list[int]) -> bool:
    sizes = op.inputs[0].shape.as_list()
    return is_between_reshapes(op) and _together(sizes, axes) == axes


def _of_many(
    axes_of: Callable[[Any], list[int] | None], free: bool, more_than: int = MOST
) -> Callable[[Any], bool]:
    def fits(op: Any) -> bool:
        axes = axes_of(op) if largest_rank(op) > more_than else None
        return axes is not None and (not free or _is_free(op, axes))

    return fits


def _of_few(axes_of: Callable[[Any], list[int] | None], fewest: int) -> Callable[[Any], bool]:
    return lambda op: 0 < op.inputs[0].shape.rank < fewest and axes_of(op) is not None


def _turned(fits: Callable[[Any], bool], make: Any, free: bool, more_than: int = MOST) -> Form:
    def is_wanted(op: Any) -> bool:
        return largest_rank(op) > more_than and (not free or is_between_reshapes(op)) and fits(op)

    return reshaping(("Transpose",), is_wanted, make)


FORMS = (
    *(reshaping(types, _of_many(axes_of, True), make) for types, axes_of, make in _CUTS),
    _turned(_fits_transpose, _transpose, True),
    *(reshaping(types, _of_many(axes_of, False, MOST_OF_TFLITE), make) for types, axes_of, make in _CUTS),
    _turned(_fits_transpose, _transpose, False, MOST_OF_TFLITE),
    _turned(_fits_steps, _transpose_in_steps, False, MOST_OF_TFLITE),
)
GPU_FORMS = (
    *(reshaping(types, _of_many(axes_of, False), make) for types, axes_of, make in _CUTS),
    _turned(_fits_transpose, _transpose, False),
    _turned(_fits_steps, _transpose_in_steps, False),
    reshaping(("Slice", "StridedSlice"), _of_few(_sliced_axes, 3), _slice),
    reshaping(("Pad", "PadV2", "MirrorPad"), _of_few(_padded_axes, MOST), _pad),
)
