"""State carried from call to call: a GRU hears an endless signal in chunks, its hidden state goes in and comes out."""

import tempfile
from pathlib import Path

import torch
from torch import nn

import nobuco
from examples.checking import run_tflite, same
from nobuco import ChannelOrder


class Listener(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 16, num_layers=2, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, chunk, state):
        heard, state = self.gru(chunk, state)
        return self.head(heard), state


torch.manual_seed(0)
module = Listener().eval()
signal = torch.normal(0, 1, size=(1, 60, 8))
state = torch.zeros(2, 1, 16)
at_once, last_state = (each.detach() for each in module(signal, state))

keras_model = nobuco.pytorch_to_keras(
    module,
    args=[signal[:, :20], state],
    inputs_channel_order=ChannelOrder.PYTORCH,
    outputs_channel_order=ChannelOrder.PYTORCH,
)
with tempfile.TemporaryDirectory() as folder:
    file = nobuco.export_tflite(keras_model, Path(folder) / "listener.tflite")
    carried = state.numpy()
    for begin in range(0, 60, 20):
        chunk = signal[:, begin : begin + 20].numpy()
        output, carried = run_tflite(file.path, [chunk, carried])
        same(f"steps {begin} to {begin + 20}", output, at_once[:, begin : begin + 20])
    same("the state at the end", carried, last_state)
