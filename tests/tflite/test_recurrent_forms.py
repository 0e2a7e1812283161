"""Recurrent layers in `.tflite` files: written out step by step where they are short enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

import nobuco
from nobuco import ChannelOrder
from nobuco.tflite import ExportedTFLite, export_tflite
from nobuco.tflite.compare import _run
from nobuco.validate.compare import relative_error
from tests.effort import slow
from tests.tflite.delegation import partitions_and_left

_PYTORCH: Any = {"inputs_channel_order": ChannelOrder.PYTORCH, "outputs_channel_order": ChannelOrder.PYTORCH}


def exported(module: nn.Module, arguments: list[Tensor], path: Path, **options: Any) -> ExportedTFLite:
    """The file of a module; with its outputs compared with PyTorch's."""
    module = module.eval()
    keras_model = nobuco.pytorch_to_keras(module, args=arguments, **_PYTORCH, **options)
    result = export_tflite(keras_model, path)
    _compare(module, arguments, result)
    return result


def _compare(module: nn.Module, arguments: list[Tensor], result: ExportedTFLite) -> None:
    with torch.no_grad():
        expected = [each.numpy() for each in _flat(module(*arguments))]
    got = _run(Interpreter(str(result.path)), [each.numpy() for each in arguments])
    for a, b in zip(expected, got, strict=True):
        assert relative_error(b, a) < 1e-5


def _flat(outputs: Any) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else [each for part in outputs for each in _flat(part)]


class _Given(nn.Module):
    """With initial states that the caller gives."""

    def __init__(self, inner: nn.LSTM) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor, hidden: Tensor, carry: Tensor) -> Any:
        return self.inner(x, (hidden, carry))


_KINDS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "LSTM": (lambda: nn.LSTM(6, 8, batch_first=True), (1, 4, 6)),
    "LSTM of a batch": (lambda: nn.LSTM(6, 8), (4, 3, 6)),
    "LSTM of one sequence, without biases": (lambda: nn.LSTM(6, 8, bias=False), (4, 6)),
    "LSTM of one step": (lambda: nn.LSTM(6, 8, batch_first=True), (3, 1, 6)),
    "LSTMs both ways": (lambda: nn.LSTM(6, 8, 2, bidirectional=True, batch_first=True), (2, 4, 6)),
    "LSTM with a projection": (lambda: nn.LSTM(6, 8, proj_size=5, batch_first=True), (1, 4, 6)),
    "GRU": (lambda: nn.GRU(6, 8, batch_first=True), (1, 4, 6)),
    "GRUs both ways": (lambda: nn.GRU(6, 8, 2, bidirectional=True), (4, 2, 6)),
    "GRU without biases": (lambda: nn.GRU(6, 8, bias=False, batch_first=True), (1, 4, 6)),
    "RNN": (lambda: nn.RNN(6, 8, batch_first=True), (1, 4, 6)),
    "RNN with relu": (lambda: nn.RNN(6, 8, nonlinearity="relu", bidirectional=True), (4, 2, 6)),
}


_QUICK = ("LSTMs both ways", "LSTM with a projection", "GRUs both ways", "RNN with relu")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in _QUICK else slow) for kind in _KINDS]
)
def test_one_partition_and_no_loop(kind: str, tmp_path: Path) -> None:
    make, shape = _KINDS[kind]
    torch.manual_seed(0)
    result = exported(make(), [torch.randn(shape)], tmp_path / "m.tflite")
    assert "WHILE" not in result.info.ops
    assert partitions_and_left(result) == (1, [])


def test_initial_states(tmp_path: Path) -> None:
    torch.manual_seed(0)
    states = [torch.randn(2, 3, 8), torch.randn(2, 3, 8)]
    lstm = nn.LSTM(6, 8, 2, batch_first=True)
    result = exported(_Given(lstm), [torch.randn(3, 5, 6), *states], tmp_path / "m.tflite")
    assert "WHILE" not in result.info.ops


def test_a_batch_of_unknown_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 6)
    gru = nn.GRU(6, 8, batch_first=True, bidirectional=True)
    result = exported(gru, [x], tmp_path / "m.tflite", input_shapes={x: (None, 5, 6)})
    assert "WHILE" not in result.info.ops
    for size in (1, 7):
        _compare(gru, [torch.randn(size, 5, 6)], result)


def test_long_ones_stay_loops(tmp_path: Path) -> None:
    count = 129
    torch.manual_seed(0)
    result = exported(nn.GRU(2, 3, batch_first=True), [torch.randn(1, count, 2)], tmp_path / "m.tflite")
    assert result.info.ops["WHILE"] == 1


def test_the_keras_model_stays_plain(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 7, 6)
    keras_model = nobuco.pytorch_to_keras(nn.LSTM(6, 8, batch_first=True).eval(), args=[x], **_PYTORCH)
    export_tflite(keras_model, tmp_path / "m.tflite")
    function = tf.function(keras_model).get_concrete_function(tf.TensorSpec((1, 7, 6)))
    assert any("While" in op.type for op in function.graph.get_operations())
