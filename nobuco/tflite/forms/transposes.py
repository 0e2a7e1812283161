"""Transposes in a row, with nothing but reshapes between them, as one.

    before  TRANSPOSE (1, 32, 32, 96) -> (1, 96, 32, 32), RESHAPE (1536, 2, 16, 2), TRANSPOSE (1536, 16, 2, 2),
            RESHAPE (96, 256, 4), TRANSPOSE (4, 256, 96)
    after   RESHAPE (16, 2, 16, 2, 96), TRANSPOSE (2, 2, 16, 16, 96), RESHAPE (4, 256, 96)

A reshape that splits and merges dims only says how finely the first tensor's dims are told apart; what the whole row does
is then an order of those. One that takes a dim apart across its divisors has no such reading, and ends the row.

    before  2 TRANSPOSE (16, 32, 96) -> (32, 16, 96), CONCATENATION (32, 16, 192)
    after   CONCATENATION (16, 32, 192), TRANSPOSE (32, 16, 192)

The two directions of a recurrent layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, readers, sizes, source, static
from nobuco.tflite.forms.joining import MOST, MOST_OF_TFLITE, canonical, steps

RELABELS = ("Reshape", "ExpandDims", "Squeeze")


@dataclass(frozen=True)
class Turn:
    """What becomes of a tensor's dims: they are told apart as `shape`, and put in an order."""

    shape: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, shape: list[int], order: list[int]) -> Turn:
        """With the fewest dims."""
        least, least_order = canonical(list(shape), order)
        return cls(tuple(size or 0 for size in least), tuple(least_order))

    @property
    def is_none(self) -> bool:
        return list(self.order) == sorted(self.order)

    def applied(self, x: Tensor, shape: list[int]) -> Tensor:
        """To a tensor, with the result in a shape of as many elements."""
        if not self.is_none:
            x = tf.transpose(tf.reshape(x, self.shape), self.order)
        return tf.reshape(x, shape)


class _Dims:
    """A tensor's dims, told apart as finely as the ops after it ask for."""

    def __init__(self, shape: list[int]) -> None:
        self._sizes = dict(enumerate(shape))
        self._original = list(range(len(shape)))
        self._axes: list[list[int]] = [[dim] for dim in self._original]

    def transpose(self, order: list[int]) -> None:
        self._axes = [self._axes[axis] for axis in order]

    def reshape(self, shape: list[int]) -> bool:
        """False where a dim would have to be taken apart across its divisors."""
        waiting = [dim for axis in self._axes for dim in axis if self._sizes[dim] != 1]
        axes = []
        for size in shape:
            taken: list[int] = []
            while (missing := size // prod(self._sizes[dim] for dim in taken)) > 1:
                first = waiting.pop(0)
                if missing % self._sizes[first]:
                    if self._sizes[first] % missing:
                        return False
                    waiting.insert(0, self._split(first, missing))
                taken.append(first)
            axes.append(taken)
        self._axes = axes
        return not waiting

    def _split(self, dim: int, outer: int) -> int:
        """The inner of the two dims that one becomes; the outer one keeps its number."""
        inner = len(self._sizes)
        self._sizes[inner] = self._sizes[dim] // outer
        self._sizes[dim] = outer
        self._original.insert(self._original.index(dim) + 1, inner)
        return inner

    def turn(self) -> Turn:
        apart = [dim for dim in self._original if self._sizes[dim] != 1]
        order = [apart.index(dim) for axis in self._axes for dim in axis if self._sizes[dim] != 1]
        return Turn.of([self._sizes[dim] for dim in apart], order)


Move = tuple[str, list[int]]  # "Transpose" and the order, or "Reshape" and the shape


def moves_of(ops: list[Any]) -> list[Move] | None:
    """What transposes and reshapes do, in order; None where that is not known."""
    found: list[Move] = []
    for op in ops:
        order = static(op.inputs[1]) if op.type == "Transpose" else None
        numbers = (
            sizes(op.outputs[0])
            if op.type != "Transpose"
            else None
            if order is None
            else list(map(int, order))
        )
        if numbers is None:
            return None
        found.append(("Transpose" if op.type == "Transpose" else "Reshape", numbers))
    return found


def turn_of(shape: list[int], moves: list[Move]) -> Turn | None:
    """What becomes of a tensor of this shape; None where that is no turn."""
    if 0 in shape:
        return None
    dims = _Dims(shape)
    for kind, numbers in moves:
        if kind == "Transpose":
            dims.transpose(numbers)
        elif not dims.reshape(numbers):
            return None
    return dims.turn()


def turn_between(first: Tensor, ops: list[Any]) -> Turn | None:
    """What transposes and reshapes, in order, do to a tensor; None where that is no turn."""
    shape, moves = sizes(first), moves_of(ops)
    return None if shape is None or moves is None else turn_of(shape, moves)


def _is_turned_only(tensor: Tensor) -> bool:
    """Whether all that reads a tensor, but for reshapes, are transposes."""
    found = list(readers(tensor))
    return bool(found) and all(
        reader is not None
        and (reader.type == "Transpose" or (reader.type in RELABELS and _is_turned_only(reader.outputs[0])))
        for reader in found
    )


def row_of(op: Any) -> tuple[Tensor, list[Any]]:
    """The transposes and reshapes that end with a transpose, as many as are there for nothing else; what they start from
    comes first."""
    ops, tensor = [op], source(op.inputs[0])
    while tensor.op.type in ("Transpose", *RELABELS) and _is_turned_only(tensor):
        ops.insert(0, tensor.op)
        tensor = source(tensor.op.inputs[0])
    return tensor, ops


def is_fit(turn: Turn, most: int, count: int) -> bool:
    """Whether it is better than `count` transposes where ops have so many dims at most."""
    rank = len(turn.shape)
    return rank <= MOST_OF_TFLITE and (rank <= most or len(steps(turn.order)) < count)


def _found(op: Any, most: int) -> tuple[Tensor, Turn] | None:
    first, ops = row_of(op)
    while (count := sum(each.type == "Transpose" for each in ops)) > 1:
        turn = turn_between(first, ops)
        if turn is not None and is_fit(turn, most, count):
            return first, turn
        first = source(ops.pop(0).outputs[0])
    return None


def _form(most: int) -> Form:
    def make(op: Any, now: Now) -> Tensor:
        found, shape = _found(op, most), sizes(op.outputs[0])
        assert found is not None and shape is not None
        first, turn = found
        return turn.applied(now(first), shape)

    return Form(("Transpose",), lambda op: _found(op, most) is not None, make)


def _shared_order(op: Any) -> list[int] | None:
    """The order in which all that is joined was transposed for nothing else."""
    orders = set()
    for tensor in op.inputs[:-1]:
        made = source(tensor)
        order = static(made.op.inputs[1]) if made.op.type == "Transpose" else None
        if order is None or sum(1 for _ in readers(made)) != 1:
            return None
        orders.add(tuple(int(axis) for axis in order))
    return list(orders.pop()) if len(orders) == 1 else None


def _fits_joined(op: Any) -> bool:
    return len(op.inputs) > 2 and static(op.inputs[-1]) is not None and _shared_order(op) is not None


def _joined(op: Any, now: Now) -> Tensor:
    order = _shared_order(op)
    assert order is not None
    parts = [now(source(tensor).op.inputs[0]) for tensor in op.inputs[:-1]]
    return tf.transpose(tf.concat(parts, order[int(static(op.inputs[-1]))]), order)


JOINED = Form(("ConcatV2",), _fits_joined, _joined)
FORMS = (_form(MOST_OF_TFLITE),)
GPU_FORMS = (_form(MOST),)
