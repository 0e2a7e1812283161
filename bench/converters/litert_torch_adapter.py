"""litert-torch (once ai-edge-torch): PyTorch -> TFLite by torch.export, in an environment of its own."""

from bench.converters.torch_route import TorchRoute
from bench.jobs.mapping import Layout
from bench.peers.environments import Environment
from reports.record import FLOAT


class LitertTorch(TorchRoute):
    """Google's converter."""

    name = "litert-torch"
    layout: Layout = "channels first"
    environment = Environment(
        "litert-torch",
        lock="litert-torch.txt",
        python="3.11",
        # torch's builds differ from machine to machine in what they need beside them.
        with_dependencies=True,
    )
    script = "litert_torch_script.py"
    release = "0.10.0"
    precisions = (FLOAT, "fp16", "int8-dynamic", "int8-weights", "int4-weights", "int8", "int8-io", "int16x8")
