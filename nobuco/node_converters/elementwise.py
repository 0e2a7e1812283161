"""Functions of one tensor, element by element: PyTorch's name and TensorFlow's function, one line each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.dtypes import tf_dtype
from nobuco.contract.registry import builtin, spellings
from nobuco.node_converters._integers import absolute, negative, sign
from nobuco.node_converters._sizes import surely_equal
from nobuco.node_converters._types import cast, floating


def _truncated(x: Any) -> Any:
    return x if x.dtype.is_integer else tf.where(x < 0, tf.math.ceil(x), tf.floor(x))


# TFLite has ATAN2 and LOG, and none of the following.


def _asin(x: Any) -> Any:
    if x.dtype.is_complex:
        return -1j * tf.math.log(1j * x + tf.sqrt(1 - x * x))
    return tf.atan2(x, tf.sqrt((1 - x) * (1 + x)))


def _acos(x: Any) -> Any:
    if x.dtype.is_complex:
        return math.pi / 2 - _asin(x)
    return tf.atan2(tf.sqrt((1 - x) * (1 + x)), x)


def _sinh(x: Any) -> Any:
    if x.dtype.is_complex:
        return tf.sinh(x)
    less_one = tf.math.expm1(tf.abs(x))
    size = 0.5 * (less_one + less_one / (less_one + 1))
    return tf.where(x < 0, -size, size)


def _atan(x: Any) -> Any:
    if x.dtype.is_complex:
        return 0.5j * (tf.math.log(1 - 1j * x) - tf.math.log(1 + 1j * x))
    return tf.atan2(x, tf.ones_like(x))


def _asinh(x: Any) -> Any:
    if x.dtype.is_complex:
        return tf.math.log(x + tf.sqrt(x * x + 1))
    size = tf.abs(x)
    return tf.sign(x) * tf.math.log1p(size + size * size / (1 + tf.sqrt(size * size + 1)))


def _acosh(x: Any) -> Any:
    if x.dtype.is_complex:
        return tf.math.log(x + tf.sqrt(x + 1) * tf.sqrt(x - 1))
    beyond = x - 1
    return tf.math.log1p(beyond + tf.sqrt(beyond * (beyond + 2)))


def _atanh(x: Any) -> Any:
    return 0.5 * tf.math.log1p(2 * x / (1 - x))


def _above_zero(x: Any, function: Callable[[Any], Any], at_zero: float) -> Any:
    """Not a number below zero, and a pole there, where TensorFlow's own has other ideas."""
    here = tf.where(x > 0, function(tf.where(x > 0, x, tf.ones_like(x))), tf.constant(math.nan, x.dtype))
    return tf.where(x == 0, tf.constant(at_zero, x.dtype), here)


# The dtype stays as it is.
_SAME: dict[str, Callable[[Any], Any]] = {
    "abs": absolute,
    "absolute": absolute,
    "neg": negative,
    "negative": negative,
    "positive": tf.identity,
    "ceil": lambda x: x if x.dtype.is_integer else tf.math.ceil(x),
    "floor": lambda x: x if x.dtype.is_integer else tf.floor(x),
    "trunc": lambda x: _truncated(x),
    "fix": lambda x: _truncated(x),
    "frac": lambda x: x - _truncated(x),
    "sign": lambda x: x if x.dtype == tf.bool else sign(x),
    "sgn": lambda x: x if x.dtype == tf.bool else sign(x),
    "detach": tf.identity,
    "clone": tf.identity,
    "contiguous": tf.identity,
    "alias_copy": tf.identity,
    "resolve_conj": tf.identity,
    "resolve_neg": tf.identity,
    "conj": lambda x: tf.math.conj(x) if x.dtype.is_complex else x,
    "conj_physical": lambda x: tf.math.conj(x) if x.dtype.is_complex else x,
}

