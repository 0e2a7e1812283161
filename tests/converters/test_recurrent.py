"""LSTM, GRU and RNN: as PyTorch's, also after saving and loading, and in TFLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import nobuco
from nobuco import ChannelOrder
from nobuco.tflite import export_tflite


def _states(layers: int, batch: tuple[int, ...], *sizes: int) -> Any:
    states = tuple(torch.randn(layers, *batch, size) for size in sizes)
    return states if len(states) > 1 else states[0]


# Seeded here, so that the cases' weights are the same whatever other file was collected before.
torch.manual_seed(0)
# Sums of products in another order, step after step: some roundings more than one operation's.
_ROUNDING = 1e-5

_BATCH = (2, 5, 4)
_CASES: dict[str, tuple[nn.Module, tuple[int, ...], Any]] = {
    "lstm": (nn.LSTM(4, 3), _BATCH, None),
    "lstm, batch first": (nn.LSTM(4, 3, batch_first=True), _BATCH, None),
    "lstm, both ways, two layers, states": (
        nn.LSTM(4, 3, 2, bidirectional=True),
        _BATCH,
        _states(4, (5,), 3, 3),
    ),
    "lstm, projected, no bias": (nn.LSTM(4, 5, 2, bias=False, proj_size=3), _BATCH, _states(2, (5,), 3, 5)),
    "lstm, without batch": (nn.LSTM(4, 3), _BATCH[1:], _states(1, (), 3, 3)),
    "gru": (nn.GRU(4, 3, batch_first=True), _BATCH, None),
    "gru, both ways, states": (
        nn.GRU(4, 3, 2, batch_first=True, bidirectional=True),
        _BATCH,
        _states(4, (2,), 3),
    ),
    "gru, no bias": (nn.GRU(4, 3, bias=False), _BATCH, None),
    "rnn": (nn.RNN(4, 3, bidirectional=True), _BATCH, None),
    "rnn, relu, without batch": (nn.RNN(4, 3, 2, nonlinearity="relu"), _BATCH[1:], None),
}


def _convert(module: nn.Module, *args: Any) -> keras.Model:
    order = ChannelOrder.PYTORCH
    return nobuco.pytorch_to_keras(
        module.eval(),
        args,
        inputs_channel_order=order,
        outputs_channel_order=order,
        verbose=False,
        strict=True,
    )


@pytest.mark.parametrize("name", _CASES)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_equal_also_when_loaded(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, size, states = _CASES[name]
    args = (torch.randn(size),) if states is None else (torch.randn(size), states)
    model = _convert(module, *args)
    assert model.report.max_error < _ROUNDING
    assert model.report.transposes == 0
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    given = [tensor.numpy() for tensor in pytree.tree_leaves(args)]
    given = given if len(given) > 1 else given[0]
    for before, after in zip(
        pytree.tree_leaves(model(given)), pytree.tree_leaves(loaded(given)), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_one_state_for_both() -> None:
    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(4, 3)

        def forward(self, x: Tensor, state: Tensor) -> Tensor:
            return self.lstm(x, (state, state))[0]

    assert _convert(Same(), torch.randn(2, 5, 4), torch.randn(1, 5, 3)).report.max_error < _ROUNDING


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_exported(kind: Any, tmp_path: Path) -> None:
    exported = export_tflite(
        _convert(kind(4, 3, batch_first=True), torch.randn(1, 5, 4)), tmp_path / "model.tflite"
    )
    assert not exported.info.flex_ops


def test_dropout_between_layers_is_refused() -> None:
    module = nn.LSTM(4, 3, 2, dropout=0.5)
    module.train()
    with pytest.raises(nobuco.NobucoError, match="training mode"):
        nobuco.pytorch_to_keras(module, [torch.randn(2, 5, 4)], verbose=False)
