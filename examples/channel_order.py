"""A GRU, whose tensors have no channels, feeds two convolutions: one transpose, not two."""

# ruff: noqa: RUF059 - the modules are as people write them

import tempfile
from pathlib import Path

import torch
from torch import nn

import nobuco
from examples.checking import run_tflite, same, true
from nobuco import ChannelOrder


class MyModule(nn.Module):
    forced = False

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(32, 128, num_layers=1, batch_first=True, bidirectional=False)
        self.conv1 = nn.Conv1d(12, 40, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(12, 60, kernel_size=1, padding=0)

    def forward(self, x):
        x, hx = self.gru(x)
        if self.forced:
            x = nobuco.force_tensorflow_order(x)
        x1 = self.conv1(x)
        x2 = self.conv2(x)
        return x1, x2


torch.manual_seed(0)
pytorch_module = MyModule().eval()
inputs = [
    torch.normal(0, 1, size=(1, 12, 32)),
]

for forced in (False, True):
    pytorch_module.forced = forced
    keras_model = nobuco.pytorch_to_keras(
        pytorch_module,
        inputs,
        inputs_channel_order=ChannelOrder.PYTORCH,
        outputs_channel_order=ChannelOrder.TENSORFLOW,
    )
    how = "order forced" if forced else "order left to the planner"
    expected = [each.detach().movedim(1, -1) for each in pytorch_module(*inputs)]
    for actual, wanted in zip(keras_model(inputs[0].numpy()), expected, strict=True):
        same(how, actual, wanted)
    true(f"{how}: one transpose", keras_model.report.transposes == 1)

    with tempfile.TemporaryDirectory() as folder:
        file = nobuco.export_tflite(keras_model, Path(folder) / "model.tflite")
        for actual, wanted in zip(run_tflite(file.path, [inputs[0].numpy()]), expected, strict=True):
            same(f"{how}, as .tflite", actual, wanted)