# Integers are converted to floats first.
_FLOAT: dict[str, Callable[[Any], Any]] = {
    "exp": tf.exp,
    "exp2": lambda x: tf.exp(x * math.log(2)),
    "expm1": tf.math.expm1,
    "log": tf.math.log,
    "log2": lambda x: tf.math.log(x) * (1 / math.log(2)),
    "log10": lambda x: tf.math.log(x) * (1 / math.log(10)),
    "log1p": tf.math.log1p,
    "sqrt": tf.sqrt,
    "rsqrt": tf.math.rsqrt,
    "reciprocal": tf.math.reciprocal,
    "sin": tf.sin,
    "cos": tf.cos,
    "tan": lambda x: tf.sin(x) / tf.cos(x),
    "sinh": lambda x: _sinh(x),
    "cosh": lambda x: 0.5 * (tf.exp(x) + tf.exp(-x)),
    "asin": lambda x: _asin(x),
    "arcsin": lambda x: _asin(x),
    "acos": lambda x: _acos(x),
    "arccos": lambda x: _acos(x),
    "atan": lambda x: _atan(x),
    "arctan": lambda x: _atan(x),
    "asinh": lambda x: _asinh(x),
    "arcsinh": lambda x: _asinh(x),
    "acosh": lambda x: _acosh(x),
    "arccosh": lambda x: _acosh(x),
    "atanh": lambda x: _atanh(x),
    "arctanh": lambda x: _atanh(x),
    "erf": tf.math.erf,
    "erfc": tf.math.erfc,
    "erfinv": tf.math.erfinv,
    "lgamma": tf.math.lgamma,
    "gammaln": tf.math.lgamma,
    "digamma": tf.math.digamma,
    "psi": tf.math.digamma,
    "deg2rad": lambda x: x * (math.pi / 180),
    "rad2deg": lambda x: x * (180 / math.pi),
    "sinc": lambda x: tf.where(
        x == 0, tf.ones_like(x), tf.sin(math.pi * x) / (math.pi * tf.where(x == 0, tf.ones_like(x), x))
    ),
    "i0": tf.math.bessel_i0,
    "i0e": tf.math.bessel_i0e,
    "i1": tf.math.bessel_i1,
    "i1e": tf.math.bessel_i1e,
    "modified_bessel_i0": tf.math.bessel_i0,
    "modified_bessel_i1": tf.math.bessel_i1,
    "modified_bessel_k0": lambda x: _above_zero(x, tf.math.special.bessel_k0, math.inf),
    "modified_bessel_k1": lambda x: _above_zero(x, tf.math.special.bessel_k1, math.inf),
    "scaled_modified_bessel_k0": lambda x: _above_zero(x, tf.math.special.bessel_k0e, math.inf),
    "scaled_modified_bessel_k1": lambda x: _above_zero(x, tf.math.special.bessel_k1e, math.inf),
    "bessel_j0": tf.math.special.bessel_j0,
    "bessel_j1": tf.math.special.bessel_j1,
    "bessel_y0": lambda x: _above_zero(x, tf.math.special.bessel_y0, -math.inf),
    "bessel_y1": lambda x: _above_zero(x, tf.math.special.bessel_y1, -math.inf),
    "ndtr": lambda x: 0.5 * tf.math.erfc(-x * math.sqrt(0.5)),
    "ndtri": tf.math.ndtri,
    "entr": lambda x: tf.where(x < 0, tf.constant(-math.inf, x.dtype), -tf.math.xlogy(x, x)),
}

# The outcome is a boolean.
_BOOL: dict[str, Callable[[Any], Any]] = {
    "isposinf": lambda x: x == math.inf if x.dtype.is_floating else tf.zeros_like(x, tf.bool),
    "isneginf": lambda x: x == -math.inf if x.dtype.is_floating else tf.zeros_like(x, tf.bool),
    "isreal": lambda x: tf.math.imag(x) == 0 if x.dtype.is_complex else tf.ones_like(x, tf.bool),
    "isnan": lambda x: tf.math.is_nan(x) if x.dtype.is_floating else tf.zeros_like(x, tf.bool),
    "isinf": lambda x: tf.math.is_inf(x) if x.dtype.is_floating else tf.zeros_like(x, tf.bool),
    "isfinite": lambda x: tf.math.is_finite(x) if x.dtype.is_floating else tf.ones_like(x, tf.bool),
    "signbit": lambda x: x < 0 if x.dtype != tf.bool else tf.zeros_like(x),
}


def _register(name: str, function: Callable[[Any], Any], floats: bool) -> None:
    def unary(input: Tensor, *args: Any, **kwargs: Any):
        return lambda input, *args, **kwargs: function(
            cast(input, floating(input.dtype)) if floats else input
        )

    builtin(*spellings(name), any_layout=True, nonnegative=name in ("abs", "absolute"))(unary)


