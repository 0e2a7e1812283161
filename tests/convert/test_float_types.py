"""Models in another float type than float32: Keras layers compute in it as well, between functions that do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import nobuco
from nobuco import ChannelOrder
from nobuco.tflite import TFLiteExportError, export_tflite


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.GRU(4, 4, batch_first=True), nn.LSTM(4, 4), nn.RNN(4, 4)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x, _ = layer(x)
        return x * 2


MODELS = {
    "a linear layer": (lambda: nn.Linear(4, 3), (2, 4)),
    "an activation": (nn.ReLU, (2, 4)),
    "layers and functions": (lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.LayerNorm(4)), (2, 4)),
    "convolutions": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.GroupNorm(2, 4)),
        (1, 2, 8, 8),
    ),
    "recurrent layers": (_Recurrent, (2, 3, 4)),
}
TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}


def _converted(name: str, dtype: torch.dtype) -> tuple[nn.Module, torch.Tensor, Any]:
    torch.manual_seed(0)
    make, shape = MODELS[name]
    model, x = make().eval().to(dtype), torch.randn(shape).to(dtype)
    order = ChannelOrder.PYTORCH
    tolerance = 1e-4 if dtype == torch.float64 else 0.05
    converted = nobuco.pytorch_to_keras(
        model, [x], inputs_channel_order=order, outputs_channel_order=order, validation_tolerance=tolerance,
        strict=True, verbose=False,
    )  # fmt: skip
    return model, x, converted


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", MODELS)
def test_layers_compute_in_it(name: str, dtype: str) -> None:
    before = keras.config.dtype_policy().name
    _, _, converted = _converted(name, TYPES[dtype])
    assert [each.dtype for each in converted.outputs] == [dtype]
    assert keras.config.dtype_policy().name == before


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:.*float64")
def test_a_file_of_float64(name: str, tmp_path: Path) -> None:
    model, x, converted = _converted(name, torch.float64)
    path = tmp_path / "m.tflite"
    export_tflite(converted, path)
    run: Any = Interpreter(str(path)).get_signature_runner()
    (given,) = run.get_input_details()
    other = torch.randn(x.shape, dtype=x.dtype)
    (found,) = run(**{given: other.numpy()}).values()
    np.testing.assert_allclose(found, model(other).detach(), rtol=1e-4, atol=1e-5)


def test_a_half_layer_is_named(tmp_path: Path) -> None:
    _, _, converted = _converted("layers and functions", torch.float16)
    with pytest.raises(TFLiteExportError, match=r"computes in float16.*F\.linear.*model\.float\(\)"):
        export_tflite(converted, tmp_path / "m.tflite")
