"""The short way to TFLite's converter gives what the long one does."""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from tensorflow.lite.python.convert import deduplicate_readonly_buffers
from torch import nn

import nobuco
from nobuco.tflite import conversion, stand_ins
from nobuco.tflite.block_outputs import with_own_outputs
from nobuco.tflite.repeats import without_repeats
from nobuco.tflite.signature import TracedModel, trace_model
from nobuco.tflite.stand_ins import StandIn


class _Loop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while x.abs().sum() < 40:
            x = x + self.step(x).abs()
        return x if x.mean() > 0 else -x


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 8, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0]


def _convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Hardswish(), nn.Flatten(), nn.Linear(8, 4))


class _Layers(nn.Module):
    """Large layers of all kinds, with what TFLite's converter draws into their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 160, 3), nn.BatchNorm2d(160), nn.ReLU())
        self.middle = nn.Sequential(nn.Conv2d(160, 160, 5, bias=False), nn.BatchNorm2d(160), nn.SiLU())
        self.depthwise = nn.Conv2d(160, 160, 11, groups=160)
        self.attention = nn.MultiheadAttention(160, 4, batch_first=True)
        self.linear = nn.Linear(160, 1600)
        self.scale = nn.Parameter(torch.rand(1600))
        self.head = nn.Linear(1600, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.depthwise(self.middle(self.stem(x))).relu().flatten(2).mT
        x = self.attention(x, x, x)[0]
        return self.head((self.linear(x) * self.scale).relu() * 0.5)


class _Added(nn.Module):
    """A constant is added to what a layer takes, and TFLite's converter computes a bias from the layer's weights."""

    def __init__(self, added: float | None = None) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1500, 1500), nn.Linear(1500, 1000)
        self.added = added

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.second(x if self.added is None else x.relu() + self.added)


class _Scaled(nn.Module):
    """By so much that a number of a stand-in becomes infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1500, 1500)
        self.register_buffer("scale", torch.rand(1500) * 1e8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.scale


MODELS = {
    "convolutions": (_convolutions, (1, 3, 3, 3)),
    "a loop and a branch": (_Loop, (2, 6)),
    "recurrent": (_Recurrent, (1, 5, 6)),
    "large": (lambda: nn.Sequential(nn.Linear(1500, 1500), nn.ReLU(), nn.Linear(1500, 3)), (1, 1500)),
    "large, layers of all kinds": (_Layers, (1, 3, 20, 20)),
    "large, with a constant added": (_Added, (1, 1500)),
    "large, with next to nothing added": (lambda: _Added(1e-18), (1, 1500)),
    "large, scaled up": (_Scaled, (1, 1500)),
}


def _traced(name: str) -> TracedModel:
    torch.manual_seed(0)
    make, shape = MODELS[name]
    return trace_model(nobuco.pytorch_to_keras(make().eval(), args=[torch.rand(shape)], verbose=False))


def _public_way(model: TracedModel, allow_flex: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        conversion._save(model, folder)
        converter: Any = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.exclude_conversion_metadata = True
        converter.canonicalizing_inf_as_min_max_float = False
        if allow_flex:
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS,
                tf.lite.OpsSet.SELECT_TF_OPS,
            ]
        return converter.convert()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("allow_flex", [False, True])
def test_the_file_is_the_one_that_the_public_converter_makes(name: str, allow_flex: bool) -> None:
    model = _traced(name)
    ours = deduplicate_readonly_buffers(_names_apart(conversion.converted(model, allow_flex)))
    theirs = with_own_outputs(_public_way(model, allow_flex))
    assert ours == deduplicate_readonly_buffers(_names_apart(theirs))


def _names_apart(data: bytes | bytearray) -> bytes:
    """Outputs are named after the call of a function that reads variables, or of one that does not; an export names them
    anew."""
    model: Any = flatbuffer_utils.read_model_from_bytearray(data)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.name = tensor.name.replace(b"StatefulPartitionedCall", b"PartitionedCall")
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


@pytest.mark.parametrize(
    ("name", "count"),
    [("large", 1), ("large, layers of all kinds", 5), ("large, with a constant added", 1), ("recurrent", 0)],
)
def test_large_weights_are_kept_from_the_converter(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def put_back(data: bytearray, weights: Sequence[StandIn]) -> bool:
        given.extend(weights)
        assert stand_ins.put_back(data, weights)
        return True

    monkeypatch.setattr(conversion, "put_back", put_back)
    conversion.converted(_traced(name), False)
    assert len(given) == count


@pytest.mark.parametrize(
    "name", ["large, with a constant added", "large, with next to nothing added", "large, scaled up"]
)
def test_a_model_is_converted_with_its_weights_where_the_converter_computes_with_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_ins, "_DRAWN_IN", ())  # it is not foreseen
    found = []

    def put_back(data: bytearray, weights: Sequence[StandIn]) -> bool:
        found.append(stand_ins.put_back(data, weights))
        return found[-1]

    monkeypatch.setattr(conversion, "put_back", put_back)
    model = _traced(name)
    ours = conversion.converted(model, False)
    assert found == [False]
    monkeypatch.undo()
    assert ours == conversion.converted(model, False)


def _file(*constants: np.ndarray) -> bytes:
    """Of a function that adds them all to its input."""

    @tf.function(input_signature=[tf.TensorSpec([1])], autograph=False)
    def call(x: tf.Tensor) -> list[tf.Tensor]:
        return [x + tf.constant(each) for each in constants]

    function = call.get_concrete_function()
    outputs = tuple(f"y{number}" for number in range(len(constants)))
    model = TracedModel(function, function, (), (), (), ("x",), ("x",), (tf.TensorSpec([1]),), outputs)
    with tempfile.TemporaryDirectory() as folder:
        conversion._save(model, folder)
        return conversion._of_saved(folder, False)


def test_equal_constants_stand_in_a_file_once() -> None:
    a, b = np.random.default_rng(0).random((2, 200, 200), np.float32)
    data = _file(a, b, a.reshape(100, 400))
    assert len(data) > 3 * a.nbytes
    found = without_repeats(data)
    assert 2 * a.nbytes < len(found) < 2.1 * a.nbytes
    interpreter = Interpreter(model_content=found)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ones(1, np.float32))
    interpreter.invoke()
    got = [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]
    for wanted in (a, b, a.reshape(100, 400)):
        assert any(np.array_equal(each, wanted + 1) for each in got)


def test_a_file_without_repeats_stays_as_it_is() -> None:
    a, b = np.random.default_rng(0).random((2, 200, 200), np.float32)
    b[:50] = a[:50]  # alike at first
    data = _file(a, b)
    assert without_repeats(data) is data