for _table, _floats in ((_SAME, False), (_FLOAT, True), (_BOOL, False)):
    for _name, _function in _table.items():
        _register(_name, _function, _floats)


@builtin(torch.Tensor.data, any_layout=True)
def data(self: Tensor):
    return lambda self: tf.identity(self)


@builtin(*spellings("square"), any_layout=True)
def square(input: Tensor):
    return lambda input: tf.square(cast(input, tf.int64) if input.dtype == tf.bool else input)


@builtin(*spellings("round"), any_layout=True)
def round_(input: Tensor, *, decimals: int = 0):
    """Half to even, as TensorFlow does."""

    def func(input, *, decimals=0):
        if input.dtype.is_integer:
            return input
        scale = 10.0 ** abs(decimals)
        if decimals == 0:
            return tf.round(input)
        return tf.round(input * scale) / scale if decimals > 0 else tf.round(input / scale) * scale

    return func


@builtin(*spellings("logit"), any_layout=True)
def logit(input: Tensor, eps: float | None = None):
    def func(input, eps=None):
        x = cast(input, floating(input.dtype))
        x = x if eps is None else tf.clip_by_value(x, eps, 1 - eps)
        return tf.math.log(x / (1 - x))

    return func


@builtin(*spellings("nan_to_num"), any_layout=True)
def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
):
    """Infinities become the largest finite numbers where nothing else is asked for."""

    def func(input, nan=0.0, posinf=None, neginf=None):
        if not input.dtype.is_floating:
            return tf.identity(input)
        high = input.dtype.max if posinf is None else posinf
        low = input.dtype.min if neginf is None else neginf
        x = tf.where(tf.math.is_nan(input), tf.constant(nan or 0.0, input.dtype), input)
        x = tf.where(x == math.inf, tf.constant(high, input.dtype), x)
        return tf.where(x == -math.inf, tf.constant(low, input.dtype), x)

    return func


@builtin(*spellings("mvlgamma"), *spellings("multigammaln"), any_layout=True)
def mvlgamma(input: Tensor, p: int):
    def func(input, p):
        x = cast(input, floating(input.dtype))
        return sum(tf.math.lgamma(x - j / 2) for j in range(p)) + p * (p - 1) / 4 * math.log(math.pi)

    return func


# -- complex numbers


@builtin(torch.real, torch.Tensor.real, any_layout=True)
def real(input: Tensor):
    return lambda input: tf.math.real(input) if input.dtype.is_complex else tf.identity(input)


@builtin(torch.imag, torch.Tensor.imag, any_layout=True)
def imag(input: Tensor):
    return lambda input: tf.math.imag(input)


@builtin(*spellings("angle"), any_layout=True)
def angle(input: Tensor):
    def func(input):
        if input.dtype.is_complex:
            return tf.math.angle(input)
        x = cast(input, floating(input.dtype))
        return tf.where(
            tf.math.is_nan(x), x, tf.where(x < 0, tf.constant(math.pi, x.dtype), tf.zeros_like(x))
        )

    return func


@builtin(torch.complex, any_layout=True)
def complex_(real: Tensor, imag: Tensor):
    return lambda real, imag: tf.complex(real, imag)


@builtin(torch.polar, any_layout=True)
def polar(abs: Tensor, angle: Tensor):
    return lambda abs, angle: tf.complex(abs * tf.cos(angle), abs * tf.sin(angle))


# -- dtypes


def _cast_to(dtype: torch.dtype):
    target = tf_dtype(dtype)
    return lambda input, *args, **kwargs: cast(input, target)


_CASTS = {
    "float": torch.float32, "double": torch.float64, "half": torch.float16, "bfloat16": torch.bfloat16,
    "long": torch.int64, "int": torch.int32, "short": torch.int16, "char": torch.int8, "byte": torch.uint8,
    "bool": torch.bool, "cfloat": torch.complex64, "cdouble": torch.complex128,
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


@builtin(torch.Tensor.copy_, any_layout=True)
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False):
    """The source, cast and broadcast to the tensor that is overwritten."""

    def func(self, src, non_blocking=False):
        src = cast(src, self.dtype)
        return tf.identity(src) if surely_equal(src, self) else tf.broadcast_to(src, tf.shape(self))

    return func
