"""onnx2tf: PyTorch -> ONNX here, ONNX -> TFLite in onnx2tf's own environment.

Release 1.29 because later ones want Python 3.12.
"""

from pathlib import Path

from bench.converters.base import Layout, Reference, digest_of, files_digest, versions_of
from bench.converters.onnx_route import convert_by_onnx, exporter_digest
from bench.environments import Environment
from bench.jobs import JobOutcome
from bench.progress import Reporter

_SCRIPT = Path(__file__).parent / "onnx2tf_script.py"
_RELEASE = "1.29.24"


class Onnx2Tf:
    name = "onnx2tf"
    layout: Layout = "channels last"
    environment: Environment | None = Environment("onnx2tf", lock="onnx2tf.txt", python="3.11")

    def version(self) -> str:
        assert self.environment is not None
        made_with = versions_of(["torch", "onnx"])
        parts = (self.environment.digest, made_with, exporter_digest(), files_digest(_SCRIPT))
        return f"{_RELEASE}+{digest_of(*parts)}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        assert self.environment is not None
        return convert_by_onnx(reference, folder, self.environment.ensure(say), _SCRIPT, timeout)
