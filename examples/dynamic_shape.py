"""Images of any height and width: sizes that are computed stay computed."""

# ruff: noqa: RUF059, RET504 - the modules are as people write them

import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn

import nobuco
from examples.checking import channel_last, run_tflite, same, true
from nobuco import ChannelOrder


class StaticShape(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, kernel_size=(1, 1))

    def forward(self, x):
        x = self.conv(x)

        # Produces static shape, unless `trace_shape` is set
        b, c, h, w = x.shape

        x = x[:, :, h // 3 :, w // 3 :]
        return x


class DynamicShape(StaticShape):
    def forward(self, x):
        x = self.conv(x)

        # Allows for dynamic shape
        b, c, h, w = nobuco.shape(x)

        x = x[:, :, h // 3 :, w // 3 :]
        return x


def convert(module, **options):
    # fresh inputs of the traced size would not show that a size has been fixed; what follows does
    return nobuco.pytorch_to_keras(
        module,
        args=[input],
        input_shapes={input: (None, 3, None, None)},  # Annotate dynamic axes with None
        inputs_channel_order=ChannelOrder.TENSORFLOW,
        outputs_channel_order=ChannelOrder.TENSORFLOW,
        **options,
    )


torch.manual_seed(0)
input = torch.normal(0, 1, size=(1, 3, 128, 128))
others = [torch.normal(0, 1, size=size) for size in ((1, 3, 96, 200), (2, 3, 33, 50), (1, 3, 256, 64))]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    static = convert(StaticShape().eval())
cut = static(channel_last(others[0])).shape
true("without care the sizes are those of the traced run", tuple(cut) == (1, 96 - 42, 200 - 42, 16))

for how, module, options in (
    ("nobuco.shape", DynamicShape().eval(), {}),
    ("trace_shape", StaticShape().eval(), {"trace_shape": True}),
):
    keras_model = convert(module, **options)
    with tempfile.TemporaryDirectory() as folder:
        file = nobuco.export_tflite(keras_model, Path(folder) / "dynamic.tflite")
        for image in (input, *others):
            expected = channel_last(module(image))
            size = "x".join(str(s) for s in image.shape)
            same(f"{how}, {size}", keras_model(channel_last(image)), expected)
            same(f"{how}, {size}, as .tflite", run_tflite(file.path, [channel_last(image)])[0], expected)
