"""One launch of one cell, and the record of it."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.converters.mapping import relative_error
from bench.delegates import precision_of, ran_in_software
from bench.preparation import Candidate
from bench.progress import Reporter
from devices import (
    Device,
    DeviceError,
    LaunchRequest,
    LaunchResult,
    launch,
    throttling,
    wait_until_settled,
)
from reports.record import (
    Accuracy,
    Cell,
    Delegation,
    Environment,
    LaunchRecord,
    Settling,
    Stage,
    Subject,
    Timing,
    launch_key,
)

TOLERANCES = {"fp32": 1e-3, "fp16": 2e-2}
"""Largest error for a file to get a speed. Half precision rounds at 5e-4, and networks add that up."""
_SETTLING_INTERVAL = 2.0


@dataclass(frozen=True)
class Effort:
    """How long one launch runs. Of the limits, `max_seconds` wins: a slow model gets fewer runs."""

    warmup_seconds: float = 0.2
    num_runs: int = 5
    min_seconds: float = 0.5
    max_seconds: float = 3.0
    timeout: float = 600.0
    settle_seconds: float = 60.0
    """Longest wait for a steady device before the launch."""

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
    cores: str | None = None
    benchmark_binary: str | None = None

    @property
    def precision(self) -> str:
        return precision_of(self.delegate)

    @cached_property
    def cell(self) -> Cell:
        return Cell(
            model=self.candidate.reference.name,
            converter=self.candidate.converter,
            device=self.device,
            delegate=self.delegate,
            threads=self.threads,
            precision=self.precision,
            cores=self.cores,
            benchmark_binary=self.benchmark_binary,
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
    """Launches cells on one device and makes records; `out` is where raw logs go.

    `tolerance` is None for the usual one of the cell's precision.
    """

    def __init__(
        self,
        device: Device,
        effort: Effort,
        tolerance: float | None,
        environment: Environment,
        out: Path,
        benchmark_binary: Path | None = None,
    ) -> None:
        self.device = device
        self.effort = effort
        self.tolerance = tolerance
        self.environment = environment
        self.out = out
        self.benchmark_binary = benchmark_binary
        self.device_info = asdict(device.info())
        self.fixed_performance: bool | None = None

    @contextmanager
    def steady(self, say: Reporter) -> Iterator[None]:
        """Hold the device, and its clock where it can be held; both are let go however the block ends."""
        with self.device.lock(), self.device.hold_performance() as held:
            if self.device.info().android:
                self.fixed_performance = held
                if not held:
                    say.line(f"{self.device.name}: has no fixed performance mode; its clock may vary")
            yield

    def failed_conversion(self, what: Launchable) -> LaunchRecord:
        """The record of a cell that has no file to launch."""
        return self._failure(what, 0, "conversion", what.candidate.error, self._relative(what.candidate.log))

    def answers(self) -> bool:
        """Whether the device can still be talked to."""
        try:
            self.device.state()
        except DeviceError:
            return False
        return True

    def launch(self, what: Launchable, round_number: int, check_output: bool) -> LaunchRecord:
        """One launch; that it fails, or that the device does, is a record too."""
        clock = time.monotonic()
        try:
            return self._launch(what, round_number, check_output)
        except DeviceError as error:
            failure = self._failure(what, round_number, "device", str(error))
            return failure.model_copy(update={"wall_seconds": round(time.monotonic() - clock, 3)})

    def _launch(self, what: Launchable, round_number: int, check_output: bool) -> LaunchRecord:
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
            cores=what.cores,
            benchmark_binary=self.benchmark_binary,
        )
        settled = wait_until_settled(
            self.device, timeout=self.effort.settle_seconds, interval=_SETTLING_INTERVAL
        )
        started, clock = _now(), time.monotonic()
        result = launch(self.device, request)
        wall = time.monotonic() - clock
        ok = result.ok and bool(result.times_us)
        after = self.device.state()
        return LaunchRecord(
            started=started,
            wall_seconds=round(wall, 3),
            cell=what.cell,
            subject=what.subject,
            round=round_number,
            ok=ok,
            error=result.error if ok or result.error else "the runner reported no time",
            timing=_timing(result) if ok else None,
            accuracy=self._accuracy(what, result.outputs) if ok and check_output else None,
            delegation=Delegation(
                asked=result.delegate_asked,
                applied=result.delegate_applied,
                fully=result.fully_delegated,
                partitions=result.partitions,
                delegated_nodes=result.delegated_nodes,
                total_nodes=result.total_nodes,
                left=result.left,
            ),
            conversion=what.candidate.conversion,
            emulated=self.device.emulated,
            runner=result.runner,
            device_info=self.device_info,
            state_before=asdict(settled.state),
            state_after=asdict(after),
            throttled=None if self.device.emulated else throttling(settled.state, after),
            settling=Settling(
                settled=settled.settled,
                waited_seconds=round(settled.waited_seconds, 3),
                reason=settled.reason,
            ),
            fixed_performance=self.fixed_performance,
            software_gpu=ran_in_software(result.log),
            environment=self.environment,
            log=self._keep_log(what, round_number, result.log),
        )

    def _failure(
        self, what: Launchable, round_number: int, stage: Stage, error: str | None, log: str | None = None
    ) -> LaunchRecord:
        return LaunchRecord(
            started=_now(),
            wall_seconds=0.0,
            cell=what.cell,
            subject=what.subject,
            round=round_number,
            ok=False,
            stage=stage,
            error=error,
            conversion=what.candidate.conversion,
            emulated=self.device.emulated,
            device_info=self.device_info,
            environment=self.environment,
            log=log,
        )

    def _accuracy(self, what: Launchable, outputs: Sequence[np.ndarray]) -> Accuracy:
        """The device's outputs, brought into PyTorch's order and layout, against PyTorch's own."""
        candidate, reference = what.candidate, what.candidate.reference
        errors = [float("inf")] * len(reference.outputs)
        for (number, axes), output in zip(candidate.outputs, outputs, strict=False):
            wanted = np.load(reference.folder / reference.outputs[number]["file"])
            errors[number] = relative_error(wanted.transpose(axes), np.asarray(output))
        tolerance = TOLERANCES[what.precision] if self.tolerance is None else self.tolerance
        return Accuracy(max_error=max(errors), per_output=tuple(errors), tolerance=tolerance)

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
