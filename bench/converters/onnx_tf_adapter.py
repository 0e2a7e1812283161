"""onnx-tf 1.10.0: PyTorch -> ONNX here, ONNX -> SavedModel -> TFLite in onnx-tf's own environment."""

from bench.converters.onnx_route import OnnxRoute
from bench.jobs.mapping import Layout
from bench.peers.environments import Environment


class OnnxTf(OnnxRoute):
    """ONNX's own converter to TensorFlow, no longer developed."""

    name = "onnx-tf"
    layout: Layout = "channels first"
    environment = Environment("onnx-tf", lock="onnx-tf.txt", python="3.11")
    opset = 12  # that of its own documentation, and of the comparison that the README reproduces
    script = "onnx_tf_script.py"
    release = "1.10.0"
