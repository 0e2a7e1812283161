"""Activations. TFLite knows some of them as one op, if they are spelled as here."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import Layout, axis_of, get_layout, identity, set_layout
from nobuco.contract.converter import Impossible
from nobuco.contract.dtypes import tf_dtype
from nobuco.contract.registry import builtin, spellings
from nobuco.contract.results import LayerChain
from nobuco.node_converters._layouts import same_layout
from nobuco.node_converters._sizes import product_of, shape_of
from nobuco.node_converters._types import cast


@builtin(*spellings("relu"), any_layout=True, nonnegative=True)
def relu(input: Tensor, inplace: bool = False):
    return LayerChain(keras.layers.ReLU())


@builtin(F.relu6, any_layout=True, nonnegative=True)
def relu6(input: Tensor, inplace: bool = False):
    return LayerChain(keras.layers.ReLU(6.0))


@builtin(F.leaky_relu, F.leaky_relu_, any_layout=True)
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False):
    return LayerChain(keras.layers.LeakyReLU(negative_slope))


@builtin(*spellings("sigmoid"), *spellings("expit"), any_layout=True, nonnegative=True)
def sigmoid(input: Tensor):
    if not input.is_floating_point():
        return lambda input: tf.sigmoid(input if input.dtype.is_complex else cast(input, tf.float32))
    return LayerChain(keras.layers.Activation("sigmoid"))


@builtin(*spellings("tanh"), any_layout=True)
def tanh(input: Tensor):
    if not input.is_floating_point():
        return lambda input: tf.tanh(input if input.dtype.is_complex else cast(input, tf.float32))
    return LayerChain(keras.layers.Activation("tanh"))


@builtin(F.hardswish, any_layout=True)
def hardswish(input: Tensor, inplace: bool = False):
    """One HARD_SWISH in TFLite."""
    return LayerChain(keras.layers.Activation("hard_silu"))


@builtin(F.hardsigmoid, any_layout=True, nonnegative=True)
def hardsigmoid(input: Tensor, inplace: bool = False):
    """relu6 fuses with the op before it, where a clip to 0 and 1 would not."""
    return lambda input, inplace=False: tf.nn.relu6(input + 3.0) * (1 / 6)


@builtin(F.hardtanh, F.hardtanh_, any_layout=True)
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
    if (min_val, max_val) == (0.0, 6.0):
        return LayerChain(keras.layers.ReLU(6.0))
    return lambda input, min_val=-1.0, max_val=1.0, inplace=False: tf.clip_by_value(input, min_val, max_val)


@builtin(F.silu, any_layout=True)
def silu(input: Tensor, inplace: bool = False):
    """Not tf.nn.silu, whose gradient of its own keeps the TFLite converter from saving the function."""
    return lambda input, inplace=False: input * tf.sigmoid(input)


@builtin(F.mish, any_layout=True)
def mish(input: Tensor, inplace: bool = False):
    """tanh(softplus(x)) is n / (n + 2) for n = w (w + 2), w = exp(x): one where x is large."""

    def func(input, inplace=False):
        raised = tf.exp(tf.minimum(input, 20.0))
        n = raised * (raised + 2)
        return input * (n / (n + 2))

    return func


@builtin(F.gelu, any_layout=True)
def gelu(input: Tensor, *, approximate: str = "none"):
    """One GELU in TFLite, exact or by tanh."""
    return lambda input, *, approximate="none": tf.nn.gelu(input, approximate=approximate == "tanh")


@builtin(F.elu, F.elu_, any_layout=True)
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False):
    return LayerChain(keras.layers.ELU(alpha))


@builtin(*spellings("selu"), any_layout=True)
def selu(input: Tensor, inplace: bool = False):
    return LayerChain(keras.layers.Activation("selu"))


@builtin(*spellings("celu"), any_layout=True)
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False):
    return lambda input, alpha=1.0, inplace=False: (
        tf.nn.relu(input) + alpha * tf.nn.elu(-tf.nn.relu(-input) / alpha)
    )


@builtin(F.softplus, any_layout=True)
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0):
    """Linear above the threshold in PyTorch; beyond 15 the two are one number in float32, and no choice is needed."""

    def func(input, beta=1.0, threshold=20.0):
        x = input if beta == 1 else input * beta
        soft = tf.math.softplus(x) if beta == 1 else tf.math.softplus(x) / beta
        return soft if threshold >= 15 else tf.where(x > threshold, input, soft)

    return func


@builtin(F.softsign, any_layout=True)
def softsign(input: Tensor):
    return lambda input: input / (1 + tf.abs(input))


@builtin(F.logsigmoid, any_layout=True)
def logsigmoid(input: Tensor):
    return lambda input: -tf.math.softplus(-input)


@builtin(F.tanhshrink, any_layout=True)
def tanhshrink(input: Tensor):
    return lambda input: input - tf.tanh(input)


@builtin(F.hardshrink, torch.hardshrink, torch.Tensor.hardshrink, any_layout=True)
def hardshrink(input: Tensor, lambd: float = 0.5):
    return lambda input, lambd=0.5: tf.where(tf.abs(input) > lambd, input, tf.zeros_like(input))


@builtin(F.softshrink, any_layout=True)
def softshrink(input: Tensor, lambd: float = 0.5):
    return lambda input, lambd=0.5: tf.nn.relu(input - lambd) - tf.nn.relu(-input - lambd)


@builtin(F.threshold, F.threshold_, any_layout=True)  # pyright: ignore[reportAttributeAccessIssue]
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False):
    return lambda input, threshold, value, inplace=False: tf.where(
        input > threshold, input, tf.constant(value, input.dtype)
    )


_MOST_OF_PRELU = 4  # dims that TFLite's takes


@builtin(F.prelu, torch.prelu, torch.Tensor.prelu, output_layout=same_layout)
def prelu(input: Tensor, weight: Tensor):
    """Spelled so that TFLite's converter finds its PRELU: relu(x) + (-a) * relu(-x), with channels last and a slope for each
    of them, in one dim less than the input has. GPU delegates would not take one slope for all."""

    def func(input, weight):
        rank = input.shape.rank
        axis = axis_of(input, 1) if rank > 1 else None
        if rank == 0:
            weight = tf.reshape(weight, [])
        elif axis == rank - 1 and rank <= _MOST_OF_PRELU and input.shape[axis] is not None:
            weight = tf.reshape(weight, [-1])
            weight = tf.tile(weight, [input.shape[axis]]) if weight.shape[0] == 1 else weight
            weight = tf.reshape(weight, [1] * (rank - 2) + [-1])
        elif axis is not None and weight.shape.rank == 1 and weight.shape[0] != 1:
            shape = [1] * rank
            shape[axis] = -1
            weight = tf.reshape(weight, shape)
        return tf.nn.relu(input) + (-weight) * tf.nn.relu(-input)

    return func


def _dropout_is_off(call: Any) -> str | None:
    training = call.train if hasattr(call, "train") else call.training
    if training and call.p > 0:
        return Impossible("dropout is active: the model is in training mode. Call model.eval() first")
    return None


@builtin(
    torch.dropout,
    torch.feature_dropout,
    torch.alpha_dropout,
    torch.feature_alpha_dropout,
    any_layout=True,
    accepts=_dropout_is_off,
)
def dropout_of_torch(input: Tensor, p: float, train: bool):
    return dropout(input, p, train)


@builtin(
    F.dropout,
    F.dropout1d,
    F.dropout2d,
    F.dropout3d,
    F.alpha_dropout,
    F.feature_alpha_dropout,
    any_layout=True,
    accepts=_dropout_is_off,
)
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Nothing, in evaluation mode. In training mode it is random, and no conversion of it can be checked."""
    return lambda input, p=0.5, training=False, inplace=False: tf.identity(input)


