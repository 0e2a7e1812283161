"""Diagonals, and turns and mirrors of matrices."""

from __future__ import annotations

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy, axis_of, get_layout, identity
from nobuco.contract.registry import builtin
from nobuco.layout.shapes import permuted
from nobuco.node_converters._layouts import same_layout
from nobuco.node_converters._sizes import larger, product_of, shape_of, smaller
from nobuco.node_converters._types import cast
from nobuco.node_converters.joining import mirrored

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


def diagonal_of(x, offset: int, dim1: int, dim2: int):
    rank = x.shape.rank
    dim1, dim2 = dim1 % rank, dim2 % rank
    perm = [*(i for i in range(rank) if i not in (dim1, dim2)), dim1, dim2]
    x = x if perm == list(range(rank)) else tf.transpose(x, perm)
    *batch, rows, columns = shape_of(x)
    start = (0, offset) if offset >= 0 else (-offset, 0)
    count = larger(smaller(rows - start[0], columns - start[1]), 0)
    flat = tf.reshape(x, [*batch, rows * columns])
    first = start[0] * columns + start[1]
    if any(map(tf.is_tensor, (first, count, columns))):
        return tf.gather(flat, first + tf.range(count) * (columns + 1), axis=-1)
    # every (columns + 1)-th element from the first on
    return (
        flat[..., first : first + (count - 1) * (columns + 1) + 1 : columns + 1] if count else flat[..., :0]
    )


@builtin(torch.diagonal, torch.Tensor.diagonal, torch.diagonal_copy, strategy=_PYTORCH)
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1):
    return lambda input, offset=0, dim1=0, dim2=1: diagonal_of(input, offset, dim1, dim2)


@builtin(torch.linalg.diagonal, strategy=_PYTORCH)
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1):
    return lambda A, *, offset=0, dim1=-2, dim2=-1: diagonal_of(A, offset, dim1, dim2)


@builtin(torch.trace, torch.Tensor.trace, strategy=_PYTORCH)
def trace(input: Tensor):
    def func(input):
        x = diagonal_of(input, 0, 0, 1)
        return tf.reduce_sum(tf.cast(x, tf.int64) if x.dtype.is_integer else x)

    return func


def _embedded(x, offset: int, dim1: int, dim2: int):
    """The last dim on a diagonal of two new ones; by a product with the rows of a shifted unit matrix."""
    rank, size = x.shape.rank + 1, shape_of(x)[-1]
    side = size + abs(offset)
    row = tf.range(side)[:, None]
    place = (
        tf.eye(side, side, dtype=tf.bool)
        if offset == 0 and isinstance(side, int)
        else tf.equal(tf.range(side)[None, :] - row, offset)
    )
    before = [[0, 0]] * (x.shape.rank - 1)
    line = tf.pad(x, [*before, [max(-offset, 0), max(offset, 0)]])  # the value of each row
    out = tf.where(place, line[..., :, None], tf.zeros([], x.dtype))
    dim1, dim2 = dim1 % rank, dim2 % rank
    order = [*(i for i in range(rank) if i not in (dim1, dim2)), dim1, dim2]
    perm = [order.index(i) for i in range(rank)]
    return out if perm == list(range(rank)) else tf.transpose(out, perm)


@builtin(torch.diag_embed, torch.Tensor.diag_embed, strategy=_PYTORCH)
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1):
    return lambda input, offset=0, dim1=-2, dim2=-1: _embedded(input, offset, dim1, dim2)


@builtin(torch.diag, torch.Tensor.diag, strategy=_PYTORCH)
def diag(input: Tensor, diagonal: int = 0):
    """A vector onto a diagonal, or a matrix's diagonal as a vector."""
    if input.dim() == 1:
        return lambda input, diagonal=0: _embedded(input, diagonal, -2, -1)
    return lambda input, diagonal=0: diagonal_of(input, diagonal, 0, 1)


@builtin(torch.diagflat, torch.Tensor.diagflat, strategy=_PYTORCH)
def diagflat(input: Tensor, offset: int = 0):
    return lambda input, offset=0: _embedded(tf.reshape(input, [-1]), offset, -2, -1)


@builtin(torch.diagonal_scatter, torch.Tensor.diagonal_scatter, strategy=_PYTORCH)
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1):
    rank = input.dim()

    def func(input, src, offset=0, dim1=0, dim2=1):
        d1, d2 = dim1 % rank, dim2 % rank
        rows, columns = shape_of(input)[d1], shape_of(input)[d2]
        above, left = max(-offset, 0), max(offset, 0)
        block = _embedded(src, 0, -2, -1)
        count = shape_of(src)[-1]
        before = [[0, 0]] * (rank - 2)
        block = tf.pad(block, [*before, [above, rows - above - count], [left, columns - left - count]])
        order = [*(i for i in range(rank) if i not in (d1, d2)), d1, d2]
        block = tf.transpose(block, [order.index(i) for i in range(rank)])
        shape = [rows if i == d1 else columns if i == d2 else 1 for i in range(rank)]
        line = tf.range(rows)[:, None]
        place = tf.equal(tf.range(columns)[None, :] - line, offset)
        place = tf.reshape(place if d1 < d2 else tf.transpose(place), shape)
        return tf.where(place, block, input)

    return func


@builtin(torch.Tensor.fill_diagonal_, strategy=_PYTORCH)
def fill_diagonal(self: Tensor, fill_value, wrap: bool = False):
    """Every place whose indices are equal; with `wrap`, a tall matrix has further diagonals below the first."""

    def func(self, fill_value, wrap=False):
        sizes = shape_of(self)
        step, side = 0, sizes[0]
        for size in sizes:
            step, side = step * size + 1, smaller(side, size)
        place = tf.range(product_of(sizes))
        hit = tf.equal(place % step, 0)
        if not wrap:
            hit &= place < side * step
        return tf.where(tf.reshape(hit, tf.shape(self)), cast(fill_value, self.dtype), self)

    return func


# -- turns and mirrors


def _rotated_layout(layout, input, k=1, dims=(0, 1)):
    if k % 2 == 0:
        return layout
    perm = list(identity(len(layout)))
    perm[dims[0]], perm[dims[1]] = perm[dims[1]], perm[dims[0]]
    return permuted(layout, perm)


@builtin(torch.rot90, torch.Tensor.rot90, output_layout=_rotated_layout)
def rot90(input: Tensor, k: int = 1, dims=(0, 1)):
    """By mirrors, and by a new name for two axes where it is an odd number of quarter turns."""

    def func(input, k=1, dims=(0, 1)):
        first, second = axis_of(input, dims[0]), axis_of(input, dims[1])
        axes = {0: [], 1: [second], 2: [first, second], 3: [first]}[k % 4]
        return mirrored(input, axes)

    return func


@builtin(torch.fliplr, torch.Tensor.fliplr, output_layout=same_layout)
def fliplr(input: Tensor):
    return lambda input: tf.reverse(input, [axis_of(input, 1)])


@builtin(torch.flipud, torch.Tensor.flipud, output_layout=same_layout)
def flipud(input: Tensor):
    return lambda input: tf.reverse(input, [get_layout(input).index(0)])
