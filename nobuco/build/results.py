"""What built-in converters may return besides a function: Keras layers, to stand in the model as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import torch

from nobuco.build.dtypes import to_numpy


class LayerChain:
    """Keras layers called one after another on the call's graph tensors (weights are inside the layers already)."""

    def __init__(self, *layers: keras.layers.Layer) -> None:
        self.layers = layers

    def __call__(self, tensors: Sequence[Any]) -> Any:
        out: Any = tensors[0] if len(tensors) == 1 else list(tensors)
        for layer in self.layers:
            out = layer(out)
        return out


def with_weights(
    layer: keras.layers.Layer, input_shape: tuple[int | None, ...], *weights: torch.Tensor
) -> keras.layers.Layer:
    """Builds a Keras layer for inputs of `input_shape` (batch included) and gives it its weights, in Keras' order."""
    layer.build(input_shape)
    layer.set_weights([to_numpy(weight) for weight in weights])
    return layer
