"""What is launched, and how long a launch runs."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property

from bench.artifact import Artifact
from bench.converters.precisions import computes_with_integers
from bench.measure.delegates import in_half_precision
from devices import DeviceInfo
from reports.figures import plural
from reports.record import FLOAT, Cell, Provenance, launch_key

TOLERANCE, HALF_TOLERANCE = 1e-3, 2e-2
"""Largest error for a file to get a speed. Half precision rounds at 5e-4, and networks add that up."""
MIN_ALIKE = 0.95
"""Share of samples that are to come out as PyTorch's, for a file with integers to get a speed."""


@dataclass(frozen=True)
class Effort:
    """How long one launch runs. Of the limits, `max_seconds` wins: a slow model gets fewer runs.

    Attributes:
        warmup_seconds: Runs before the first that counts.
        num_runs: Fewest runs that count.
        min_seconds: Shortest time for them.
        max_seconds: Longest time for them.
        timeout: Seconds after which the launch is ended and counts as failed.
        settle_seconds: Longest wait for a steady device before the launch.
        samples: On how many further inputs outputs are compared, each in a launch that is not timed.
    """

    warmup_seconds: float = 0.2
    num_runs: int = 5
    min_seconds: float = 0.5
    max_seconds: float = 3.0
    timeout: float = 600.0
    settle_seconds: float = 60.0
    samples: int = 3

    def on(self, emulated: bool) -> "Effort":
        """The same for an emulated device: instruction counts hardly vary, and each run is slow."""
        return replace(self, warmup_seconds=0.0, num_runs=1, min_seconds=0.0, samples=1) if emulated else self


@dataclass(frozen=True)
class Workload:
    """A cell with all that is needed to launch it: an artifact, and where and how it runs."""

    artifact: Artifact
    device: str
    device_identity: str
    delegate: str
    threads: int
    cores: str | None = None
    benchmark_binary: str | None = None
    runner: str | None = None
    system: str | None = None

    @property
    def tolerance(self) -> float | None:
        """Largest error for the file to get a speed; None where it is judged by how many samples come out alike."""
        if computes_with_integers(self.artifact.precision):
            return None
        half = in_half_precision(self.delegate) or self.artifact.precision != FLOAT
        return HALF_TOLERANCE if half else TOLERANCE

    @cached_property
    def cell(self) -> Cell:
        """The cell that the launches are recorded under."""
        return Cell(
            model=self.artifact.reference.name,
            converter=self.artifact.converter,
            device=self.device,
            delegate=self.delegate,
            threads=self.threads,
            precision=self.artifact.precision,
            cores=self.cores,
            benchmark_binary=self.benchmark_binary,
        )

    @cached_property
    def provenance(self) -> Provenance:
        """What distinguishes this workload from others of the same cell, which must not be pooled with it."""
        return Provenance(
            weights=self.artifact.reference.weights,
            seed=self.artifact.reference.seed,
            converter_version=self.artifact.version,
            device_identity=self.device_identity,
            file_sha256=self.artifact.sha256,
            runner=self.runner,
            system=self.system,
        )

    def key(self, round_number: int) -> str:
        """The key of the launch in this round, as `LaunchRecord.key`."""
        return launch_key(self.cell, self.provenance, round_number)

    def __str__(self) -> str:
        return f"{self.cell.model} {self.cell.label}, {self.delegate}, {plural(self.threads, 'thread')}"


def identity_of(name: str, info: DeviceInfo) -> str:
    """Equal for two devices only if they are the same kind of machine under the same name."""
    parts = [name, info.kind, info.model, info.soc, info.abi, info.cores]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
