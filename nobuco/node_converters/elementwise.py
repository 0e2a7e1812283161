"""Functions of one tensor, element by element: PyTorch's name and TensorFlow's function, one line each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.build.dtypes import tf_dtype
from nobuco.node_converters._types import cast, floating
from nobuco.node_converters.registry import builtin, spellings

# The dtype stays as it is.
_SAME: dict[str, Callable[[Any], Any]] = {
    "abs": tf.abs, "absolute": tf.abs,
    "neg": tf.negative, "negative": tf.negative, "positive": tf.identity,
    "ceil": lambda x: x if x.dtype.is_integer else tf.math.ceil(x),
    "floor": lambda x: x if x.dtype.is_integer else tf.floor(x),
    "round": lambda x: x if x.dtype.is_integer else tf.round(x),
    "trunc": lambda x: x if x.dtype.is_integer else tf.where(x < 0, tf.math.ceil(x), tf.floor(x)),
    "fix": lambda x: x if x.dtype.is_integer else tf.where(x < 0, tf.math.ceil(x), tf.floor(x)),
    "frac": lambda x: x - tf.where(x < 0, tf.math.ceil(x), tf.floor(x)),
    "sign": tf.sign, "sgn": tf.sign,
    "square": tf.square,
    "zeros_like": tf.zeros_like, "ones_like": tf.ones_like,
    "detach": tf.identity, "clone": tf.identity, "contiguous": tf.identity,
}  # fmt: skip

# Integers are converted to floats first.
_FLOAT: dict[str, Callable[[Any], Any]] = {
    "exp": tf.exp, "exp2": lambda x: tf.exp(x * math.log(2)), "expm1": tf.math.expm1,
    "log": tf.math.log, "log2": lambda x: tf.math.log(x) * (1 / math.log(2)), "log10": lambda x: tf.math.log(x) * (1 / math.log(10)),
    "log1p": tf.math.log1p,
    "sqrt": tf.sqrt, "rsqrt": tf.math.rsqrt, "reciprocal": tf.math.reciprocal,
    "sin": tf.sin, "cos": tf.cos, "tan": tf.tan, "sinh": tf.sinh, "cosh": tf.cosh,
    "asin": tf.asin, "arcsin": tf.asin, "acos": tf.acos, "arccos": tf.acos, "atan": tf.atan, "arctan": tf.atan,
    "asinh": tf.asinh, "arcsinh": tf.asinh, "acosh": tf.acosh, "arccosh": tf.acosh, "atanh": tf.atanh, "arctanh": tf.atanh,
    "erf": tf.math.erf, "erfc": tf.math.erfc, "erfinv": tf.math.erfinv, "lgamma": tf.math.lgamma, "digamma": tf.math.digamma,
    "deg2rad": lambda x: x * (math.pi / 180), "rad2deg": lambda x: x * (180 / math.pi),
}  # fmt: skip

# The outcome is a boolean.
_BOOL: dict[str, Callable[[Any], Any]] = {
    "isnan": lambda x: tf.math.is_nan(x) if x.dtype.is_floating else tf.zeros_like(x, tf.bool),
    "isinf": lambda x: tf.math.is_inf(x) if x.dtype.is_floating else tf.zeros_like(x, tf.bool),
    "isfinite": lambda x: tf.math.is_finite(x) if x.dtype.is_floating else tf.ones_like(x, tf.bool),
    "signbit": lambda x: x < tf.zeros_like(x),
}


def _register(name: str, function: Callable[[Any], Any], floats: bool) -> None:
    def unary(input: Tensor, *args: Any, **kwargs: Any):
        return lambda input, *args, **kwargs: function(cast(input, floating(input.dtype)) if floats else input)

    builtin(*spellings(name), any_layout=True)(unary)


for _table, _floats in ((_SAME, False), (_FLOAT, True), (_BOOL, False)):
    for _name, _function in _table.items():
        _register(_name, _function, _floats)


@builtin(torch.Tensor.data, any_layout=True)
def data(self: Tensor):
    return lambda self: tf.identity(self)


# -- dtypes


def _cast_to(dtype: torch.dtype):
    target = tf_dtype(dtype)
    return lambda input, *args, **kwargs: cast(input, target)


_CASTS = {
    "float": torch.float32, "double": torch.float64, "half": torch.float16, "bfloat16": torch.bfloat16,
    "long": torch.int64, "int": torch.int32, "short": torch.int16, "char": torch.int8, "byte": torch.uint8,
    "bool": torch.bool,
}  # fmt: skip
for _name, _dtype in _CASTS.items():
    builtin(getattr(torch.Tensor, _name), any_layout=True)(
        lambda self, *args, _dtype=_dtype, **kwargs: _cast_to(_dtype)
    )


@builtin(torch.Tensor.to, any_layout=True)
def to(self: Tensor, *args, **kwargs):
    """The dtype is the one that counts; a device has no counterpart in the graph."""
    asked = [each for each in (*args, *kwargs.values()) if isinstance(each, torch.dtype | Tensor)]
    if not asked:
        return lambda self, *args, **kwargs: tf.identity(self)
    return _cast_to(asked[0].dtype if isinstance(asked[0], Tensor) else asked[0])


@builtin(torch.Tensor.type_as, any_layout=True)
def type_as(self: Tensor, other: Tensor):
    return lambda self, other: cast(self, other.dtype)
