"""A layer on the windows of a picture: what GPU delegates take of its file, and of one exported for them."""

import tempfile
from pathlib import Path

import torch
from torch import nn

import nobuco
from examples.checking import channel_last, run_tflite, same, true


class Windows(nn.Module):
    """Each window of 4 x 4 places is mixed for itself."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(8, 8)

    def forward(self, x):
        batch, channels, height, width = x.shape
        x = x.permute(0, 2, 3, 1).view(batch, height // 4, 4, width // 4, 4, channels)
        x = self.mix(x.permute(0, 1, 3, 2, 4, 5))
        return x.permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


torch.manual_seed(0)
pytorch_module = Windows().eval()
inputs = [torch.randn(1, 8, 16, 16)]
keras_model = nobuco.pytorch_to_keras(pytorch_module, inputs)

with tempfile.TemporaryDirectory() as folder:
    for target in ("cpu", "gpu"):
        file = nobuco.export_tflite(keras_model, Path(folder) / f"{target}.tflite", target=target)
        for check in nobuco.check_delegates(file, keras_model):
            print(check)
            if target == "gpu":
                true("taken whole, and right", check.whole and check.right)
        (actual,) = run_tflite(file.path, [channel_last(inputs[0])])
        same(f"for the {target}", actual, channel_last(pytorch_module(*inputs)))
