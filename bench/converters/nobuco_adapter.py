"""nobuco, in this program's own environment."""

from importlib.util import find_spec
from pathlib import Path

from bench.converters.base import Layout, Reference, digest_of, files_digest, source_digest, versions_of
from bench.environments import Environment
from bench.jobs import JobOutcome, our_python, run_job
from bench.progress import Reporter

_HERE = Path(__file__).parent


class Nobuco:
    name = "nobuco"
    layout: Layout = "channels last"
    environment: Environment | None = None

    def version(self) -> str:
        # find_spec, not import: importing nobuco imports torch and TensorFlow.
        spec = find_spec("nobuco")
        assert spec is not None and spec.origin is not None
        source = source_digest(Path(spec.origin).parent)
        made_with = versions_of(["torch", "tensorflow", "keras"])
        script = files_digest(_HERE / "nobuco_job.py", _HERE / "torch_side.py")
        return f"{versions_of(['nobuco'])['nobuco']}+{digest_of(source, made_with, script)}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        return run_job(our_python("bench.converters.nobuco_job"), reference.job(), folder, timeout)
