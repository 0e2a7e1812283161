"""nobuco, in this program's own environment."""

from importlib.util import find_spec
from pathlib import Path

from bench.converters.base import Reference
from bench.converters.precisions import PRECISIONS, calibration_digest
from bench.fingerprints import digest_of, source_digest, versions_of
from bench.jobs.mapping import Layout
from bench.jobs.process import JobOutcome, job_digest, our_python, run_job
from bench.progress import Reporter
from reports.record import FLOAT

TARGETS = ("arm", "x86", "gpu")
OPTIMIZE = ("size", "speed")


class Nobuco:
    """The converter of this repository.

    Attributes:
        name: "nobuco", or "nobuco:" and what its files are made for: "nobuco:arm", "nobuco:speed", "nobuco:arm-speed".
        precision: See `Converter`.
        aim: The same as `nobuco.export_tflite` takes it; what is not said there is left to its defaults.
    """

    layout: Layout = "channels last"
    environment = None
    precisions = PRECISIONS

    def __init__(
        self, target: str | None = None, optimize: str | None = None, precision: str = FLOAT
    ) -> None:
        self.precision = precision
        words = [word for word in (target, optimize) if word]
        self.name = f"nobuco:{'-'.join(words)}" if words else "nobuco"
        self.aim = {
            key: word for key, word in (("target", target), ("optimize", optimize)) if word is not None
        }

    @classmethod
    def named(cls, name: str, precision: str = FLOAT) -> "Nobuco | None":
        """The converter of a name such as "nobuco:arm-speed"; None where it is no such name."""
        for target in (None, *TARGETS):
            for optimize in (None, *OPTIMIZE):
                made = cls(target, optimize, precision)
                if made.name == name:
                    return made
        return None

    def version(self) -> str:
        """nobuco's release, with a digest of its source, of the frameworks and of the job."""
        # find_spec, not import: importing nobuco imports torch and TensorFlow.
        spec = find_spec("nobuco")
        assert spec is not None and spec.origin is not None
        source = source_digest(Path(spec.origin).parent)
        made_with = versions_of(["torch", "tensorflow", "keras", "litert-quantizer"])
        job = job_digest("nobuco_job", "models", "origins")
        return f"{versions_of(['nobuco'])['nobuco']}+{digest_of(source, made_with, job, calibration_digest(self.precision))}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        """See `Converter.convert`."""
        job = {**reference.job(), "aim": self.aim, "precision": self.precision}
        return run_job(our_python("bench.jobs.nobuco_job"), job, folder, timeout)
