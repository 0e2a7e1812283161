"""nobuco, in this program's own environment."""

import json
from importlib.util import find_spec
from pathlib import Path

from bench.converters.base import Reference
from bench.converters.precisions import PRECISIONS, calibration_digest
from bench.errors import BenchError
from bench.fingerprints import digest_of, sha256_of, source_digest, versions_of
from bench.jobs.mapping import Layout
from bench.jobs.process import JobOutcome, job_digest, our_python, run_job
from bench.progress import Reporter
from reports.record import FLOAT

TARGETS = ("arm", "x86", "gpu")
OPTIMIZE = ("size", "speed")


class Nobuco:
    """The converter of this repository.

    Attributes:
        name: "nobuco", or "nobuco:" and what its files are made for: "nobuco:arm", "nobuco:speed", "nobuco:arm-speed";
            "nobuco:cortex-a76" for those made with that processor's costs, which come with nobuco; "nobuco:pixel" for those
            made with the cost file pixel.json.
        precision: See `Converter`.
        aim: The same as `nobuco.export_tflite` takes it; what is not said there is left to its defaults.
    """

    layout: Layout = "channels last"
    environment = None
    precisions = PRECISIONS

    def __init__(
        self,
        target: str | None = None,
        optimize: str | None = None,
        precision: str = FLOAT,
        costs: Path | None = None,
        named: str | None = None,
    ) -> None:
        self.precision = precision
        self.costs = costs
        if costs is not None:
            taken = Nobuco.named(f"nobuco:{costs.stem}") is not None
            self.name = f"nobuco:{costs.name if taken else costs.stem}"
            self.aim = {"target": str(costs.absolute()), "optimize": _optimize_of(costs)}
            return
        words = [word for word in (target, optimize) if word]
        self.name = named or (f"nobuco:{'-'.join(words)}" if words else "nobuco")
        self.aim = {
            key: word for key, word in (("target", target), ("optimize", optimize)) if word is not None
        }

    @classmethod
    def named(cls, name: str, precision: str = FLOAT) -> "Nobuco | None":
        """The converter of a name such as "nobuco:arm-speed", "nobuco:cortex-a76" or "nobuco:path/to/costs.json"; None where
        it is no such name.

        Raises BenchError where such a cost file cannot be read."""
        path = name.removeprefix("nobuco:")
        if path != name and path.endswith(".json"):
            return cls(precision=precision, costs=Path(path))
        if path != name and path in (measured := shipped_costs()):
            return cls(path, _optimize_of(measured[path]), precision, named=name)
        for target in (None, *TARGETS):
            for optimize in (None, *OPTIMIZE):
                made = cls(target, optimize, precision)
                if made.name == name:
                    return made
        return None

    def version(self) -> str:
        """nobuco's release, with a digest of its source, of the frameworks and of the job."""
        source = source_digest(_source())
        made_with = versions_of(["torch", "tensorflow", "keras", "litert-quantizer"])
        job = job_digest("nobuco_job", "models", "origins")
        parts = [source, made_with, job, calibration_digest(self.precision)]
        costs = self.costs or shipped_costs().get(self.aim.get("target", ""))
        if costs is not None:
            parts.append(sha256_of(costs))
        return f"{versions_of(['nobuco'])['nobuco']}+{digest_of(*parts)}"

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        """See `Converter.convert`."""
        job = {**reference.job(), "aim": self.aim, "precision": self.precision}
        return run_job(our_python("bench.jobs.nobuco_job"), job, folder, timeout)


def shipped_costs() -> dict[str, Path]:
    """The cost files that come with nobuco, by the name of the processor."""
    return {path.stem: path for path in sorted((_source() / "tflite/forms/measured").glob("*.json"))}


def _source() -> Path:
    # find_spec, not import: importing nobuco imports torch and TensorFlow.
    spec = find_spec("nobuco")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def _optimize_of(costs: Path) -> str:
    try:
        return str(json.loads(costs.read_text(encoding="utf-8"))["optimize"])
    except OSError as error:
        raise BenchError(
            f"converter nobuco:{costs}: the cost file cannot be read: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"converter nobuco:{costs}: this is no cost file; `bench tune` writes them"
        ) from error
