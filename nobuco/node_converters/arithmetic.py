"""Arithmetic and comparison, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.node_converters._types import cast, floating, result_dtype
from nobuco.node_converters.registry import builtin, spellings

# name -> the TensorFlow function of two tensors of one dtype
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "mul": lambda a, b: a * b,
    "multiply": lambda a, b: a * b,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "fmod": tf.truncatemod,
    "remainder": tf.math.floormod,
    "pow": tf.pow,
}

# as above, for floats: integers are converted first
_FLOAT_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "atan2": tf.atan2,
    "arctan2": tf.atan2,
    "true_divide": lambda a, b: a / b,
    "xlogy": tf.math.xlogy,
}

_COMPARISON: dict[str, Callable[[Any, Any], Any]] = {
    "eq": tf.equal, "ne": tf.not_equal, "not_equal": tf.not_equal,
    "lt": tf.less, "less": tf.less, "le": tf.less_equal, "less_equal": tf.less_equal,
    "gt": tf.greater, "greater": tf.greater, "ge": tf.greater_equal, "greater_equal": tf.greater_equal,
}  # fmt: skip

_LOGICAL: dict[str, Callable[[Any, Any], Any]] = {
    "logical_and": tf.logical_and,
    "logical_or": tf.logical_or,
    "logical_xor": tf.math.logical_xor,
}

_BITWISE: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "and": (tf.bitwise.bitwise_and, tf.logical_and),
    "or": (tf.bitwise.bitwise_or, tf.logical_or),
    "xor": (tf.bitwise.bitwise_xor, tf.math.logical_xor),
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
            return function(cast(a, dtype), cast(b, dtype))

        return func

    builtin(*spellings(name), any_layout=True)(binary)


for _name, _function in _BINARY.items():
    _register(_name, _function, result_dtype)
for _name, _function in _FLOAT_BINARY.items():
    _register(_name, _function, lambda *operands: floating(result_dtype(*operands)))
for _name, _function in _COMPARISON.items():
    _register(_name, _function, result_dtype)
for _name, _function in _LOGICAL.items():
    _register(_name, _function, lambda *_: tf.bool)


@builtin(*spellings("add"), any_layout=True)
def add(self: Tensor, other, *, alpha=1, out=None):
    dtype = result_dtype(self, other)

    def func(self, other, *, alpha=1, out=None):
        if dtype == tf.bool:
            return tf.logical_or(cast(self, dtype), cast(other, dtype))
        return cast(self, dtype) + (cast(other, dtype) if alpha == 1 else cast(other, dtype) * cast(alpha, dtype))

    return func


@builtin(*spellings("sub"), *spellings("subtract"), any_layout=True)
def sub(self: Tensor, other, *, alpha=1, out=None):
    dtype = result_dtype(self, other)

    def func(self, other, *, alpha=1, out=None):
        return cast(self, dtype) - (cast(other, dtype) if alpha == 1 else cast(other, dtype) * cast(alpha, dtype))

    return func


@builtin(torch.rsub, torch.Tensor.__rsub__, any_layout=True)
def rsub(self: Tensor, other, *, alpha=1):
    dtype = result_dtype(self, other)

    def func(self, other, *, alpha=1):
        return cast(other, dtype) - (cast(self, dtype) if alpha == 1 else cast(self, dtype) * cast(alpha, dtype))

    return func


def _divided(a, b, dtype, rounding_mode):
    if rounding_mode is None:
        dtype = floating(dtype)
        return cast(a, dtype) / cast(b, dtype)
    a, b = cast(a, dtype), cast(b, dtype)
    if rounding_mode == "floor":
        return tf.math.floordiv(a, b)
    return tf.truncatediv(a, b) if dtype.is_integer else tf.cast(tf.where(a / b < 0, tf.math.ceil(a / b), tf.floor(a / b)), dtype)


@builtin(*spellings("div"), *spellings("divide"), any_layout=True)
def div(self: Tensor, other, *, rounding_mode=None, out=None):
    dtype = result_dtype(self, other)
    return lambda self, other, *, rounding_mode=None, out=None: _divided(self, other, dtype, rounding_mode)


@builtin(*spellings("floor_divide"), torch.Tensor.__floordiv__, any_layout=True)
def floor_divide(self: Tensor, other, out=None):
    dtype = result_dtype(self, other)
    return lambda self, other, out=None: _divided(self, other, dtype, "floor")


@builtin(torch.Tensor.__rdiv__, any_layout=True)
def rdiv(self: Tensor, other):
    dtype = result_dtype(self, other)
    return lambda self, other: _divided(other, self, dtype, None)


@builtin(torch.Tensor.__rfloordiv__, any_layout=True)
def rfloordiv(self: Tensor, other):
    dtype = result_dtype(self, other)
    return lambda self, other: _divided(other, self, dtype, "floor")


@builtin(torch.Tensor.__rpow__, any_layout=True)
def rpow(self: Tensor, other):
    dtype = result_dtype(self, other)
    return lambda self, other: tf.pow(cast(other, dtype), cast(self, dtype))


def _bitwise(name: str, integer: Callable[[Any, Any], Any], boolean: Callable[[Any, Any], Any]) -> None:
    def binary(self: Tensor, other):
        dtype = result_dtype(self, other)
        function = boolean if dtype == tf.bool else integer
        return lambda self, other: function(cast(self, dtype), cast(other, dtype))

    builtin(*spellings(f"bitwise_{name}"), *_reflected(name), any_layout=True)(binary)


def _reflected(name: str) -> tuple[Any, ...]:
    own = (getattr(torch.Tensor, each, None) for each in (f"__{name}__", f"__r{name}__", f"__i{name}__"))
    return tuple(op for op in own if op is not None)


for _name, (_integer, _boolean) in _BITWISE.items():
    _bitwise(_name, _integer, _boolean)


@builtin(*spellings("bitwise_not"), torch.Tensor.__invert__, any_layout=True)
def bitwise_not(self: Tensor, out=None):
    return lambda self, out=None: tf.logical_not(self) if self.dtype == tf.bool else tf.bitwise.invert(self)


@builtin(*spellings("logical_not"), any_layout=True)
def logical_not(self: Tensor, out=None):
    return lambda self, out=None: tf.logical_not(cast(self, tf.bool))


@builtin(torch.where, torch.Tensor.where, any_layout=True)
def where(condition: Tensor, input=None, other=None):
    """`torch.where(condition, a, b)`, and `a.where(condition, b)`."""
    if other is None:
        raise ValueError("torch.where with a condition alone has an output whose shape depends on the values")
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
def clamp(self: Tensor, min=None, max=None, *, out=None):
    dtype = result_dtype(*(each for each in (self, min, max) if each is not None))

    def func(self, min=None, max=None, *, out=None):
        x = cast(self, dtype)
        if min == 0 and max == 6:
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
def addcmul(input: Tensor, tensor1, tensor2, *, value=1, out=None):
    return lambda input, tensor1, tensor2, *, value=1, out=None: input + value * tensor1 * tensor2


@builtin(*spellings("addcdiv"), any_layout=True)
def addcdiv(input: Tensor, tensor1, tensor2, *, value=1, out=None):
    return lambda input, tensor1, tensor2, *, value=1, out=None: input + value * tensor1 / tensor2


@builtin(*spellings("lerp"), any_layout=True)
def lerp(input: Tensor, end, weight, *, out=None):
    return lambda input, end, weight, *, out=None: input + weight * (end - input)
