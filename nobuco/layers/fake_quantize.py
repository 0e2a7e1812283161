"""Fake quantisation: numbers rounded to those that integers with a scale stand for, as in quantisation-aware training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

_scales_marked: ContextVar[bool] = ContextVar("scales_marked", default=False)


@contextmanager
def scales_marked() -> Iterator[None]:
    """Within, a layer with one scale is traced as the op that TFLite's converter makes a pair of QUANTIZE and DEQUANTIZE of,
    with its scale; what lies between two steps may be rounded to the other there."""
    token = _scales_marked.set(True)
    try:
        yield
    finally:
        _scales_marked.reset(token)


@keras.saving.register_keras_serializable("nobuco")
class FakeQuantize(keras.layers.Layer):
    """``(clip(round(x / scale) + zero_point, low, high) - zero_point) * scale``, of each channel along `axis`, or of all.

    Halves are rounded to even numbers, as PyTorch does."""

    def __init__(
        self,
        scales: Sequence[float],
        zero_points: Sequence[int],
        low: int,
        high: int,
        axis: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scales, self.zero_points = list(map(float, scales)), list(map(float, zero_points))
        self.low, self.high, self.axis = int(low), int(high), axis

    def call(self, inputs: Any) -> Any:
        if self.axis is None and _scales_marked.get():
            return self._marked(inputs)
        return self._numbers(self._integers(inputs))

    def _integers(self, inputs: Any) -> Any:
        scale, zero_point = self._along(inputs)
        return tf.clip_by_value(tf.round(inputs * self._inverse(scale)) + zero_point, self.low, self.high)

    def _inverse(self, scale: Any) -> Any:
        return 1 / scale

    def _numbers(self, integers: Any) -> Any:
        scale, zero_point = self._along(integers)
        return (integers - zero_point) * scale

    def _along(self, inputs: Any) -> tuple[Any, Any]:
        shape = [1] * inputs.shape.rank
        if self.axis is not None:
            shape[self.axis] = -1
        scale, zero_point = (
            tf.reshape(tf.constant(each, inputs.dtype), shape) for each in (self.scales, self.zero_points)
        )
        return scale, zero_point

    def _marked(self, inputs: Any) -> Any:
        (scale,), (zero_point,) = self.scales, self.zero_points
        # integers of fewer bits keep their step and their upper end, so that what a ReLU makes is the same
        ends = [(end - zero_point) * scale for end in (self.high - 255, self.high)]
        return tf.quantization.fake_quant_with_min_max_args(inputs, *ends, num_bits=8)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scales": self.scales,
            "zero_points": self.zero_points,
            "low": self.low,
            "high": self.high,
            "axis": self.axis,
        }


@keras.saving.register_keras_serializable("nobuco")
class Quantize(FakeQuantize):
    """The integers alone, of one scale. Where scales are marked they are left to `Dequantize`, so that the pair is one
    mark."""

    def __init__(
        self,
        scales: Sequence[float],
        zero_points: Sequence[int],
        low: int,
        high: int,
        integers: str = "int8",
        **kwargs: Any,
    ) -> None:
        super().__init__(scales, zero_points, low, high, **kwargs)
        self.integers = integers

    def _inverse(self, scale: Any) -> Any:
        return tf.constant(1 / self.scales[0], scale.dtype)  # PyTorch divides in float64 here

    def call(self, inputs: Any) -> Any:
        return inputs if _scales_marked.get() else tf.cast(self._integers(inputs), self.integers)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, self.integers)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "integers": self.integers}
        del config["axis"]
        return config


@keras.saving.register_keras_serializable("nobuco")
class Dequantize(FakeQuantize):
    """The numbers that integers of one scale stand for."""

    def call(self, inputs: Any) -> Any:
        if _scales_marked.get() and inputs.dtype.is_floating:
            return self._marked(inputs)
        return self._numbers(tf.cast(inputs, tf.float32))

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, "float32")
