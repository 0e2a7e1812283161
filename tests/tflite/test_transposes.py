"""Transposes that become fewer: rows of them, and those around products."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nobuco
from nobuco.tflite import ExportedTFLite, export_tflite
from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.forms import paddings, transposes
from nobuco.tflite.forms.joining import steps
from nobuco.tflite.forms.ordered import TRANSPOSES, TRANSPOSES_FOR_GPU
from tests.effort import examples
from tests.tflite.delegation import partitions_and_left
from tests.tflite.test_forms import formed as formed_by
from tests.tflite.test_forms import weight


def formed(function: Any, *shapes: Any, forms: Any = TRANSPOSES) -> list[str]:
    """With the forms of transposes, if no others are named."""
    return formed_by(function, *shapes, forms=forms)


@st.composite
def _rows(draw: Any) -> tuple[tuple[int, ...], list[tuple[str, tuple[int, ...]]]]:
    """A shape, and transposes and reshapes one after the other."""
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)))
    first, ops = shape, []
    for _ in range(draw(st.integers(2, 6))):
        if draw(st.booleans()):
            order = tuple(draw(st.permutations(range(len(shape)))))
            shape = tuple(shape[axis] for axis in order)
            ops.append(("transpose", order))
        else:
            left, sizes = int(np.prod(shape)), []
            while left > 1 and len(sizes) < 3:
                sizes.append(draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0])))
                left //= sizes[-1]
            shape = (*sizes, left)
            ops.append(("reshape", shape))
    return first, ops


def _done(x: Any, ops: list[tuple[str, tuple[int, ...]]]) -> Any:
    for kind, numbers in ops:
        x = tf.transpose(x, numbers) if kind == "transpose" else tf.reshape(x, numbers)
    return x


@settings(max_examples=examples(400), deadline=None, derandomize=True)
@given(_rows())
def test_any_row_of_transposes(case: tuple[tuple[int, ...], list[tuple[str, tuple[int, ...]]]]) -> None:
    shape, ops = case
    made = Counter(formed(lambda x: _done(x, ops), shape, forms=transposes.FORMS))
    assert made["Transpose"] <= sum(kind == "transpose" for kind, _ in ops)
    formed(lambda x: _done(x, ops), shape, forms=transposes.GPU_FORMS)


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(st.permutations(range(6)))
def test_steps_reach_an_order(order: list[int]) -> None:
    places = list(range(6))
    for blocks in steps(order):
        assert [place for block in blocks for place in block] == places
        places = [*blocks[0], *blocks[2], *blocks[1], *blocks[3]]
    assert places == list(order)


def _unfolded(x: Any) -> Any:
    """Patches of 2x2 of a picture of channels last, as MobileViT has them."""
    x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (24 * 4, 2, 4, 2))
    x = tf.reshape(tf.transpose(x, (0, 2, 1, 3)), (1, 24, 16, 4))
    return tf.reshape(tf.transpose(x, (0, 3, 2, 1)), (4, 16, 24))


def test_patches_by_one_transpose() -> None:
    assert formed(_unfolded, (1, 8, 8, 24)).count("Transpose") == 1


def test_a_row_that_is_nothing_is_none() -> None:
    row = lambda x: tf.transpose(tf.reshape(tf.transpose(x, (0, 2, 1)), (2, 5, 3, 1)), (0, 2, 3, 1))  # noqa: E731
    assert "Transpose" not in formed(row, (2, 3, 5))


def test_what_others_read_stays() -> None:
    def row(x: Any) -> Any:
        y = tf.transpose(x, (0, 2, 1))
        return y + 1.0, tf.transpose(y, (1, 0, 2))

    assert formed(row, (2, 3, 5), forms=transposes.FORMS) == []  # as it was


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_what_was_transposed_alike_is_joined_first(axis: int) -> None:
    joined = lambda a, b: tf.concat([tf.transpose(a, (1, 2, 0)), tf.transpose(b, (1, 2, 0))], axis)  # noqa: E731
    assert formed(joined, (2, 3, 4), (2, 3, 4), forms=[transposes.JOINED]).count("Transpose") == 1
    other = lambda a, b: tf.concat([tf.transpose(a, (1, 2, 0)), tf.transpose(b, (1, 0, 2))], axis)  # noqa: E731
    assert formed(other, (3, 3, 3), (3, 3, 3), forms=[transposes.JOINED]) == []


_PRODUCTS = {
    "channels first": (
        lambda v, a: tf.transpose(tf.matmul(tf.transpose(v, (0, 2, 1)), a, transpose_b=True), (0, 2, 1)),
        0,
    ),
    "reshaped": (
        lambda v, a: tf.transpose(
            tf.reshape(tf.matmul(tf.transpose(v, (0, 2, 1)), a, transpose_b=True), (2, 5, 3, 2)), (0, 2, 3, 1)
        ),
        0,
    ),
}


@pytest.mark.parametrize("name", _PRODUCTS)
def test_transposes_of_products(name: str) -> None:
    function, count = _PRODUCTS[name]
    ops = formed(function, (2, 6, 5), (2, 6, 6))
    assert ops.count("Transpose") == count


def test_a_product_of_which_no_operand_is_turned_stays() -> None:
    assert formed(lambda v, a: tf.transpose(tf.matmul(a, v), (0, 2, 1)), (2, 6, 5), (2, 6, 6)) == []


def _windows(x: Any) -> Any:
    """(8, 6, 10) as four windows of 12 rows."""
    return tf.reshape(tf.transpose(tf.reshape(x, (2, 4, 2, 3, 10)), (0, 2, 1, 3, 4)), (4, 12, 10))


def _from_windows(x: Any) -> Any:
    return tf.reshape(tf.transpose(tf.reshape(x, (2, 2, 4, 3, 10)), (0, 2, 1, 3, 4)), (8, 6, 10))


def _rows_by(x: Any, w: Any, b: Any) -> Any:
    return tf.reshape(
        tf.nn.bias_add(tf.matmul(tf.reshape(x, (-1, w.shape[0])), w), b), (*x.shape[:-1], w.shape[1])
    )


@pytest.mark.parametrize("forms", [TRANSPOSES, TRANSPOSES_FOR_GPU])
def test_windows_and_heads_at_once(forms: Any) -> None:
    w, b = [weight(10, 6) for _ in range(3)], weight(6)

    def heads(x: Any) -> Any:
        windows = _windows(x)
        return [
            tf.transpose(tf.reshape(_rows_by(windows, each, b), (4, 12, 2, 3)), (0, 2, 1, 3)) for each in w
        ]

    made = formed(heads, (8, 6, 10), forms=forms)
    assert made.count("Transpose") in (0, 6)  # as it was: one transpose each, of six dims, is dearer
    out, bias = weight(6, 10), weight(10)

    def whole(x: Any) -> Any:
        return _from_windows(_rows_by(tf.reshape(tf.transpose(x, (0, 2, 1, 3)), (4, 12, 6)), out, bias))

    assert formed(whole, (4, 2, 12, 3)).count("Transpose") == 1


def test_windows_that_something_else_reads_stay() -> None:
    w, b = weight(10, 6), weight(6)

    def both(x: Any) -> Any:
        windows = _windows(x)
        return windows + 1.0, tf.transpose(tf.reshape(_rows_by(windows, w, b), (4, 12, 2, 3)), (0, 2, 1, 3))

    assert formed(both, (8, 6, 10)) == []


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("axis", [1, 2])
def test_mixtures_of_heads(bias: bool, axis: int) -> None:
    w, b = weight(4, 6), weight(6)
    there = [0, *(a for a in (1, 2, 3) if a != axis), axis]
    back = [there.index(a) for a in range(4)]

    def mixed(x: Any) -> Any:
        rows = tf.reshape(tf.transpose(x, there), (-1, 4))
        made = tf.matmul(rows, w) + b if bias else tf.matmul(rows, w)
        return tf.transpose(tf.reshape(made, (2, *(s for s in shape[1:] if s != 4), 6)), back)

    shape = [2, 5, 5, 7]
    shape[axis] = 4
    ops = formed(mixed, tuple(shape))
    assert "Transpose" not in ops or ops.count("Transpose") == 1  # that of the weights
    assert "BatchMatMulV2" in ops


class _Channels(nn.Module):
    """Attention over the places of a picture, channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.parts, self.after = nn.Conv2d(8, 40, 1), nn.Conv2d(16, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (each.flatten(2) for each in self.parts(x).split([12, 12, 16], 1))
        attention = (q.transpose(-2, -1) @ k).softmax(-1)
        return self.after((v @ attention.transpose(-2, -1)).view(1, 16, 5, 5))


class _Heads(nn.Module):
    """Attention with heads that are mixed before and after the softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.parts, self.before, self.after = nn.Linear(32, 96), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.parts(x).reshape(1, 10, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        scores = self.before((q @ k.transpose(-2, -1)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        weights = self.after(scores.softmax(-1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return (weights @ v).transpose(1, 2).reshape(1, 10, 32)


class _Pooled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.max_pool2d(x, 3, 2, 1)


class _Directions(nn.Module):
    """A recurrent layer along the columns of a picture, in both directions, and one along its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.along = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.after = nn.Linear(24, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        down = self.down(x.permute(0, 2, 1, 3).reshape(4, 3, 8))[0].reshape(1, 4, 3, 12).permute(0, 2, 1, 3)
        along = self.along(x.reshape(3, 4, 8))[0].reshape(1, 3, 4, 12)
        return self.after(torch.cat([down, along], -1))


# Of the file: the ops of which there are to be so many. An input that is no picture is transposed first.
_FILES: dict[str, tuple[type[nn.Module], tuple[int, ...], dict[str, int]]] = {
    "channels": (_Channels, (1, 8, 5, 5), {"TRANSPOSE": 1, "SPLIT_V": 0, "BATCH_MATMUL": 2}),
    "heads": (_Heads, (1, 10, 32), {"TRANSPOSE": 5, "BATCH_MATMUL": 4}),
    "directions": (_Directions, (1, 3, 4, 8), {"TRANSPOSE": 3}),
    "padding": (_Pooled, (1, 8, 8, 8), {"PADV2": 0, "MAX_POOL_2D": 1}),
}


def _exported(module: nn.Module, shape: tuple[int, ...], folder: Path, target: Any) -> ExportedTFLite:
    torch.manual_seed(0)
    model = nobuco.pytorch_to_keras(module.eval(), args=[torch.randn(shape)], verbose=False)
    return export_tflite(model, folder / "m.tflite", target=target)


@pytest.mark.parametrize("value", [2.0, -np.inf, float(np.finfo(np.float32).min)])
@pytest.mark.parametrize("pads", [[(0, 0), (1, 0)], [(1, 2), (0, 1)], [(0, 0), (5, 5)]])
def test_paddings_with_numbers(value: float, pads: list[tuple[int, int]]) -> None:
    padded = lambda x: tf.reduce_max(tf.pad(x, pads, constant_values=value) * 0.5 + x[:1, :1], 1)  # noqa: E731
    ops = formed(padded, (3, 4), forms=[paddings.OTHERS])
    assert "PadV2" not in ops and bool(ops) == (value == 2.0 or max(map(max, pads)) < 5)


@pytest.mark.parametrize("name", _FILES)
def test_files(name: str, tmp_path: Path) -> None:
    module, shape, expected = _FILES[name]
    result = _exported(module(), shape, tmp_path, None)
    assert {op: result.info.ops.get(op, 0) for op in expected} == expected
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5
    assert partitions_and_left(result) == (1, [])


class _Turned(nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return q @ k.transpose(-2, -1)


@pytest.mark.parametrize(("target", "turned"), [(None, False), ("gpu", False), ("cpu", True)])
@pytest.mark.parametrize("shape", [(4, 6, 5), (2, 4, 6, 5)])
def test_products_are_turned_for_processors_only(
    target: Any, turned: bool, shape: tuple[int, ...], tmp_path: Path
) -> None:
    """GPU delegates pass over `adj_x` and `adj_y`, which TFLite's converter makes of transposes unasked."""
    args = [torch.randn(shape), torch.randn(shape)]
    model = nobuco.pytorch_to_keras(
        _Turned(), args=args, inputs_channel_order=nobuco.ChannelOrder.PYTORCH, verbose=False
    )
    result = export_tflite(model, tmp_path / "m.tflite", target=target)
    flat = fb.root(fb.read_model(result.path))
    operators = [graph.Operators(i) for graph in fb.subgraphs(flat) for i in range(graph.OperatorsLength())]
    products = [fb.options(each) for each in operators if fb.op_name(flat, each) == "BATCH_MATMUL"]
    assert [each.AdjX() or each.AdjY() for each in products] == [turned]
    assert result.info.transposes == (0 if turned else 1)
    assert partitions_and_left(result) == (1, [])
