"""litert-torch (once ai-edge-torch): PyTorch -> TFLite by torch.export, in an environment of its own."""

from pathlib import Path

from bench.converters.base import Reference
from bench.fingerprints import digest_of
from bench.jobs.mapping import Layout
from bench.jobs.process import JobOutcome, job_digest, run_job
from bench.peers.environments import Environment
from bench.peers.scripts import script_command, script_digest
from bench.progress import Reporter

_SCRIPT = "litert_torch_script.py"
_RELEASE = "0.10.0"


class LitertTorch:
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

    def version(self) -> str:
        """The release, with a digest of the environment and of the script."""
        parts = (self.environment.digest, script_digest(_SCRIPT), job_digest("models"))
        return f"{_RELEASE}+{digest_of(*parts)}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        """See `Converter.convert`."""
        command = script_command(self.environment.ensure(say), _SCRIPT)
        return run_job(command, reference.job(), folder, timeout)
