"""Dims that stand side by side and are one to an op: which they are, and tensors with them joined."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, readers, source

MOST = 4  # dims that GPU delegates take
MOST_OF_TFLITE = 6  # dims that its kernels take, and not all of them
ANY = None  # the kind of a dim of size 1, which may join any other

Sizes = list[int | None]


@dataclass(frozen=True)
class Joining:
    """Which dims become one: their numbers, group by group."""

    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, kinds: Sequence[Hashable]) -> Joining:
        """Neighbours of the same kind, and those of any."""
        groups: list[list[int]] = []
        last: Hashable = ANY
        for axis, kind in enumerate(kinds):
            if groups and (kind is ANY or last is ANY or kind == last):
                groups[-1].append(axis)
            else:
                groups.append([axis])
            last = last if kind is ANY and groups[-1][0] != axis else kind
        return cls(tuple(map(tuple, groups)))

    def sizes(self, sizes: Sizes) -> Sizes:
        """Of a tensor with the original dims, what its sizes are then."""
        return [product([sizes[axis] for axis in group]) for group in self.groups]

    def group(self, axis: int) -> int:
        return next(number for number, axes in enumerate(self.groups) if axis in axes)

    def __len__(self) -> int:
        return len(self.groups)


def product(sizes: Sizes) -> int | None:
    return None if None in sizes else prod(size or 0 for size in sizes)


def reshaped(x: Tensor, sizes: Sizes) -> Tensor:
    """With one size at most unknown."""
    if x.shape.as_list() == sizes and None not in sizes:
        return x
    return tf.reshape(x, [-1 if size is None else size for size in sizes])


def is_known(*tensors: Tensor) -> bool:
    """Whether reshapes to and from these can be written."""
    return all(each.shape.rank is not None and each.shape.as_list().count(None) < 2 for each in tensors)


def aligned(tensor: Tensor, rank: int) -> Sizes:
    shape = tensor.shape.as_list()
    return [1] * (rank - len(shape)) + shape


def apart(sizes: Sizes, axes: Sequence[int]) -> Joining:
    """These axes each for itself, and what lies between them joined."""
    kinds = [
        ("axis", axis) if axis in axes else ANY if size == 1 else "other" for axis, size in enumerate(sizes)
    ]
    return Joining.of(kinds)


def canonical(shape: Sizes, order: Sequence[int]) -> tuple[Sizes, list[int]]:
    """A transpose without dims of size 1, and with those joined that stay together: its sizes before, and its order."""
    kept = [axis for axis in order if shape[axis] != 1]
    runs: list[list[int]] = []
    for axis in kept:
        between = [] if not runs else shape[runs[-1][-1] + 1 : axis]
        if runs and axis > runs[-1][-1] and all(size == 1 for size in between):
            runs[-1].append(axis)
        else:
            runs.append([axis])
    before = sorted(runs)
    return [product([shape[axis] for axis in run]) for run in before], [before.index(run) for run in runs]


def joined_batches(op: Any) -> Joining:
    """Of the dims in front of the last two of a product, by which of its sides are broadcast along them."""
    rank = op.outputs[0].shape.rank
    a, b = (aligned(tensor, rank)[:-2] for tensor in op.inputs)
    kinds = [ANY if x == y == 1 else (x == 1, y == 1) for x, y in zip(a, b, strict=True)]
    return Joining.of(kinds)


def steps(order: Sequence[int]) -> list[tuple[list[int], list[int], list[int], list[int]]]:
    """An order reached by moving one run of dims after the other to its place, each by a transpose (0, 2, 1, 3): the dims in
    place, those that the run is moved past, the run, and the others."""
    wanted, places = list(order), sorted(order)
    found, done = [], 0
    while places != wanted:
        if places[done] == wanted[done]:
            done += 1
            continue
        start = places.index(wanted[done])
        end, after = start + 1, done + 1
        while end < len(wanted) and places[end] == wanted[after]:
            end, after = end + 1, after + 1
        found.append((places[:done], places[done:start], places[start:end], places[end:]))
        places = places[:done] + places[start:end] + places[done:start] + places[end:]
        done = after
    return found


def is_between_reshapes(op: Any) -> bool:
    """Whether reshapes on all its sides cost nothing: they become one with those that are there.

    Those around a product do not count: TFLite's converter takes them away, and computes the product in more dims."""
    given = [source(tensor).op for tensor in op.inputs if tensor.shape.rank and not is_constant(tensor)]
    read = [reader for output in op.outputs for reader in readers(output)]
    if any(each is None or each.type != "Reshape" for each in (*given, *read)):
        return False
    if any(sum(1 for _ in readers(each.outputs[0])) > 1 for each in given):
        return False
    return not any(_makes_a_product(each) for each in given) and not any(
        _feeds_a_product(each) for each in read
    )


_RELABELS = ("Reshape", "ExpandDims", "Squeeze")


def _makes_a_product(op: Any) -> bool:
    while op.type in (*_RELABELS, "BiasAdd"):
        op = source(op.inputs[0]).op
    return op.type == "MatMul"


def _feeds_a_product(op: Any) -> bool:
    after = [reader for reader in readers(op.outputs[0]) if reader is not None]
    return any(each.type == "MatMul" or (each.type in _RELABELS and _feeds_a_product(each)) for each in after)


def reshaping(
    op_types: Sequence[str],
    fits: Callable[[Any], bool],
    make: Callable[[Any, Now], Any],
) -> Form:
    """A form whose results are given the shapes that the op's own have, for ops whose shapes are known."""

    def is_fit(op: Any) -> bool:
        tensors = [*op.inputs, *op.outputs]
        if not is_known(*tensors) or any(0 in tensor.shape.as_list() for tensor in tensors):
            return False
        return fits(op)

    def made(op: Any, now: Now) -> Tensor | list[Tensor]:
        results = make(op, now)
        results = results if isinstance(results, list) else [results]
        shapes = [output.shape.as_list() for output in op.outputs]
        back = [reshaped(result, shape) for result, shape in zip(results, shapes, strict=True)]
        return back if len(back) > 1 else back[0]

    return Form(tuple(op_types), is_fit, made)


def largest_rank(op: Any) -> int:
    return max(tensor.shape.rank for tensor in (*op.inputs, *op.outputs))
