"""State that a module keeps in its attributes goes into every call and comes out of it; the module stays as it is."""

import tempfile
from pathlib import Path

import torch
from torch import nn

import nobuco
from examples.checking import run_tflite, same
from nobuco import ChannelOrder


class Background(nn.Module):
    """What moves in a video: the difference from a running mean of its frames."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 3, 24, 32))

    def forward(self, frame):
        self.mean.mul_(0.9).add_(frame, alpha=0.1)
        return (frame - self.mean).abs()


torch.manual_seed(0)
module = Background()
frames = torch.rand(5, 1, 3, 24, 32)

keras_model = nobuco.pytorch_to_keras(
    module,
    args=[frames[0]],
    inputs_channel_order=ChannelOrder.PYTORCH,
    outputs_channel_order=ChannelOrder.PYTORCH,
    carry_state=True,
)
print(*keras_model.initial_state)  # state.mean
with tempfile.TemporaryDirectory() as folder:
    file = nobuco.export_tflite(keras_model, Path(folder) / "background.tflite")
    mean = keras_model.initial_state["state.mean"]
    for number, frame in enumerate(frames):
        moving, mean = run_tflite(file.path, [frame.numpy(), mean])
        same(f"frame {number}", moving, module(frame))
    same("the mean at the end", mean, module.mean)