# -- along one dim


_MOST_DIMS = 5  # that TensorFlow's softmax takes on a processor


def _along(input, dim, function):
    """`function` works on the last axis; another one is swapped there first, as TensorFlow itself would do."""
    layout = get_layout(input)
    axis = axis_of(input, dim)
    last = len(layout) - 1
    if last >= _MOST_DIMS:
        sizes = shape_of(input)
        before, after = product_of(sizes[:axis]), product_of(sizes[axis + 1 :])
        joined = tf.transpose(tf.reshape(input, [before, sizes[axis], after]), (0, 2, 1))
        return set_layout(tf.reshape(tf.transpose(function(joined), (0, 2, 1)), sizes), layout)
    if axis == last:
        return set_layout(function(input), layout)
    swapped = list(identity(last + 1))
    swapped[axis], swapped[last] = last, axis
    return set_layout(tf.transpose(function(tf.transpose(input, swapped)), swapped), layout)


def _implicit_dim(input: Tensor, dim: int | None) -> int:
    if dim is not None:
        return dim
    return 0 if input.dim() in (0, 1, 3) else 1


def _normalized(function, *ops, nonnegative: bool = False) -> None:
    def normalized(input: Tensor, dim: int | None = None, *args, **kwargs):
        dim = _implicit_dim(input, dim)
        asked = next(
            (each for each in (*args, *kwargs.values()) if isinstance(each, torch.dtype)), input.dtype
        )
        dtype = tf_dtype(asked)

        def func(input, *args, **kwargs):
            x = set_layout(tf.identity(cast(input, dtype)), get_layout(input))
            if not get_layout(x):
                return tf.reshape(function(tf.reshape(x, [1])), [])
            return _along(x, dim, function)

        return func

    def inner_transposes(layout: Layout, input: Tensor, dim: int | None = None, *args, **kwargs) -> int:
        if not layout or len(layout) > _MOST_DIMS or not input.dim():
            return 0
        return 0 if layout[-1] == _implicit_dim(input, dim) % len(layout) else 2

    builtin(*ops, any_layout=True, nonnegative=nonnegative, inner_transposes=inner_transposes)(normalized)


_normalized(
    tf.nn.softmax, F.softmax, torch.softmax, torch.Tensor.softmax, torch.special.softmax, nonnegative=True
)
_normalized(lambda x: tf.nn.softmax(-x), F.softmin)
_normalized(
    tf.nn.log_softmax, F.log_softmax, torch.log_softmax, torch.Tensor.log_softmax, torch.special.log_softmax
)


@builtin(F.glu, torch._C._nn.glu, output_layout=same_layout)  # pyright: ignore[reportAttributeAccessIssue]
def glu(input: Tensor, dim: int = -1):
    def func(input, dim=-1):
        a, b = tf.split(input, 2, axis_of(input, dim))
        return a * tf.sigmoid(b)

    return func
