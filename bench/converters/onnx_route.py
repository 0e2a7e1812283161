"""The route through ONNX, which several converters take: exported here, the rest in the converter's environment."""

import shutil
from pathlib import Path

from bench.converters.base import Reference
from bench.converters.precisions import calibration_digest
from bench.fingerprints import digest_of, versions_of
from bench.jobs.mapping import Layout
from bench.jobs.process import JobOutcome, amend, job_digest, our_python, run_job
from bench.peers.environments import Environment
from bench.peers.scripts import script_command, script_digest
from bench.progress import Reporter
from reports.record import FLOAT


class OnnxRoute:
    """A converter that starts from an ONNX file; a subclass fills in the attributes.

    Attributes:
        name: See `Converter`.
        layout: See `Converter`.
        environment: See `Converter`.
        opset: The version of ONNX's operators that its ONNX files are written in.
        script: The file in `bench/peers` that converts the ONNX file.
        release: The converter's release.
        precisions: Those that its authors describe a way to.
        precision: See `Converter`.
    """

    name: str
    layout: Layout
    environment: Environment
    opset: int
    script: str
    release: str
    precisions: tuple[str, ...] = (FLOAT,)

    def __init__(self, precision: str = FLOAT) -> None:
        self.precision = precision

    def version(self) -> str:
        """The release, with a digest of the environment, the exporter and the script."""
        made_with = versions_of(["torch", "onnx"])
        exporter = job_digest("onnx_export_job", "models")
        parts = [self.environment.digest, self.opset, made_with, exporter, script_digest(self.script)]
        parts += [calibration_digest(self.precision)]
        return f"{self.release}+{digest_of(*parts)}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        """See `Converter.convert`; the figures are those of both steps together."""
        command = script_command(self.environment.ensure(say), self.script)
        return export_and_convert(reference, folder, command, self.opset, timeout, self.precision)


def export_and_convert(
    reference: Reference,
    folder: Path,
    command: list[str],
    opset: int,
    timeout: float,
    precision: str = FLOAT,
) -> JobOutcome:
    """Export to ONNX, then run `command` on the file; `timeout` holds for each of the two."""
    onnx_folder = folder.with_name(f"{folder.name}.onnx")
    job = {**reference.job(), "opset": opset}
    export = run_job(our_python("bench.jobs.onnx_export_job"), job, onnx_folder, timeout)
    if export.error:
        return amend(export, folder, error=f"ONNX export: {export.error}")
    job = {
        "onnx": onnx_folder / export.result["file"],
        "precision": precision,
        "calibration": reference.job()["calibration"],
    }
    # Into another folder first: if this process is killed before the figures are added up, nothing is finished.
    converted = run_job(command, job, folder.with_name(f"{folder.name}.converted"), timeout)
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
