"""One launch of one cell, and the record of it."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.converters.mapping import relative_error
from bench.preparation import Candidate
from devices import Device, LaunchRequest, LaunchResult, launch
from reports.record import Accuracy, Cell, Delegation, Environment, LaunchRecord, Subject, Timing, launch_key


@dataclass(frozen=True)
class Effort:
    """How long one launch runs. Of the limits, `max_seconds` wins: a slow model gets fewer runs."""

    warmup_seconds: float = 0.2
    num_runs: int = 5
    min_seconds: float = 0.5
    max_seconds: float = 3.0
    timeout: float = 600.0

    def on(self, emulated: bool) -> "Effort":
        """The same for an emulated device: instructions do not scatter, and each takes its time."""
        return replace(self, warmup_seconds=0.0, num_runs=1, min_seconds=0.0) if emulated else self


@dataclass(frozen=True)
class Launchable:
    """A cell with all that is needed to launch it."""

    candidate: Candidate
    device: str
    device_identity: str
    delegate: str
    threads: int
    precision: str = "fp32"

    @cached_property
    def cell(self) -> Cell:
        return Cell(
            model=self.candidate.reference.name,
            converter=self.candidate.converter,
            device=self.device,
            delegate=self.delegate,
            threads=self.threads,
            precision=self.precision,
        )

    @cached_property
    def subject(self) -> Subject:
        return Subject(
            weights=self.candidate.reference.weights,
            seed=self.candidate.reference.seed,
            converter_version=self.candidate.version,
            device_identity=self.device_identity,
            file_sha256=self.candidate.sha256,
        )

    def key(self, round_number: int) -> str:
        return launch_key(self.cell, self.subject, round_number)

    def __str__(self) -> str:
        return f"{self.cell.model} {self.cell.converter}"


def identity_of(device: Device) -> str:
    """Equal for two devices only if they are the same kind of machine under the same name."""
    info = device.info()
    parts = [device.name, info.kind, info.model, info.soc, info.abi, info.cores]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class Bench:
    """Launches cells on one device and makes records; `out` is where raw logs go."""

    def __init__(
        self, device: Device, effort: Effort, tolerance: float, environment: Environment, out: Path
    ) -> None:
        self.device = device
        self.effort = effort
        self.tolerance = tolerance
        self.environment = environment
        self.out = out
        self.device_info = asdict(device.info())

    def failed_conversion(self, what: Launchable) -> LaunchRecord:
        """The record of a cell that has no file to launch."""
        return LaunchRecord(
            started=_now(),
            wall_seconds=0.0,
            cell=what.cell,
            subject=what.subject,
            round=0,
            ok=False,
            stage="conversion",
            error=what.candidate.error,
            conversion=what.candidate.conversion,
            emulated=self.device.emulated,
            device_info=self.device_info,
            environment=self.environment,
            log=self._relative(what.candidate.log),
        )

    def launch(self, what: Launchable, round_number: int, check_output: bool) -> LaunchRecord:
        """Raises DeviceError when the device cannot be reached; a launch that fails is a record."""
        assert what.candidate.file is not None
        request = LaunchRequest(
            model=what.candidate.file,
            delegate=what.delegate,
            threads=what.threads,
            warmup_seconds=self.effort.warmup_seconds,
            num_runs=self.effort.num_runs,
            min_seconds=self.effort.min_seconds,
            max_seconds=self.effort.max_seconds,
            inputs=what.candidate.inputs,
            want_outputs=check_output,
            timeout=self.effort.timeout,
        )
        before = asdict(self.device.state())
        started, clock = _now(), time.monotonic()
        result = launch(self.device, request)
        wall = time.monotonic() - clock
        after = asdict(self.device.state())
        return LaunchRecord(
            started=started,
            wall_seconds=round(wall, 3),
            cell=what.cell,
            subject=what.subject,
            round=round_number,
            ok=result.ok,
            error=result.error,
            timing=_timing(result) if result.ok else None,
            accuracy=self._accuracy(what.candidate, result.outputs) if result.ok and check_output else None,
            delegation=Delegation(
                asked=result.delegate_asked,
                applied=result.delegate_applied,
                fully=result.fully_delegated,
                partitions=result.partitions,
                delegated_nodes=result.delegated_nodes,
                total_nodes=result.total_nodes,
            ),
            conversion=what.candidate.conversion,
            emulated=self.device.emulated,
            runner=result.runner,
            device_info=self.device_info,
            state_before=before,
            state_after=after,
            environment=self.environment,
            log=self._keep_log(what, round_number, result.log),
        )

    def _accuracy(self, candidate: Candidate, outputs: Sequence[np.ndarray]) -> Accuracy:
        """The device's outputs, brought into PyTorch's order and layout, against PyTorch's own."""
        reference = candidate.reference
        errors = [float("inf")] * len(reference.outputs)
        for (number, axes), output in zip(candidate.outputs, outputs, strict=False):
            wanted = np.load(reference.folder / reference.outputs[number]["file"])
            errors[number] = relative_error(wanted.transpose(axes), np.asarray(output))
        return Accuracy(max_error=max(errors), per_output=tuple(errors), tolerance=self.tolerance)

    def _keep_log(self, what: Launchable, round_number: int, log: str) -> str:
        path = self.out / "logs" / what.key(round_number).replace("/", "-round-")
        path = path.with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(log, encoding="utf-8", errors="replace")
        return self._relative(path)

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.out)) if path.is_relative_to(self.out) else str(path)


def _timing(result: LaunchResult) -> Timing:
    return Timing.of_runs(
        result.unit,
        result.times_us,
        init=result.init_us,
        first=result.first_us,
        peak_rss_kb=result.peak_rss_kb,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
