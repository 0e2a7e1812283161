"""litert-torch (once ai-edge-torch): PyTorch -> TFLite by torch.export, in an environment of its own."""

from pathlib import Path

from bench.converters.base import Layout, Reference, digest_of, files_digest
from bench.environments import Environment
from bench.jobs import JobOutcome, run_job
from bench.progress import Reporter

_HERE = Path(__file__).parent
_SCRIPT = _HERE / "litert_torch_script.py"
_RELEASE = "0.10.0"


class LitertTorch:
    name = "litert-torch"
    layout: Layout = "channels first"
    environment: Environment | None = Environment(
        "litert-torch",
        lock="litert-torch.txt",
        python="3.11",
        # torch's builds differ from machine to machine in what they need beside them.
        with_dependencies=True,
    )

    def version(self) -> str:
        assert self.environment is not None
        return (
            f"{_RELEASE}+{digest_of(self.environment.digest, files_digest(_SCRIPT, _HERE / 'torch_side.py'))}"
        )

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        assert self.environment is not None
        # -P: the script's own folder is no place to import from.
        command = [str(self.environment.ensure(say)), "-P", str(_SCRIPT)]
        return run_job(command, reference.job(), folder, timeout)
