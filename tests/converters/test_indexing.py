"""Index expressions of all kinds, drawn at random: what is read and written is what PyTorch reads and writes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import get_layout, identity, inverse, set_layout
from nobuco.node_converters.indexing import getitem
from nobuco.node_converters.writing import setitem

Index = tuple[Any, ...]


def _drawn(draw: random.Random, sizes: list[int]) -> Index:
    """Numbers, slices, None, Ellipsis, index tensors that broadcast with each other, masks."""
    index: list[Any] = []
    common = draw.choice([[2], [1], [3, 2], [2, 1]])
    left = list(sizes)
    while left and len(index) < len(sizes) + 1:
        size, kind = left[0], draw.choice("nn...iissaaaamb")
        if kind == "n":
            index.append(None)
        elif kind == ".":
            if Ellipsis not in [each for each in index if not isinstance(each, Tensor)]:
                index.append(Ellipsis)
                left = left[draw.randint(0, len(left)) :]
        elif kind == "i":
            index.append(
                draw.choice([draw.randint(-size, size - 1), torch.tensor(draw.randint(0, size - 1))])
            )
            left = left[1:]
        elif kind == "s":
            index.append(
                slice(draw.choice([None, 0, 1, -2]), draw.choice([None, -1, size]), draw.choice([None, 2]))
            )
            left = left[1:]
        elif kind == "a":
            shape = draw.choice([common, common[-1:], [1]])
            places = [draw.randint(-size, size - 1) for _ in range(int(np.prod(shape)))]
            index.append(torch.tensor(places).reshape(shape))
            left = left[1:]
        elif kind == "b":
            index.append(True)
        else:
            over = left[: draw.choice([1, 2])]
            places = draw.sample(range(int(np.prod(over))), 2)
            index.append(torch.isin(torch.arange(int(np.prod(over))), torch.tensor(places)).reshape(over))
            left = left[len(over) :]
    return tuple(index)


def _expressions(seed: int, count: int) -> Iterator[tuple[Tensor, Index, Tensor]]:
    """A tensor, an index that PyTorch takes, and something to write there."""
    draw = random.Random(seed)
    while count:
        sizes = [draw.choice([2, 3, 4]) for _ in range(draw.randint(1, 4))]
        x, index = torch.arange(float(np.prod(sizes))).reshape(sizes), _drawn(draw, sizes)
        try:
            picked = x[index]
        except (IndexError, RuntimeError):
            continue
        if not picked.numel():
            continue
        shape = [size if draw.random() < 0.8 else 1 for size in picked.shape][draw.choice([0, 0, 0, 1]) :]
        shape = [1] * draw.choice([0, 0, 1]) + shape
        value = -1 - torch.arange(float(np.prod(shape))).reshape(shape)
        try:
            x.clone()[index] = value
        except RuntimeError:
            continue
        count -= 1
        yield x, index, value


def _converted(convert: Any, x: Tensor, index: Index, *value: Tensor) -> np.ndarray:
    arguments = tuple(tf.constant(each.numpy()) if isinstance(each, Tensor) else each for each in index)
    start = set_layout(tf.constant(x.numpy()), identity(x.dim()))
    made = convert(x, index, *value)(start, arguments, *(tf.constant(each.numpy()) for each in value))
    return made.numpy().transpose(inverse(get_layout(made)))


@pytest.mark.parametrize("seed", range(3))
def test_any_index(seed: int) -> None:
    for x, index, value in _expressions(seed, 60):
        np.testing.assert_array_equal(_converted(getitem, x, index), x[index], f"x[{index}] of {x.shape}")
        written = x.clone()
        written[index] = value
        found = _converted(setitem, x, index, value)
        np.testing.assert_array_equal(found, written, f"x[{index}] = {value.shape} of {x.shape}")


def test_numbers_are_taken_before_index_tensors() -> None:
    """NumPy takes them for index tensors, whose dims then come first."""
    x, i = torch.arange(30.0).reshape(2, 3, 5), torch.tensor([0, 1])
    for index in (
        (0, slice(None), i),
        (1, None, i),
        (None, i, slice(None), None, 2),
        (i, 0, i),
        (0, i[None]),
    ):
        np.testing.assert_array_equal(_converted(getitem, x, index), x[index], f"x[{index}]")


def test_many_dims_of_unknown_size() -> None:
    """TensorFlow repeats along five runs of dims at most; which sizes are 1 is not known here."""
    x = torch.arange(2.0 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    n, y = (
        torch.tensor([0, 1]),
        torch.tensor([[[1, 2], [3, 4], [5, 6], [7, 0]], [[0, 1], [1, 2], [2, 3], [3, 4]]]),
    )
    index = (
        n[:, None, None, None, None, None], torch.arange(3)[None, :, None, None, None, None],
        y[:, None, :, None, :, None], y.flip(0)[:, None, None, :, None, :],
    )  # fmt: skip
    specs = [tf.TensorSpec([None, *each.shape[1:]], tf.int64) for each in index]

    @tf.function(input_signature=specs)
    def picked(*arguments: tf.Tensor) -> tf.Tensor:
        return getitem(x, index)(set_layout(tf.constant(x.numpy()), identity(4)), arguments)

    np.testing.assert_array_equal(picked(*(tf.constant(each.numpy()) for each in index)), x[index])
