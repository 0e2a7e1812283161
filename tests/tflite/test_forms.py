"""Forms compute what the original does, and are what the delegate takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nobuco.tflite import export_tflite
from nobuco.tflite.forms import Aim, gates, volumes, winograd, with_forms
from nobuco.tflite.forms.form import Form
from nobuco.tflite.forms.ordered import FORMS, WINOGRAD, later_forms
from nobuco.validate.compare import relative_error
from tests.effort import examples
from tests.tflite.delegation import partitions_and_left

_RANDOM = np.random.default_rng(0)


def weight(*shape: int) -> tf.Variable:
    return tf.Variable(_RANDOM.standard_normal(shape).astype(np.float32))


def formed(
    function: Callable[..., Any], *shapes: Any, at: Any = None, forms: Sequence[Form] = FORMS
) -> list[str]:
    """The types of the ops in the form of a function of float32 tensors that its results come from; these are compared.
    `at`: the sizes to compare at, where some of `shapes` are unknown."""
    original = tf.function(function, autograph=False).get_concrete_function(
        *(tf.TensorSpec(shape, tf.float32) for shape in shapes)
    )
    made = with_forms(original, forms)
    inputs = [tf.constant(_RANDOM.standard_normal(shape), tf.float32) for shape in at or shapes]
    expected, got = (tf.nest.flatten(each(*inputs)) for each in (original, made))
    for a, b in zip(expected, got, strict=True):
        assert a.shape == b.shape
        assert relative_error(b.numpy(), a.numpy()) < 1e-5
    return [op.type for op in _read(made.graph)] if made is not original else []


def _read(graph: Any) -> list[Any]:
    """The ops that outputs come from: the others never reach a file."""
    found: dict[Any, None] = {}
    waiting = [tensor.op for tensor in graph.outputs]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found[op] = None
            waiting += [tensor.op for tensor in op.inputs]
    return list(found)


@st.composite
def _slices(draw: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    shape, key, strided = [], [], 0
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.integers(1, 9))
        shape.append(size)
        kind = draw(st.sampled_from(["whole", "one", "range", "strided"]))
        strided += kind == "strided"
        if kind == "one":
            key.append(draw(st.integers(-size, size - 1)))
        elif kind == "whole":
            key.append(slice(None))
        else:
            start = draw(st.integers(0, size - 1))
            stop = draw(st.integers(start + 1, size + 2))
            step = draw(st.integers(1, 4)) if kind == "strided" and strided < 3 else 1
            key.append(slice(start, stop, step))
    for kept in draw(st.sampled_from([(), (None,), (Ellipsis,)])):
        key.insert(draw(st.integers(0, len(key))), kept)
    return tuple(shape), tuple(key)


@settings(max_examples=examples(500), deadline=None, derandomize=True)
@given(_slices())
def test_any_slice(case: tuple[tuple[int, ...], tuple[Any, ...]]) -> None:
    shape, key = case
    ops = formed(lambda x: x[key], shape)
    refused = [
        each
        for each in key
        if isinstance(each, int) or (isinstance(each, slice) and each.step not in (None, 1))
    ]
    if refused and _taken_by_slices(shape, key):
        assert "StridedSlice" not in ops


def _taken_by_slices(shape: tuple[int, ...], key: tuple[Any, ...]) -> bool:
    return bool(np.zeros(shape)[tuple(np.newaxis if k is None else k for k in key)].size)


@pytest.mark.parametrize(
    ("function", "shape", "at"),
    [
        (lambda x: x[:, 0], (None, 5, 4), (3, 5, 4)),
        (lambda x: x[:, :, 1], (None, 5, 4), (2, 5, 4)),
        (lambda x: x[:, 0], (None, 5, None), (2, 5, 3)),  # a reshape knows all sizes but one
        (lambda x: x[:, ::2], (None, 6), (3, 6)),
        (lambda x: x[0], (None, 6), (3, 6)),
        (lambda x: x[:, ::-1], (2, 6), None),
        (lambda x: x[:, 3:3], (2, 6), None),
        (lambda x: tf.concat([x[:, i] for i in range(7)], 0), (None, 7, 3), (2, 7, 3)),
        (lambda x: tf.stack([x, x + 1], 1), (None, 6), (3, 6)),
        (lambda x: tf.unstack(x, axis=1), (None, 3, 6), (3, 3, 6)),
    ],
)
def test_sizes_that_are_unknown_and_slices_without_a_form(function: Any, shape: Any, at: Any) -> None:
    formed(function, shape, at=[at or shape])


@pytest.mark.parametrize("count", [6, 7, 25, 26, 31, 64])
def test_long_joints(count: int) -> None:
    ops = formed(lambda x: tf.concat([x * float(i) for i in range(count)], -1), (2, 3))
    assert 1 < ops.count("ConcatV2") <= (count - 1) // 2


def test_a_dense_block_goes_on_from_what_is_joined() -> None:
    def block(x: Any) -> Any:
        features = [x]
        for i in range(9):
            features.append(tf.concat(features, -1)[:, :4] * float(i))
        return tf.concat(features, -1)

    # joints of 2 to 5 as they are, those of 6 to 10 each of the one before and one tensor more
    assert formed(block, (2, 4)).count("ConcatV2") == 4 + 5


def _each(y: Any, axis: int) -> list[Any]:
    before = (slice(None),) * (axis % len(y.shape))
    return [y[(*before, i)] for i in range(y.shape[axis])]


_CUTS: dict[str, Callable[[Any], Any]] = {
    "thirds": lambda y: [y[..., i * 24 : (i + 1) * 24] for i in range(3)],
    "split": lambda y: tf.split(y, 3, -1),
    "split unevenly": lambda y: tf.split(y, [40, 16, 16], -1),
    "slices of a reshape": lambda y: _each(tf.reshape(y, (2, 5, 3, 4, 6)), 2),
    "every third": lambda y: _each(tf.reshape(y, (2, 5, 24, 3)), -1),
    "unpacked heads": lambda y: tf.unstack(tf.transpose(tf.reshape(y, (2, 5, 3, 4, 6)), (2, 0, 3, 1, 4))),
    "heads": lambda y: _each(tf.transpose(tf.reshape(y, (2, 5, 3, 4, 6)), (2, 0, 3, 1, 4)), 0),
    "two of three": lambda y: tf.split(y, 3, -1)[:2],
}


@pytest.mark.parametrize("cut", _CUTS)
@pytest.mark.parametrize("bias", [True, False])
def test_parts_of_a_projection(cut: str, bias: bool) -> None:
    kernel, added = weight(7, 72), weight(72)

    def project(x: Any) -> Any:
        y = tf.reshape(tf.matmul(tf.reshape(x, (10, 7)), kernel), (2, 5, 72))
        return _CUTS[cut](tf.nn.bias_add(y, added) if bias else y)

    ops = formed(project, (2, 5, 7))
    assert ops.count("MatMul") == (2 if cut == "two of three" else 3)


@pytest.mark.parametrize(
    "cut",
    [
        lambda y: [y[:, :24], y[:, 20:]],  # columns twice
        lambda y: [*tf.split(y, 3, -1), y],  # all of it is needed, too
        lambda y: [*tf.split(y, 3, -1), tf.reduce_sum(y)],
        lambda y: [y[1:, :24], y[:1, 24:]],  # not columns alone
    ],
)
def test_projections_that_stay_whole(cut: Any) -> None:
    kernel = weight(7, 72)
    ops = formed(lambda x: cut(tf.matmul(x, kernel)), (10, 7))
    assert ops.count("MatMul") <= 1


@pytest.mark.parametrize("height", [1, 2, 3])
@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("columns", [True, False])
def test_patches_into_channels(height: int, width: int, columns: bool) -> None:
    places = [(i, j) for i in range(height) for j in range(width)]
    if columns:
        places = [(i, j) for j in range(width) for i in range(height)]
    ops = formed(
        lambda x: tf.concat([x[:, i::height, j::width] for i, j in places], -1), (2, 3 * height, 5 * width, 3)
    )
    assert "ConcatV2" not in ops


def test_patches_in_another_order_or_of_a_part() -> None:
    formed(lambda x: tf.concat([x[:, 1::2, ::2], x[:, ::2, ::2]], -1), (2, 6, 4, 3))
    formed(lambda x: tf.concat([x[:, ::2, ::2], x[:, ::2, 1::2]], -1), (2, 6, 4, 3))
    formed(lambda x: tf.concat([x[:, :4:2], x[:, 1:4:2]], -1), (2, 6, 4, 3))


@pytest.mark.parametrize("axes", [(1, 3), (0, 2), (1, 2), (0, 1, 3), (0, 2, 3), (3,), (1, -1), (0, 1, 2, 3)])
@pytest.mark.parametrize("kept", [True, False])
def test_means(axes: tuple[int, ...], kept: bool) -> None:
    for shape in ((2, 3, 4, 5), (2, 1, 4, 1)):
        formed(lambda x: tf.reduce_mean(x, axes, keepdims=kept), shape)
    assert formed(lambda x: tf.reduce_mean(x, (1, 3)), (2, 3, 4, 5)).count("Mean") == 2


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [
    ((7, 7), 1, 1), ((7, 7), 2, 1), ((9, 9), 1, 1), ((7, 7), 1, 2), ((11, 3), 1, 1), ((3, 11), 3, 1), ((1, 27), 1, 1),
    ((30, 1), 1, 1), ((5, 5), 1, 1), ((13, 13), 4, 1),
])  # fmt: skip
def test_depthwise(padding: str, kernel: tuple[int, int], stride: int, dilation: int) -> None:
    taps = weight(*kernel, 4, 2)
    for shape in ((2, 31, 29, 4), (1, 40, 30, 4)):
        ops = formed(
            lambda x: tf.nn.depthwise_conv2d(
                x, taps, [1, stride, stride, 1], padding, dilations=[dilation, dilation]
            ),
            shape,
        )
        assert ("DepthwiseConv2dNative" in ops) == (kernel != (5, 5) and kernel[1] <= 25) or dilation > 1


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_transposed_convolutions(stride: int, padding: str) -> None:
    kernel, bias, scale = weight(stride, stride, 6, 4), weight(6), weight(1, 1, 1, 6)

    def up(x: Any) -> Any:
        y = tf.nn.conv2d_transpose(x, kernel, (2, 5 * stride, 7 * stride, 6), stride, padding)
        y = tf.nn.relu(scale * tf.nn.bias_add(y, bias) + 0.5)
        return y, y + tf.reduce_max(y, 0, keepdims=True)

    ops = formed(up, (2, 5, 7, 4))
    assert "Conv2DBackpropInput" not in ops and "Relu" in ops


def test_what_makes_a_transposed_convolution_wider_stays_behind_it() -> None:
    kernel, vector = weight(2, 2, 1, 3), weight(4)

    def picture(x: Any) -> Any:
        return tf.nn.conv2d_transpose(x, kernel, (1, 10, 12, 1), 2, "VALID") * vector

    assert formed(picture, (1, 5, 6, 3)).count("DepthToSpace") == 1


def test_transposed_convolutions_that_overlap() -> None:
    kernel = weight(4, 4, 6, 4)
    assert not formed(lambda x: tf.nn.conv2d_transpose(x, kernel, (2, 10, 14, 6), 2, "SAME"), (2, 5, 7, 4))


def test_inside_a_loop() -> None:
    def looped(x: Any) -> Any:
        return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y + y[:, ::2][:, :1]), (0, x))[1]

    formed(looped, (2, 6))


_REFUSED: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "shrunk": (lambda x: x[:, 1] * 2.0, (1, 4, 4, 8)),
    "strided": (lambda x: x[:, ::2, 1::2] * 2.0, (1, 7, 8, 8)),
    "long joint": (lambda x: tf.concat([x * float(i) for i in range(9)], -1), (1, 4, 4, 8)),
    "packed": (lambda x: tf.stack([x, x * 2.0], 1) + 1.0, (1, 4, 8)),
    "unpacked": (lambda x: sum(tf.unstack(x, axis=1)) + 1.0, (1, 4, 8)),
    "constant choice": (
        lambda x: x + tf.where(tf.linalg.band_part(tf.ones((4, 8)), 0, -1) > 0.0, tf.ones((4, 8)), 3.0),
        (1, 4, 8),
    ),
    "patches": (
        lambda x: tf.concat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1) * 2.0,
        (1, 4, 4, 8),
    ),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_the_delegate_takes_the_form(name: str, tmp_path: Path) -> None:
    function, shape = _REFUSED[name]
    x = keras.Input(batch_shape=shape)
    result = export_tflite(keras.Model(x, keras.layers.Lambda(function)(x)), tmp_path / "m.tflite")
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5
    assert partitions_and_left(result) == (1, [])


@settings(max_examples=examples(200), deadline=None, derandomize=True)
@given(
    st.integers(1, 2), st.integers(1, 13), st.integers(1, 13), st.sampled_from([7, 8, 9]), st.sampled_from([7, 8, 11]),
    st.sampled_from(["SAME", "VALID"]), st.sampled_from([1, 2]), st.sampled_from([1, 2]),
)  # fmt: skip
def test_convolutions_of_fewer_multiplications(
    batch: int, height: int, width: int, taken: int, made: int, padding: str, stride: int, dilation: int
) -> None:
    if padding == "VALID" and min(height, width) <= 2 * dilation:
        return
    if stride > 1 and dilation > 1:
        return
    kernel = _RANDOM.standard_normal((3, 3, taken, made)).astype(np.float32)
    ops = formed(
        lambda x: tf.nn.conv2d(x, kernel, stride, padding, dilations=dilation), (batch, height, width, taken),
        forms=[winograd.form(8)],
    )  # fmt: skip
    lost = 2 if padding == "VALID" else 0
    few = taken < 8 or made < 8 or min(height, width) - lost < 4
    assert ops.count("Conv2D") == (0 if few or stride > 1 or dilation > 1 else 16)


def test_convolutions_of_groups_keep_their_multiplications() -> None:
    kernel = _RANDOM.standard_normal((3, 3, 8, 16)).astype(np.float32)
    assert not formed(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"), (1, 6, 6, 16), forms=[winograd.form(8)])


@pytest.mark.parametrize(
    ("gate", "form"),
    [
        (lambda x: x * tf.sigmoid(x), True),
        (tf.nn.silu, True),
        (lambda x: tf.sigmoid(x) * tf.identity(x), True),
        (lambda x: x[..., :3] * tf.sigmoid(x[..., 3:]), True),
        (lambda x: x * tf.sigmoid(tf.reduce_mean(x, axis=(1, 2), keepdims=True)), False),  # a number for each channel
        (lambda x: (x * tf.sigmoid(x), tf.sigmoid(x)), True),
        (lambda x: [(s := tf.sigmoid(x)), x * s], False),
        (lambda x: [(s := tf.sigmoid(x)) * x, tf.math.log(s)], False),
        (tf.sigmoid, False),
    ],
)  # fmt: skip
def test_gates_by_tangents(gate: Any, form: bool) -> None:
    ops = formed(gate, (2, 4, 4, 6), forms=[gates.FORM])
    assert ("Tanh" in ops) == form


def test_gates_are_for_arm() -> None:
    for target in (None, "cpu", "x86", "gpu"):
        assert gates.FORM not in later_forms(Aim(target))
    assert gates.FORM in later_forms(Aim("arm"))


def test_what_is_not_to_grow_is_not_transformed() -> None:
    def winograd_in(aim: Aim) -> bool:
        return any(form in WINOGRAD.values() for form in later_forms(aim))

    assert [winograd_in(Aim("arm", each)) for each in ("size", "balanced", "speed")] == [False, False, True]
    assert winograd_in(Aim(None, "speed")) and not winograd_in(Aim("gpu", "speed"))


@pytest.mark.parametrize(("target", "optimize"), [("phone", "balanced"), (None, "fast"), ("cpu", None)])
def test_other_aims_are_refused(target: Any, optimize: Any) -> None:
    with pytest.raises(ValueError, match=r"there is no (target|optimize) .*: choose '"):
        Aim(target, optimize)


@st.composite
def _clips(draw: Any) -> tuple[list[int], list[int], list[int], str]:
    kernel = [draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    strides = [draw(st.integers(1, 4)), draw(st.integers(1, 2)), draw(st.integers(1, 2))]
    sizes = [draw(st.integers(taps, taps + 6)) for taps in kernel]
    return sizes, kernel, strides, draw(st.sampled_from(["SAME", "VALID"]))


@settings(max_examples=examples(400), deadline=None, derandomize=True)
@given(_clips(), st.booleans())
def test_any_convolution_of_clips(case: tuple[list[int], list[int], list[int], str], known: bool) -> None:
    sizes, kernel, strides, padding = case
    weights = weight(*kernel, 3, 5)
    shape = (None if not known else 2, *sizes, 3)
    ops = formed(
        lambda x: tf.nn.conv3d(x, weights, [1, *strides, 1], padding),
        shape,
        at=[(2, *sizes, 3)],
        forms=[volumes.FORM],
    )
    assert "Conv3D" not in ops and ops.count("Conv2D") == (
        1 if kernel[1:] == strides[1:] == [1, 1] else kernel[0]
    )
    assert "StridedSlice" in ops or kernel[0] == 1 or ops.count("Conv2D") == 1


@pytest.mark.parametrize(
    ("shape", "multiples", "joints"),
    [
        ((1, 32, 2, 1, 16), (1, 1, 1, 3, 1), 1),
        ((2, 5), (1, 5), 1),
        ((2, 5), (25, 1), 6),
        ((3,), (2,), 1),
        ((2, 5), (1, 26), 0),  # more than two rows of joints
        ((2, 5), (2, 2), 0),
        ((None, 5), (1, 2), 0),
    ],
)
def test_a_few_repetitions_are_joints(
    shape: tuple[int | None, ...], multiples: tuple[int, ...], joints: int
) -> None:
    ops = formed(lambda x: tf.tile(tf.nn.relu(x), multiples), shape, at=[[each or 3 for each in shape]])
    assert ops.count("ConcatV2") == joints and ("Tile" in ops) == (bool(ops) and not joints)
