"""A third party's converter inside one's own: one module goes by way of ONNX and onnx-tf, the rest does not.

onnx-tf wants a TensorFlow and an ONNX of its own time, so it runs in an environment of its own, which is made on
first use (some minutes, about 2 GB; `bench baselines` lists and removes it)."""

import subprocess
import tempfile
import warnings
from pathlib import Path

import keras
import tensorflow as tf
import torch
from torch import nn

import nobuco
from bench.converters.onnx_tf_adapter import OnnxTf
from bench.progress import Reporter
from examples.checking import channel_last, run_tflite, same, true
from nobuco import ChannelOrder, ChannelOrderingStrategy

ONNX_TF = """
import sys, onnx
from onnx_tf.backend import prepare
prepare(onnx.load(sys.argv[1])).export_graph(sys.argv[2])
"""


class SliceReLU(nn.Module):
    def forward(self, x):
        torch.relu_(x[:, 1:2, 16:25, 8::2])
        return x


class MyModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, kernel_size=(3, 3), padding=(1, 1))

    def forward(self, x):
        x = self.conv(x)
        SliceReLU()(x)
        return x


@nobuco.converter(
    SliceReLU, channel_ordering_strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER, reusable=False
)
def converter_SliceReLU(self, x):
    onnx_path, saved_model = folder / "slice_relu.onnx", folder / "slice_relu"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the old exporter, the one that onnx-tf can read, says that it is old
        # a copy: the exporter runs the module, which changes its input
        torch.onnx.export(
            self,
            (x.clone(),),
            str(onnx_path),
            opset_version=12,
            dynamo=False,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": [0, 1, 2, 3]},
        )
    python = OnnxTf.environment.ensure(Reporter())
    subprocess.run(
        [python, "-c", ONNX_TF, onnx_path, saved_model], check=True, capture_output=True, text=True
    )
    model = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    return keras.layers.Lambda(lambda x: model(input=x)["output"])


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    torch.manual_seed(0)
    pytorch_module = MyModule().eval()
    x = torch.normal(0, 1, size=(1, 3, 32, 48))
    keras_model = nobuco.pytorch_to_keras(
        pytorch_module,
        args=[x],
        inputs_channel_order=ChannelOrder.TENSORFLOW,
        outputs_channel_order=ChannelOrder.TENSORFLOW,
    )
    expected = channel_last(pytorch_module(x))
    same("with onnx-tf inside", keras_model(channel_last(x)), expected)
    inner = [each for each in keras_model.report.calls.values() if each.call.name == "SliceReLU"]
    true("onnx-tf converted the module", len(inner) == 1 and inner[0].converter.location.file == __file__)

    file = nobuco.export_tflite(keras_model, folder / "model.tflite")
    same("as .tflite", run_tflite(file.path, [channel_last(x)])[0], expected)
