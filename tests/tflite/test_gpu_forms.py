"""Forms for GPUs compute what the original does, with at most four dims inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nobuco.delegates import check_delegates
from nobuco.tflite import export_tflite
from nobuco.tflite.forms import Aim, with_forms_for
from nobuco.validate.compare import relative_error
from tests.effort import examples

_RANDOM = np.random.default_rng(0)


def formed(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Any:
    """The function in its GPU forms, compared with itself; its ops that stay with more than four dims are reshapes."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    original = tf.function(function, autograph=False).get_concrete_function(*specs)
    made = with_forms_for(original, Aim("gpu"))
    inputs = [tf.constant(_RANDOM.standard_normal(shape), tf.float32) for shape in shapes]
    for a, b in zip(*(tf.nest.flatten(each(*inputs)) for each in (original, made)), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert relative_error(b.numpy(), a.numpy()) < 1e-5
    return made


def needed_ops(function: Any) -> set[Any]:
    """Those that something reads: the others are left out of a file."""
    needed, waiting = set(), [tensor.op for tensor in function.graph.outputs]
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return needed


def ranks(function: Any) -> dict[str, int]:
    """The most dims that each kind of op has to do with."""
    found: dict[str, int] = {}
    for op in needed_ops(function):
        if op.type not in ("Reshape", "Identity", "Placeholder", "Const"):
            rank = max(tensor.shape.rank for tensor in (*op.inputs, *op.outputs))
            found[op.type] = max(found.get(op.type, 0), rank)
    return found


@st.composite
def _transposes(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = draw(st.integers(5, 7))
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank)))
    return shape, tuple(draw(st.permutations(range(rank))))


