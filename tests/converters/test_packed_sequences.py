"""Packed sequences are refused where they are used, with the line and what to do instead."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import nobuco


class Packs(nn.Module):
    def __init__(self, inner: nn.RNNBase) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        packed = pack_padded_sequence(x, torch.tensor([5, 3]))
        return pad_packed_sequence(self.inner(packed)[0])[0]


def returns_it(x):
    return pack_padded_sequence(x * 2, torch.tensor([5, 3]))


@pytest.mark.parametrize(
    "model", [Packs(nn.GRU(4, 5)), Packs(nn.LSTM(4, 5)), Packs(nn.RNN(4, 5)), returns_it]
)
def test_it_is_refused(model):
    with pytest.raises(
        nobuco.TraceError, match=rf'{__file__}", line \d+: a packed sequence.*the padded batch'
    ):
        nobuco.pytorch_to_keras(model, [torch.randn(5, 2, 4)], verbose=False)
