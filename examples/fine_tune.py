"""The outcome is an ordinary Keras model: save it, load it, train it."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import torch
from torch import nn

import nobuco
from examples.checking import channel_last, same, true
from nobuco import ChannelOrder


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.Hardswish()
        )
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


torch.manual_seed(0)
keras.utils.set_random_seed(0)
module = Classifier().eval()
module.features.requires_grad_(False)
x = torch.rand(8, 3, 16, 16)
keras_model = nobuco.pytorch_to_keras(
    module,
    args=[x],
    input_shapes={x: (None, 3, 16, 16)},
    inputs_channel_order=ChannelOrder.TENSORFLOW,
    outputs_channel_order=ChannelOrder.TENSORFLOW,
)
print("weights:", *(weight.path for weight in keras_model.weights))
true(
    "what PyTorch holds still stays still",
    [w.path for w in keras_model.trainable_weights if "head" not in w.path] == [],
)

with tempfile.TemporaryDirectory() as folder:
    keras_model.save(Path(folder) / "classifier.keras")
    loaded = keras.models.load_model(Path(folder) / "classifier.keras")
same("saved and loaded", loaded(channel_last(x)), module(x).detach())

# bright images against dark ones
images = np.random.rand(64, 16, 16, 3).astype(np.float32) * 0.5
labels = np.arange(64) % 2
images[labels == 1] += 0.5
loaded.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
before = loaded.evaluate(images, labels, verbose=0)
loaded.fit(images, labels, batch_size=8, epochs=15, verbose=0)
after = loaded.evaluate(images, labels, verbose=0)
print(f"loss before {before:.3f}, after {after:.3f}")
true("it learns", after < 0.5 * before)
