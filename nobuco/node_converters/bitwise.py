"""Bits of integers: and, or, xor, not, and shifts. TFLite has xor and the right shift, of 32 bits; the others are
products, quotients and sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.registry import builtin, spellings
from nobuco.node_converters._integers import NARROW, floor_divided, in_32_bits, inverted, shifted_left
from nobuco.node_converters._types import cast, result_dtype
from nobuco.node_converters.arithmetic import exp2

_OWN: dict[str, Callable[[Any, Any], Any]] = {
    "and": tf.bitwise.bitwise_and,
    "or": tf.bitwise.bitwise_or,
    "xor": tf.bitwise.bitwise_xor,
}
_OF_BOOLEANS: dict[str, Callable[[Any, Any], Any]] = {
    "and": tf.logical_and,
    "or": tf.logical_or,
    "xor": tf.math.logical_xor,
}
_IN_32_BITS: dict[str, Callable[[Any, Any], Any]] = {
    "and": lambda a, b: _and(a, b),
    "or": lambda a, b: tf.bitwise.bitwise_xor(a, b) + _and(a, b),
    "xor": tf.bitwise.bitwise_xor,
}


def _and(a: Any, b: Any) -> Any:
    """Of two sums of bits, what is in both is half of what the sum has beyond the difference (xor). The lowest bits go
    by themselves, so that no sum is too large."""
    half_a, half_b = (tf.bitwise.right_shift(x, tf.constant(1, tf.int32)) for x in (a, b))
    twice = half_a + half_b - tf.bitwise.bitwise_xor(half_a, half_b)
    return twice - twice % 2 + (a - 2 * half_a) * (b - 2 * half_b)


def _by_halves(name: str, a: Any, b: Any) -> Any:
    """Of 64 bits; a cast to 32 keeps the lower ones."""
    if a.dtype != tf.int64:
        return _OWN[name](a, b)
    whole = tf.constant(1 << 32, tf.int64)
    low = tf.cast(_IN_32_BITS[name](tf.cast(a, tf.int32), tf.cast(b, tf.int32)), tf.int64)
    upper = (tf.cast(floor_divided(each, whole), tf.int32) for each in (a, b))
    high = tf.cast(_IN_32_BITS[name](*upper), tf.int64)
    return high * whole + tf.where(low < 0, low + whole, low)


def _bitwise(name: str) -> None:
    def binary(self: Tensor, other):
        dtype = result_dtype(self, other)
        if dtype == tf.bool:
            return lambda self, other: _OF_BOOLEANS[name](cast(self, dtype), cast(other, dtype))
        if dtype == tf.int32 or dtype in NARROW or in_32_bits(dtype, self, other):
            return lambda self, other: cast(
                _IN_32_BITS[name](cast(cast(self, dtype), tf.int32), cast(cast(other, dtype), tf.int32)),
                dtype,
            )
        if name == "and" and isinstance(other, int) and other > 0 and other & (other + 1) == 0:
            return lambda self, other: tf.math.floormod(cast(self, dtype), tf.constant(other + 1, dtype))
        return lambda self, other: _by_halves(name, cast(self, dtype), cast(other, dtype))

    own = (getattr(torch.Tensor, each, None) for each in (f"__{name}__", f"__r{name}__", f"__i{name}__"))
    builtin(*spellings(f"bitwise_{name}"), *(op for op in own if op is not None), any_layout=True)(binary)


for _name in _OWN:
    _bitwise(_name)


def _shift(name: str, function: Callable[[Any, Any], Any]) -> None:
    def shift(self: Tensor, other):
        dtype = result_dtype(self, other)
        if isinstance(other, int) and dtype in NARROW and 0 <= other < 31:
            wide = _by_number(name, tf.int32, other, True)
            return lambda self, other: tf.cast(wide(cast(self, dtype), other), dtype)
        if isinstance(other, int) and dtype in (tf.int32, tf.int64) and 0 <= other < 8 * dtype.size - 1:
            small = name == "right" and other < 31 and in_32_bits(dtype, self)
            return _by_number(name, dtype, other, small)
        return lambda self, other: function(cast(self, dtype), cast(other, dtype))

    def reflected(self: Tensor, other):
        dtype = result_dtype(self, other)
        return lambda self, other: function(cast(other, dtype), cast(self, dtype))

    own = (getattr(torch.Tensor, each) for each in (f"__{name[0]}shift__", f"__i{name[0]}shift__"))
    builtin(*spellings(f"bitwise_{name}_shift"), *own, any_layout=True)(shift)
    builtin(getattr(torch.Tensor, f"__r{name[0]}shift__"), any_layout=True)(reflected)


def _by_number(name: str, dtype: Any, count: int, small: bool) -> Callable[..., Any]:
    if name == "left":
        return lambda self, other: shifted_left(cast(self, dtype), count)
    if dtype == tf.int32:
        return lambda self, other: tf.bitwise.right_shift(cast(self, dtype), cast(count, dtype))
    by = tf.constant(1 << count, dtype)
    return lambda self, other: floor_divided(cast(self, dtype), by, small)


def _left(a: Any, b: Any) -> Any:
    return tf.bitwise.left_shift(a, b) if a.dtype.is_integer else a * exp2(b)


def _right(a: Any, b: Any) -> Any:
    return tf.bitwise.right_shift(a, b) if a.dtype.is_integer else a / exp2(b)


_shift("left", _left)
_shift("right", _right)


@builtin(*spellings("bitwise_not"), torch.Tensor.__invert__, any_layout=True)
def bitwise_not(self: Tensor):
    return lambda self: tf.logical_not(self) if self.dtype == tf.bool else inverted(self)
