"""onnx2tf: PyTorch -> ONNX here, ONNX -> TFLite in onnx2tf's own environment."""

from bench.converters.onnx_route import OnnxRoute
from bench.jobs.mapping import Layout
from bench.peers.environments import Environment
from reports.record import FLOAT


class Onnx2Tf(OnnxRoute):
    """A converter that rewrites ONNX graphs for TensorFlow's channel order."""

    name = "onnx2tf"
    layout: Layout = "channels last"
    environment = Environment("onnx2tf", lock="onnx2tf.txt", python="3.11")
    opset = 17  # the newest that PyTorch's older exporter writes well, and onnx2tf reads
    script = "onnx2tf_script.py"
    precisions = (FLOAT, "fp16", "int8-dynamic", "int8", "int8-io", "int16x8")
    release = "1.29.24"  # later ones need Python 3.12