@settings(max_examples=examples(400), deadline=None, derandomize=True)
@given(_transposes())
def test_any_transpose(case: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    shape, order = case
    found = ranks(formed(lambda x: tf.transpose(x, order), shape))
    assert all(rank <= 4 for rank in found.values())


@st.composite
def _operands(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = draw(st.integers(1, 6))
    shape = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    other = [draw(st.sampled_from([size, 1])) for size in shape][draw(st.integers(0, rank - 1)) :]
    return tuple(shape), tuple(other)


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(_operands(), st.booleans())
def test_any_broadcast(case: tuple[tuple[int, ...], tuple[int, ...]], constant: bool) -> None:
    shape, other = case
    held = tf.constant(_RANDOM.standard_normal(other), tf.float32)
    if constant:
        formed(lambda x: x - held, shape)
        formed(lambda x: held - x, shape)
    else:
        formed(lambda x, y: (x - y, y * x), shape, other)


_MANY: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "unary": (lambda x: tf.nn.relu(tf.exp(x)), [(2, 3, 2, 3, 2)]),
    "choice": (lambda x, y: tf.where(x > 0.0, x, y), [(2, 3, 2, 3, 2), (2, 3, 2, 3, 2)]),
    "logarithm of a softmax": (lambda x: tf.nn.log_softmax(x * 40.0), [(2, 3, 10)]),
    "logarithms of many": (lambda x: tf.nn.log_softmax(x), [(2, 3, 2, 2, 10)]),
    "places": (lambda x: tf.gather(x, [[0, 3], [3, 1], [2, 2]], axis=1), [(2, 4, 5)]),
    "places of rows": (lambda x: tf.gather_nd(x, [[[0], [3]], [[3], [1]]]), [(4, 2, 5)]),
    "places of two dims": (lambda x: tf.gather_nd(x, [[0, 1], [3, 0], [2, 1]]), [(4, 2, 5)]),
    "places that are computed": (
        lambda x, y: tf.gather_nd(x, tf.cast(tf.clip_by_value(y + 2.0, 0.0, 3.0), tf.int32)),
        [(4, 2, 5), (3, 1)],
    ),
    "places of one picture": (
        lambda x, y: tf.gather(
            x, tf.cast(tf.clip_by_value(y + 2.0, 0.0, 3.0), tf.int32), axis=1, batch_dims=1
        ),
        [(1, 4, 5), (1, 3, 2)],
    ),
    "one place": (lambda x: tf.gather(x, 3, axis=1), [(2, 4, 5)]),
    "bias": (lambda x: tf.nn.bias_add(x, tf.range(4.0)), [(2, 3, 2, 3, 4)]),
    "softmax": (lambda x: tf.nn.softmax(x), [(2, 3, 2, 3, 4)]),
    "joint": (lambda x, y: tf.concat([x, y], 2), [(2, 3, 2, 3, 4), (2, 3, 1, 3, 4)]),
    "cut": (lambda x: tf.split(x, [1, 2], 3), [(2, 3, 2, 3, 4)]),
    "halves": (lambda x: tf.split(x, 2, 2), [(2, 3, 2, 3, 4)]),
    "mean": (lambda x: tf.reduce_mean(x, [1, 3]), [(2, 3, 2, 3, 4)]),
    "mean kept": (lambda x: tf.reduce_max(x, [0, 1], keepdims=True), [(1, 3, 2, 3, 4)]),
    "weights": (lambda x: tf.matmul(x, tf.reshape(tf.range(12.0), (4, 3))), [(2, 3, 2, 3, 4)]),
    "product": (lambda x, y: tf.matmul(x, y), [(2, 3, 2, 3, 4), (2, 3, 2, 4, 5)]),
    "turned product": (
        lambda x, y: tf.matmul(x, y, transpose_a=True, transpose_b=True),
        [(2, 3, 4, 3), (2, 3, 5, 4)],
    ),
    "constant first": (lambda x: tf.matmul(tf.reshape(tf.range(15.0), (3, 5)), x), [(2, 5, 4)]),
    "constants first": (
        lambda x: tf.matmul(tf.reshape(tf.range(60.0), (1, 4, 5, 3)), x, transpose_a=True),
        [(2, 4, 5, 6)],
    ),
    "constant heads first": (
        lambda x: tf.matmul(tf.reshape(tf.range(60.0), (1, 4, 3, 5)), x, transpose_b=True),
        [(1, 4, 6, 5)],
    ),
    "slice": (lambda x: x[:, 1:3, :, :2, 1:], [(2, 3, 2, 3, 4)]),
    "slice of rows": (lambda x: x[1:, 2:4], [(3, 5)]),
    "padding": (lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 0], [2, 1], [0, 0]]), [(2, 3, 2, 3, 4)]),
    "padding of rows": (lambda x: tf.pad(x, [[1, 0], [0, 2]], constant_values=2.0), [(3, 5)]),
    "reflection": (lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0]], "REFLECT"), [(2, 4, 3)]),
    "tile": (lambda x: tf.tile(x, [1, 2, 1, 3, 1]), [(2, 3, 2, 3, 4)]),
    "spread": (lambda x: tf.broadcast_to(x, (2, 3, 4, 5)), [(3, 1, 5)]),
    "new dim": (lambda x: tf.squeeze(tf.expand_dims(x, 1) * 2.0, 1), [(3, 4)]),
    "window": (
        lambda x: tf.transpose(tf.reshape(x, (2, 2, 7, 2, 7, 3)), (0, 1, 3, 2, 4, 5)),
        [(2, 14, 14, 3)],
    ),
    "groups": (
        lambda x: tf.nn.conv2d(x, tf.reshape(tf.sin(tf.range(2.0 * 54)), (3, 3, 2, 6)), 1, "SAME"),
        [(1, 5, 5, 6)],
    ),
}


@pytest.mark.parametrize("name", _MANY)
def test_ops_of_many_dims(name: str) -> None:
    function, shapes = _MANY[name]
    found = ranks(formed(function, *shapes))
    assert found and all(rank <= 4 for rank in found.values())
    assert not {"BroadcastTo", "ExpandDims", "Squeeze"} & found.keys()


def test_no_product_is_turned() -> None:
    heads = formed(
        lambda q, k: tf.matmul(
            q, tf.reshape(tf.transpose(tf.reshape(k, (5, 2, 3)), (1, 0, 2)), (1, 2, 5, 3)), transpose_b=True
        ),
        (1, 2, 5, 3),
        (1, 5, 6),
    )
    ops = needed_ops(heads)
    assert not any(op.get_attr("adj_x") or op.get_attr("adj_y") for op in ops if op.type == "BatchMatMulV2")
    assert [op.type for op in ops].count("Transpose") == 1  # the two are one


@pytest.mark.parametrize("places", ["beyond the end", "computed"])
def test_places_that_could_become_others(places: str) -> None:
    """Counted through, places of two dims could be there where they were not."""
    specs = [tf.TensorSpec((4, 2, 5), tf.float32), tf.TensorSpec((3, 2), tf.int32)]
    function = tf.function(
        lambda x, y: tf.gather_nd(x, [[0, 3]] if places == "beyond the end" else y), autograph=False
    )
    original = function.get_concrete_function(*specs)
    made = with_forms_for(original, Aim("gpu"))
    assert "GatherNd" in {op.type for op in needed_ops(made)}


