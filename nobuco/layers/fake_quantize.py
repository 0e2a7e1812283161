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
            (scale,), (zero_point,) = self.scales, self.zero_points
            # integers of fewer bits keep their step and their upper end, so that what a ReLU makes is the same
            ends = [(end - zero_point) * scale for end in (self.high - 255, self.high)]
            return tf.quantization.fake_quant_with_min_max_args(inputs, *ends, num_bits=8)
        shape = [1] * inputs.shape.rank
        if self.axis is not None:
            shape[self.axis] = -1
        scale, zero_point = (
            tf.reshape(tf.constant(each, inputs.dtype), shape) for each in (self.scales, self.zero_points)
        )
        whole = tf.clip_by_value(tf.round(inputs * (1 / scale)) + zero_point, self.low, self.high)
        return (whole - zero_point) * scale

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
