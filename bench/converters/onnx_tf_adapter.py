"""onnx-tf 1.10.0: PyTorch -> ONNX here, ONNX -> SavedModel -> TFLite in onnx-tf's own environment."""

import shutil
from dataclasses import replace
from pathlib import Path

from bench.converters.base import Layout, Reference, digest_of, files_digest, versions_of
from bench.environments import Environment
from bench.jobs import JobOutcome, our_python, run_job
from bench.progress import Reporter

_HERE = Path(__file__).parent
_SCRIPT = _HERE / "onnx_tf_script.py"
_RELEASE = "1.10.0"


class OnnxTf:
    name = "onnx-tf"
    layout: Layout = "channels first"
    environment: Environment | None = Environment("onnx-tf", lock="onnx-tf.txt", python="3.11")

    def version(self) -> str:
        assert self.environment is not None
        made_with = versions_of(["torch", "onnx"])
        scripts = files_digest(_HERE / "onnx_export_job.py", _HERE / "torch_side.py", _SCRIPT)
        return f"{_RELEASE}+{digest_of(self.environment.digest, made_with, scripts)}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        assert self.environment is not None
        onnx_folder = folder.with_name(f"{folder.name}.onnx")
        export = run_job(
            our_python("bench.converters.onnx_export_job"), reference.job(), onnx_folder, timeout
        )
        if export.error:
            return replace(export, result={**export.result, "error": f"ONNX export: {export.error}"})
        command = [str(self.environment.ensure(say)), str(_SCRIPT)]
        job = {"onnx": str(onnx_folder / export.result["file"])}
        converted = run_job(command, job, folder, timeout)
        shutil.rmtree(onnx_folder)  # as large as the model, and made in seconds
        if converted.error:
            return converted
        both = (export.result, converted.result)
        figures = {key: round(sum(r[key] for r in both), 3) for key in ("seconds", "cpu_seconds")}
        figures["peak_rss_mb"] = max(r["peak_rss_mb"] for r in both)
        return replace(converted, result={**converted.result, **figures})
