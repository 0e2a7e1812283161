"""The direct route, from the PyTorch model, in the converter's environment alone."""

from pathlib import Path

from bench.converters.base import Reference
from bench.converters.precisions import calibration_digest
from bench.fingerprints import digest_of
from bench.jobs.mapping import Layout
from bench.jobs.process import JobOutcome, job_digest, run_job
from bench.peers.environments import Environment
from bench.peers.scripts import script_command, script_digest
from bench.progress import Reporter
from reports.record import FLOAT


class TorchRoute:
    """A converter that starts from a PyTorch module; a subclass fills in the attributes.

    Attributes:
        name: See `Converter`.
        layout: See `Converter`.
        environment: See `Converter`.
        script: The file in `bench/peers` that converts the model.
        release: The converter's release.
        precisions: Those that its authors describe a way to.
        precision: See `Converter`.
    """

    name: str
    layout: Layout
    environment: Environment
    script: str
    release: str
    precisions: tuple[str, ...] = (FLOAT,)

    def __init__(self, precision: str = FLOAT) -> None:
        self.precision = precision

    def version(self) -> str:
        """The release, with a digest of the environment and of the script."""
        parts = [self.environment.digest, script_digest(self.script), job_digest("models")]
        parts += [calibration_digest(self.precision)]
        return f"{self.release}+{digest_of(*parts)}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        """See `Converter.convert`."""
        command = script_command(self.environment.ensure(say), self.script)
        return run_job(command, {**reference.job(), "precision": self.precision}, folder, timeout)
