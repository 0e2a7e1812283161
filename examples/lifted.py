"""Branches and loops as people write them, without a converter: they become IF and WHILE in the .tflite."""

import tempfile
from pathlib import Path

import torch
from torch import nn

import nobuco
from examples.checking import channel_last, run_tflite, same, true
from nobuco import ChannelOrder


class Branches(nn.Module):
    """An image goes one way or another; a layer is shared by both, and with what follows."""

    def __init__(self):
        super().__init__()
        self.conv_pre = nn.Conv2d(3, 16, kernel_size=1)
        self.conv_true = nn.Conv2d(16, 32, kernel_size=1)
        self.conv_false = nn.Conv2d(16, 32, kernel_size=1)
        self.conv_shared = nn.Conv2d(32, 32, kernel_size=1)

    def forward(self, x):
        x = self.conv_pre(x)
        if x.mean() > 0:
            x = self.conv_shared(torch.tanh(self.conv_true(x))) + 1
        else:
            x = self.conv_shared(torch.sigmoid(self.conv_false(x))) - 1
        return self.conv_shared(x)


class Settle(nn.Module):
    """Applies a layer until its output is small; returns the output and the number of turns."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8, bias=False)
        nn.init.orthogonal_(self.layer.weight)

    def forward(self, x):
        turns = torch.zeros((1,))
        while x.abs().max() > 0.1:
            x = self.layer(x) * 0.7
            turns = turns + 1
        return x, turns


class Diffuse(nn.Module):
    """Smooths an image a given number of times, and adds up what was lost."""

    def __init__(self):
        super().__init__()
        self.smooth = nn.Conv2d(4, 4, kernel_size=3, padding=1, groups=2)

    def forward(self, x, steps):
        lost = torch.zeros_like(x)
        for _ in range(int(steps)):
            smoothed = self.smooth(x)
            lost = lost + torch.relu(x - smoothed)
            x = smoothed
        return lost


class EarlyExit(nn.Module):
    """Goes on to the next stage only as long as it is not sure."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        scores = self.head(x)
        for stage in self.stages:
            if scores.softmax(-1).max() > 0.6:
                return scores
            x = torch.relu(stage(x))
            scores = scores + self.head(x)
        return scores


def check(module, inputs, expected_op, order=ChannelOrder.PYTORCH):
    """Converts on the first of the inputs; then each of them must come out as in PyTorch."""

    def arranged(tensor):
        return (
            channel_last(tensor)
            if order is ChannelOrder.TENSORFLOW and tensor.dim()
            else tensor.detach().numpy()
        )

    model = nobuco.pytorch_to_keras(
        module, inputs[0], inputs_channel_order=order, outputs_channel_order=order, strict=True
    )
    with tempfile.TemporaryDirectory() as folder:
        file = nobuco.export_tflite(model, Path(folder) / "lifted.tflite")
        true(f"{type(module).__name__}: the .tflite has {expected_op}", expected_op in file.info.ops)
        for number, given in enumerate(inputs):
            wanted = module(*given)
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            results = run_tflite(file.path, [arranged(each) for each in given])
            for ours, theirs in zip(results, wanted, strict=True):
                same(f"input {number}, as .tflite", ours, arranged(theirs))


torch.manual_seed(0)
noise = torch.normal(0, 1, size=(1, 3, 16, 24))
module = Branches().eval()
images = [[noise + shift] for shift in (0, 2, -2)]
true("both branches are taken", len({bool(module.conv_pre(image).mean() > 0) for (image,) in images}) == 2)
check(module, images, "IF", ChannelOrder.TENSORFLOW)

vector = torch.normal(0, 1, size=(2, 8))
vectors = [[scale * vector] for scale in (1.0, 0.01, 30.0)]
check(Settle().eval(), vectors, "WHILE")
check(EarlyExit().eval(), vectors, "IF")

image = torch.normal(0, 1, size=(1, 4, 12, 20))
counts = [[image, torch.tensor(steps, dtype=torch.int32)] for steps in (3, 0, 7)]
check(Diffuse().eval(), counts, "WHILE", ChannelOrder.TENSORFLOW)