@pytest.mark.parametrize("held", [tf.constant, tf.Variable], ids=["array", "variable"])
def test_a_constant_is_one_however_the_function_holds_it(held: Any) -> None:
    left = held(tf.reshape(tf.sin(tf.range(60.0)), (1, 4, 3, 5)))
    made = formed(lambda x: tf.matmul(tf.exp(left), x), (1, 4, 5, 6))
    products = [op for op in needed_ops(made) if "MatMul" in op.type]
    assert len(products) == 4 and all(op.inputs[1].shape.rank == 2 for op in products)


def test_what_a_branch_is_given_is_no_constant() -> None:
    """The functions of a branch hold tensors of the function around them, as that holds arrays."""

    def grown(x: tf.Tensor) -> tf.Tensor:  # a loop, which keeps the branch
        return tf.while_loop(lambda y: tf.reduce_max(y) < 3.0, lambda y: (y + 1.0,), (x,))[0]

    def model(x: tf.Tensor) -> tf.Tensor:
        y = tf.exp(x)
        return tf.cond(tf.reduce_mean(x) > 1e6, lambda: grown(x), lambda: tf.matmul(y, x))

    formed(model, (1, 4, 5, 5))


@pytest.mark.parametrize("dilation", [2, 3])
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("length", [12, 13])
def test_dilated_convolutions_over_time(dilation: int, padding: str, length: int) -> None:
    layer = keras.layers.Conv1D(4, 3, padding=padding, dilation_rate=dilation)
    layer.build((None, length, 5))
    found = ranks(formed(lambda x: layer(x), (2, length, 5)))
    assert "SpaceToBatchND" not in found and found["Conv2D"] == 4


def test_sizes_that_are_unknown() -> None:
    spec = tf.TensorSpec((None, 2, 3, 2, 3), tf.float32)
    x = tf.constant(_RANDOM.standard_normal((4, 2, 3, 2, 3)), tf.float32)
    for function in (
        lambda x: tf.transpose(x, (0, 2, 1, 4, 3)) + 1.0,
        lambda x: tf.concat([x, x], 3)[:, :, 1:],
    ):
        original = tf.function(function, autograph=False).get_concrete_function(spec)
        made = with_forms_for(original, Aim("gpu"))
        a, b = (tf.nest.flatten(each(x))[0].numpy() for each in (original, made))
        np.testing.assert_allclose(b, a, rtol=1e-6)


def test_a_file_for_a_gpu(tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(1, 4, 4, 12))

    def shuffled(x: Any) -> Any:
        y = tf.transpose(tf.reshape(x, (1, 4, 4, 3, 4)), (0, 1, 2, 4, 3))
        return tf.reshape(y + tf.reshape(tf.range(12.0), (4, 3)), (1, 4, 4, 12))[:, 1]

    model = keras.Model(x, keras.layers.Lambda(shuffled)(x))
    result = export_tflite(model, tmp_path / "m.tflite", target="gpu")
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5
    assert all(check.whole and check.right for check in check_delegates(result))


def test_an_unknown_target(tmp_path: Path) -> None:
    x = keras.Input((3,))
    with pytest.raises(ValueError, match=r"no target 'npu': choose .*'gpu'"):
        export_tflite(keras.Model(x, keras.layers.ReLU()(x)), tmp_path / "m.tflite", target="npu")  # type: ignore[arg-type]


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.data())
def test_one_operand_at_most_is_repeated(data: Any) -> None:
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=3, max_size=4))
    alike, apart = data.draw(st.integers(0, 1)), data.draw(st.integers(1, len(sizes) - 1))
    one = sizes[:apart] + [1] * (len(sizes) - apart)
    other = sizes[:alike] + [1] * (apart - alike) + sizes[max(alike, apart) :]
    function: Any = data.draw(st.sampled_from([tf.add, tf.multiply, tf.subtract, tf.maximum]))
    made = formed(lambda x, y: function(tf.nn.relu(x), tf.nn.relu(y)), tuple(one), tuple(other[: len(sizes)]))
    for op in needed_ops(made):
        shapes = [tensor.shape.as_list() for tensor in op.inputs]
        if op.type in ("AddV2", "Mul", "Sub", "Maximum"):
            assert op.outputs[0].shape.as_list() in shapes
