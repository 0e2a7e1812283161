"""nobuco, in this program's own environment."""

from importlib.util import find_spec
from pathlib import Path

from bench.converters.base import Reference
from bench.fingerprints import digest_of, source_digest, versions_of
from bench.jobs.mapping import Layout
from bench.jobs.process import JobOutcome, job_digest, our_python, run_job
from bench.progress import Reporter


class Nobuco:
    """The converter of this repository."""

    name = "nobuco"
    layout: Layout = "channels last"
    environment = None

    def version(self) -> str:
        """nobuco's release, with a digest of its source, of the frameworks and of the job."""
        # find_spec, not import: importing nobuco imports torch and TensorFlow.
        spec = find_spec("nobuco")
        assert spec is not None and spec.origin is not None
        source = source_digest(Path(spec.origin).parent)
        made_with = versions_of(["torch", "tensorflow", "keras"])
        job = job_digest("nobuco_job", "models", "origins")
        return f"{versions_of(['nobuco'])['nobuco']}+{digest_of(source, made_with, job)}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        """See `Converter.convert`."""
        return run_job(our_python("bench.jobs.nobuco_job"), reference.job(), folder, timeout)
