"""A weight as a tensor of the graph."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch


@keras.saving.register_keras_serializable("nobuco")
class WeightLayer(keras.layers.Layer):
    """Yields its one weight, whatever it is called with.

    `WeightLayer.create(array)` makes one from a NumPy array or a PyTorch tensor; call it with any tensor of the graph
    (or with none, inside another layer)."""

    def __init__(
        self, shape: tuple[int, ...], weight_dtype: str = "float32", trainable: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(trainable=trainable, autocast=False, **kwargs)
        self.weight = self.add_weight(
            shape=tuple(shape), dtype=weight_dtype, initializer="zeros", trainable=trainable, name="weight"
        )
        self.built = True

    @classmethod
    def create(cls, weight: np.ndarray | torch.Tensor, trainable: bool = True, **kwargs: Any) -> WeightLayer:
        if isinstance(weight, torch.Tensor):
            trainable = trainable and weight.is_floating_point()
            weight = weight.detach().numpy()
        layer = cls(weight.shape, str(weight.dtype), trainable and weight.dtype.kind == "f", **kwargs)
        layer.weight.assign(weight)
        return layer

    def call(self, inputs: Any = None) -> Any:
        return keras.ops.convert_to_tensor(self.weight)

    def compute_output_spec(self, inputs: Any = None) -> Any:
        return keras.KerasTensor(self.weight.shape, dtype=self.weight.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "shape": list(self.weight.shape),
            "weight_dtype": self.weight.dtype,
            "trainable": self.trainable,
        }
