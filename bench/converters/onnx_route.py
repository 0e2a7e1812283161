"""The way by ONNX, which more than one converter takes: export here, the rest in the converter's environment."""

import shutil
from pathlib import Path

from bench.converters.base import Reference, files_digest
from bench.jobs import JobOutcome, amend, our_python, run_job

_HERE = Path(__file__).parent


def exporter_digest() -> str:
    """Changes with what makes the ONNX file."""
    return files_digest(_HERE / "onnx_export_job.py", _HERE / "torch_side.py")


def convert_by_onnx(
    reference: Reference, folder: Path, python: Path, script: Path, timeout: float
) -> JobOutcome:
    """Export, then run `script` with `python`; the outcome's figures are those of both together."""
    onnx_folder = folder.with_name(f"{folder.name}.onnx")
    export = run_job(our_python("bench.converters.onnx_export_job"), reference.job(), onnx_folder, timeout)
    if export.error:
        return amend(export, folder, error=f"ONNX export: {export.error}")
    job = {"onnx": str(onnx_folder / export.result["file"])}
    # Into a folder of its own first: a kill before the figures are added up must not pass for a finished conversion.
    converted = run_job(
        [str(python), str(script)], job, folder.with_name(f"{folder.name}.converted"), timeout
    )
    shutil.rmtree(onnx_folder)  # as large as the model, and made in seconds
    if converted.error:
        return amend(converted, folder)
    both = (export.result, converted.result)
    return amend(
        converted,
        folder,
        seconds=round(sum(r["seconds"] for r in both), 3),
        cpu_seconds=round(sum(r["cpu_seconds"] for r in both), 3),
        peak_rss_mb=round(max(r["peak_rss_mb"] for r in both), 1),
    )
