"""Arithmetic and comparison, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.dtypes import tf_dtype
from nobuco.contract.registry import builtin, spellings
from nobuco.node_converters._integers import (
    NARROW,
    absolute,
    floor_divided,
    in_32_bits,
    powered,
    sign,
    truncated,
)
from nobuco.node_converters._sizes import in_few_runs, surely_equal
from nobuco.node_converters._types import cast, floating, result_dtype


def _nan(x: Any) -> Any:
    return tf.math.is_nan(x) if x.dtype.is_floating else tf.zeros_like(x, tf.bool)


def _same_shape(a: Any, b: Any) -> tuple[Any, Any]:
    """For ops that do not broadcast in TFLite."""
    if surely_equal(a, b):
        return a, b
    shape = tf.broadcast_dynamic_shape(tf.shape(a), tf.shape(b))
    return tf.broadcast_to(a, shape), tf.broadcast_to(b, shape)


def _negative(x: Any) -> Any:
    """Minus zero too, whose reciprocal is minus infinity."""
    return (x < 0) | ((x == 0) & (1 / x < 0))


def exp2(x: Any) -> Any:
    return tf.pow(tf.constant(2, x.dtype), x)


def _log_sum(a: Any, b: Any, exp: Any, log1p: Any) -> Any:
    """Of equal infinities the difference is no number, and the sum is the one of them."""
    larger = tf.maximum(a, b)
    return tf.where(a == b, larger + log1p(tf.ones_like(larger)), larger + log1p(exp(-tf.abs(a - b))))


# name -> the TensorFlow function of two tensors of one dtype
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "mul": lambda a, b: a * b,
    "multiply": lambda a, b: a * b,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "fmod": lambda a, b: sign(a) * tf.math.floormod(absolute(a), absolute(b)),
    "remainder": tf.math.floormod,
    "pow": tf.pow,
    "fmax": lambda a, b: tf.where(_nan(b), a, tf.where(_nan(a), b, tf.maximum(a, b))),
    "fmin": lambda a, b: tf.where(_nan(b), a, tf.where(_nan(a), b, tf.minimum(a, b))),
    "heaviside": lambda a, b: tf.where(_nan(a), a, tf.where(a == 0, b, tf.cast(a > 0, a.dtype))),
}

# as above, for floats: integers are converted first
_FLOAT_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "atan2": lambda a, b: tf.atan2(*_same_shape(a, b)),
    "arctan2": lambda a, b: tf.atan2(*_same_shape(a, b)),
    "true_divide": lambda a, b: a / b,
    "xlogy": tf.math.xlogy,
    "xlog1py": tf.math.xlog1py,
    "logaddexp": lambda a, b: _log_sum(a, b, tf.exp, tf.math.log1p),
    "logaddexp2": lambda a, b: _log_sum(a, b, exp2, lambda x: tf.math.log1p(x) / math.log(2)),
    "hypot": lambda a, b: tf.sqrt(a * a + b * b),
    "copysign": lambda a, b: tf.where(_negative(b), -tf.abs(a), tf.abs(a)),
    "nextafter": tf.math.nextafter,
    "igamma": tf.math.igamma,
    "gammainc": tf.math.igamma,
    "igammac": tf.math.igammac,
    "gammaincc": tf.math.igammac,
    "ldexp": lambda a, b: a * exp2(b),
}

_COMPARISON: dict[str, Callable[[Any, Any], Any]] = {
    "eq": tf.equal, "ne": tf.not_equal, "not_equal": tf.not_equal,
    "lt": tf.less, "less": tf.less, "le": tf.less_equal, "less_equal": tf.less_equal,
    "gt": tf.greater, "greater": tf.greater, "ge": tf.greater_equal, "greater_equal": tf.greater_equal,
}  # fmt: skip

_NOT_OF_BOOLS = {"mul", "multiply", "maximum", "minimum", "fmax", "fmin", "heaviside", *_COMPARISON}

_LOGICAL: dict[str, Callable[[Any, Any], Any]] = {
    "logical_and": tf.logical_and,
    "logical_or": tf.logical_or,
    "logical_xor": tf.math.logical_xor,
}


def _operand(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    first = args[0] if args else kwargs.get("input", kwargs.get("self"))
    second = args[1] if len(args) > 1 else kwargs.get("other", kwargs.get("exponent"))
    return first, second


def _register(name: str, function: Callable[[Any, Any], Any], dtype_of: Callable[..., Any]) -> None:
    def binary(*args: Any, **kwargs: Any):
        dtype = dtype_of(*_operand(args, kwargs))

        def func(*args: Any, **kwargs: Any):
            a, b = _operand(args, kwargs)
            if name == "pow" and (dtype == tf.int64 or dtype in NARROW):
                return powered(cast(a, dtype), b)
            if dtype == tf.bool and name in _NOT_OF_BOOLS:  # TensorFlow has them for numbers only
                numbers = (cast(cast(each, dtype), tf.int32) for each in (a, b))
                result = function(*in_few_runs(*numbers))
                return result if result.dtype == tf.bool else cast(result, dtype)
            return function(*in_few_runs(cast(a, dtype), cast(b, dtype)))

        return func

    def into_first(*args: Any, **kwargs: Any):
        """In place the outcome takes the dtype of what it is written to: `x.eq_(y)` is no boolean."""
        function = binary(*args, **kwargs)
        own = _operand(args, kwargs)[0].dtype
        return lambda *args, **kwargs: cast(function(*args, **kwargs), tf_dtype(own))

    writing = [op for op in spellings(name) if _writes(op)]
    builtin(*(op for op in spellings(name) if op not in writing), *_operators(name), any_layout=True)(binary)
    if writing:
        builtin(*writing, any_layout=True)(into_first)


def _writes(op: Any) -> bool:
    return op.__name__.endswith("_") and not op.__name__.startswith("_")


# name -> the operators that are spelled otherwise
_OPERATORS = {"mul": ["__rmul__"], "remainder": ["__mod__", "__imod__"]}


def _operators(name: str) -> list[Any]:
    return [getattr(torch.Tensor, each) for each in _OPERATORS.get(name, ())]


for _name, _function in _BINARY.items():
    _register(_name, _function, result_dtype)
for _name, _function in _FLOAT_BINARY.items():
    _register(_name, _function, lambda *operands: floating(result_dtype(*operands)))
for _name, _function in _COMPARISON.items():
    _register(_name, _function, result_dtype)
for _name, _function in _LOGICAL.items():
    _register(_name, _function, lambda *_: tf.bool)


@builtin(*spellings("add"), torch.Tensor.__radd__, any_layout=True)
def add(self: Tensor, other, *, alpha=1):
    dtype = result_dtype(self, other)

    def func(self, other, *, alpha=1):
        if dtype == tf.bool:
            return tf.logical_or(cast(self, dtype), cast(other, dtype))
        added = cast(other, dtype) if alpha == 1 else cast(other, dtype) * cast(alpha, dtype)
        one, two = in_few_runs(cast(self, dtype), added)
        return one + two

    return func


@builtin(*spellings("sub"), *spellings("subtract"), any_layout=True)
def sub(self: Tensor, other, *, alpha=1):
    dtype = result_dtype(self, other)

    def func(self, other, *, alpha=1):
        taken = cast(other, dtype) if alpha == 1 else cast(other, dtype) * cast(alpha, dtype)
        one, two = in_few_runs(cast(self, dtype), taken)
        return one - two

    return func


@builtin(torch.rsub, torch.Tensor.__rsub__, any_layout=True)
def rsub(self: Tensor, other, *, alpha=1):
    dtype = result_dtype(self, other)

    def func(self, other, *, alpha=1):
        return cast(other, dtype) - (
            cast(self, dtype) if alpha == 1 else cast(self, dtype) * cast(alpha, dtype)
        )

    return func


def _divided(a, b, dtype, rounding_mode, in_32_bits=False):
    if rounding_mode is None:
        dtype = floating(dtype)
        return cast(a, dtype) / cast(b, dtype)
    a, b = cast(a, dtype), cast(b, dtype)
    if rounding_mode == "floor":
        return floor_divided(a, b, in_32_bits)
    if dtype.is_integer:
        return truncated(a, b, in_32_bits)
    quotient = a / b
    return tf.where(quotient < 0, tf.math.ceil(quotient), tf.floor(quotient))


@builtin(
    *spellings("div"),
    *spellings("divide"),
    torch.Tensor.__truediv__,
    torch.Tensor.__itruediv__,
    any_layout=True,
)
def div(self: Tensor, other, *, rounding_mode=None):
    dtype = result_dtype(self, other)
    small = rounding_mode is not None and in_32_bits(dtype, self, other)
    return lambda self, other, *, rounding_mode=None: _divided(self, other, dtype, rounding_mode, small)


@builtin(*spellings("floor_divide"), torch.Tensor.__floordiv__, torch.Tensor.__ifloordiv__, any_layout=True)
def floor_divide(self: Tensor, other):
    dtype = result_dtype(self, other)
    small = in_32_bits(dtype, self, other)
    return lambda self, other: _divided(self, other, dtype, "floor", small)


@builtin(torch.Tensor.__rdiv__, any_layout=True)
def rdiv(self: Tensor, other):
    dtype = result_dtype(self, other)
    return lambda self, other: _divided(other, self, dtype, None)


@builtin(torch.Tensor.__rfloordiv__, any_layout=True)
def rfloordiv(self: Tensor, other):
    dtype = result_dtype(self, other)
    small = in_32_bits(dtype, self, other)
    return lambda self, other: _divided(other, self, dtype, "floor", small)


@builtin(torch.Tensor.__rmod__, any_layout=True)
def rmod(self: Tensor, other):
    dtype = result_dtype(self, other)
    return lambda self, other: tf.math.floormod(cast(other, dtype), cast(self, dtype))


@builtin(torch.Tensor.__rpow__, any_layout=True)
def rpow(self: Tensor, other):
    dtype = result_dtype(self, other)
    return lambda self, other: tf.pow(cast(other, dtype), cast(self, dtype))


@builtin(torch.logical_not, torch.Tensor.logical_not, any_layout=True)
def logical_not(self: Tensor):
    return lambda self: tf.logical_not(cast(self, tf.bool))


@builtin(torch.Tensor.logical_not_, any_layout=True)
def logical_not_in_place(self: Tensor):
    return lambda self: cast(tf.logical_not(cast(self, tf.bool)), self.dtype)


def _has_values(call: Any) -> str | None:
    if call.other is None:
        return "with a condition alone, it is torch.nonzero"
    return None


@builtin(torch.where, torch.Tensor.where, any_layout=True, accepts=_has_values)
def where(condition: Tensor, input=None, other=None):
    """`torch.where(condition, a, b)`, and `a.where(condition, b)`."""
    method = condition.dtype is not torch.bool and isinstance(input, Tensor) and input.dtype is torch.bool
    dtype = result_dtype(condition if method else input, other)

    def func(condition, input, other):
        chosen, value = (input, condition) if method else (condition, input)
        return tf.where(cast(chosen, tf.bool), cast(value, dtype), cast(other, dtype))

    return func


@builtin(*spellings("masked_fill"), any_layout=True)
def masked_fill(self: Tensor, mask, value):
    return lambda self, mask, value: tf.where(mask, cast(value, self.dtype), self)


@builtin(*spellings("clamp"), *spellings("clip"), any_layout=True)
def clamp(self: Tensor, min=None, max=None):
    dtype = result_dtype(*(each for each in (self, min, max) if each is not None))
    six = not isinstance(min, Tensor) and not isinstance(max, Tensor) and (min, max) == (0, 6)

    def func(self, min=None, max=None):
        x = cast(self, dtype)
        if six:
            return tf.nn.relu6(x)
        x = x if min is None else tf.maximum(x, cast(min, dtype))
        return x if max is None else tf.minimum(x, cast(max, dtype))

    return func


@builtin(*spellings("clamp_min"), any_layout=True)
def clamp_min(self: Tensor, min):
    dtype = result_dtype(self, min)
    return lambda self, min: tf.maximum(cast(self, dtype), cast(min, dtype))


@builtin(*spellings("clamp_max"), any_layout=True)
def clamp_max(self: Tensor, max):
    dtype = result_dtype(self, max)
    return lambda self, max: tf.minimum(cast(self, dtype), cast(max, dtype))


@builtin(*spellings("addcmul"), any_layout=True)
def addcmul(input: Tensor, tensor1, tensor2, *, value=1):
    dtype = result_dtype(input, tensor1, tensor2)

    def func(input, tensor1, tensor2, *, value=1):
        product = cast(tensor1, dtype) * cast(tensor2, dtype)
        return cast(input, dtype) + (product if value == 1 else cast(value, dtype) * product)

    return func


@builtin(*spellings("addcdiv"), any_layout=True)
def addcdiv(input: Tensor, tensor1, tensor2, *, value=1):
    dtype = result_dtype(input, tensor1, tensor2)

    def func(input, tensor1, tensor2, *, value=1):
        quotient = cast(tensor1, dtype) / cast(tensor2, dtype)
        return cast(input, dtype) + (quotient if value == 1 else cast(value, dtype) * quotient)

    return func


@builtin(*spellings("lerp"), any_layout=True)
def lerp(input: Tensor, end, weight):
    return lambda input, end, weight: input + cast(weight, input.dtype) * (end - input)


@builtin(*spellings("float_power"), any_layout=True)
def float_power(self, exponent):
    """In double precision, as PyTorch computes it."""
    return lambda self, exponent: tf.pow(cast(self, tf.float64), cast(exponent, tf.float64))


@builtin(torch.isclose, torch.Tensor.isclose, any_layout=True)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False):
    dtype = result_dtype(input, other)

    def func(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
        a, b = cast(input, floating(dtype)), cast(other, floating(dtype))
        close = (a == b) | (
            tf.math.is_finite(a) & tf.math.is_finite(b) & (tf.abs(a - b) <= atol + rtol * tf.abs(b))
        )
        return close | (tf.math.is_nan(a) & tf.math.is_nan(b)) if equal_nan else close

    return func
