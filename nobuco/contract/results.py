"""What built-in converters may return besides a function: Keras layers, to stand in the model as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import torch

from nobuco.contract.dtypes import to_numpy


@dataclass(frozen=True)
class WithWeights:
    """A Keras layer that is still to be built: its weights take their names from it when it is."""

    layer: keras.layers.Layer
    input_shape: tuple[int | None, ...]
    weights: tuple[torch.Tensor, ...]

    @property
    def key(self) -> Any:
        """Equal for layers that would be the same: of one kind, one configuration, and on the same parameters."""
        config = {name: value for name, value in self.layer.get_config().items() if name != "name"}
        memory = tuple((w.data_ptr(), tuple(w.shape), w.stride()) for w in self.weights)
        return type(self.layer).__name__, repr(config), self.input_shape, memory


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

    def build(self, name: Callable[[str], str], built: dict[Any, keras.layers.Layer]) -> None:
        """Gives the layers their names, which `name` makes from a suffix, then their weights.

        A layer that is in `built` already is used again: a module called on images of several sizes has its weights
        once."""
        for place, part in enumerate(self._parts):
            layer = self.layers[place]
            if isinstance(part, WithWeights) and part.key in built:
                self.layers[place] = built[part.key]
                continue
            layer.name = name("" if isinstance(part, WithWeights) else type(layer).__name__.lower())
            if isinstance(part, WithWeights):
                built[part.key] = layer
                layer.build(part.input_shape)
                layer.set_weights([to_numpy(_in_a_row(weight)) for weight in part.weights])
                parameters = [weight for weight in part.weights if isinstance(weight, torch.nn.Parameter)]
                layer.trainable = not parameters or any(weight.requires_grad for weight in parameters)

    def __call__(self, tensors: Sequence[Any]) -> Any:
        out: Any = tensors[0] if len(tensors) == 1 else list(tensors)
        for layer in self.layers:
            out = layer(out)
        return out


def _in_a_row(weight: torch.Tensor) -> torch.Tensor:
    """A matrix turned, as it lies in memory then: TensorFlow's own copy of it takes four times as long."""
    return weight.contiguous() if weight.dim() == 2 else weight
