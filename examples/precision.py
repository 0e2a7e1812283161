"""Smaller files: a quantised one, the layer that it loses its accuracy in, and a file that keeps that layer in float."""

import tempfile
from pathlib import Path

import torch
from torch import nn

import nobuco
from examples.checking import true


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU())
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


torch.manual_seed(0)
model = Classifier().eval()
images = torch.randn(128, 3, 32, 32) + torch.randn(128, 3, 1, 1)  # as the model takes them
keras_model = nobuco.pytorch_to_keras(model, args=[images[:1]], verbose=False)
folder = Path(tempfile.mkdtemp())

# %% With scales from samples
written = nobuco.export_tflite(keras_model, folder / "int8.tflite", precision="int8", calibration=images)
print(written.precision)
true("it is smaller", written.precision.size_bytes < written.precision.float_bytes)
true("its outputs are near", written.precision.snr > 20)

# %% A class that is ruled out by a number that is far from all others
with torch.no_grad():
    model.head.bias[3] = -10_000
keras_model = nobuco.pytorch_to_keras(model, args=[images[:1]], verbose=False)
found = nobuco.accuracy(keras_model, "int8", images)
print(found)
true("the head is to blame", found.layers[0].row.module_path == "head")

# %% Kept in float, by hand or on its own
by_hand = nobuco.export_tflite(
    keras_model, folder / "kept.tflite", precision=nobuco.Recipe(keep=("head",)), calibration=images
)
on_its_own = nobuco.export_tflite(
    keras_model, folder / "auto.tflite", precision="auto", min_agreement=0.95, calibration=images
)
print(on_its_own.precision)
true("one layer is enough", len(on_its_own.precision.recipe.keep) == 1)
true("both are right", min(each.precision.agreement for each in (by_hand, on_its_own)) >= 0.95)
