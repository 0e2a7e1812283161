"""What built-in converters may return besides a function: Keras layers, to stand in the model as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import torch

from nobuco.build.dtypes import to_numpy


@dataclass(frozen=True)
class WithWeights:
    """A Keras layer that is still to be built: its weights take their names from it when it is."""

    layer: keras.layers.Layer
    input_shape: tuple[int | None, ...]
    weights: tuple[torch.Tensor, ...]


def with_weights(
    layer: keras.layers.Layer, input_shape: tuple[int | None, ...], *weights: torch.Tensor
) -> WithWeights:
    """A Keras layer for inputs of `input_shape` (batch included), and its weights in Keras' order."""
    return WithWeights(layer, input_shape, weights)


class LayerChain:
    """Keras layers called one after another on the call's graph tensors (weights are inside the layers already)."""

    def __init__(self, *parts: keras.layers.Layer | WithWeights) -> None:
        self._parts = parts
        self.layers = [part.layer if isinstance(part, WithWeights) else part for part in parts]

    def build(self, name: Callable[[str], str]) -> None:
        """Gives the layers their names, which `name` makes from a suffix, then their weights."""
        for part, layer in zip(self._parts, self.layers, strict=True):
            layer.name = name("" if isinstance(part, WithWeights) else type(layer).__name__.lower())
            if isinstance(part, WithWeights):
                layer.build(part.input_shape)
                layer.set_weights([to_numpy(weight) for weight in part.weights])
                parameters = [weight for weight in part.weights if isinstance(weight, torch.nn.Parameter)]
                layer.trainable = not parameters or any(weight.requires_grad for weight in parameters)

    def __call__(self, tensors: Sequence[Any]) -> Any:
        out: Any = tensors[0] if len(tensors) == 1 else list(tensors)
        for layer in self.layers:
            out = layer(out)
        return out
