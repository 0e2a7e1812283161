"""One launch of one workload, and the record of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure.accuracy import Answer, accuracy_of
from bench.measure.delegates import ran_in_software
from bench.measure.op_times import op_times
from bench.measure.protocol import Launching
from bench.measure.workload import MIN_ALIKE, Effort, Workload
from bench.progress import Reporter
from devices import (
    Device,
    DeviceError,
    LaunchRequest,
    LaunchResult,
    launch,
    prepare_runner,
    throttling,
    wait_until_settled,
)
from reports.record import (
    Accuracy,
    Delegation,
    Environment,
    LaunchRecord,
    Settling,
    Stage,
    Sustained,
    Timing,
)

_SETTLING_INTERVAL = 2.0


class Launcher:
    """Launches workloads on one device and makes records of the launches.

    Args:
        device: The device, opened.
        effort: How long each launch runs.
        tolerance: Largest error against PyTorch for a file to get a speed; None: that of the precision.
        min_alike: Share of samples that are to come out as PyTorch's, for a file with integers to get a speed.
        environment: What each record says about this machine.
        out: The output folder; raw logs go into `logs/` there.
        benchmark_binary: A `benchmark_model` of the user's own to launch with.
    """

    def __init__(
        self,
        device: Device,
        effort: Effort,
        tolerance: float | None,
        environment: Environment,
        out: Path,
        benchmark_binary: Path | None = None,
        min_alike: float = MIN_ALIKE,
    ) -> None:
        self.device = device
        self.min_alike = min_alike
        self.effort = effort
        self.tolerance = tolerance
        self.environment = environment
        self.out = out
        self.benchmark_binary = benchmark_binary
        self.device_info = asdict(device.info())
        self.fixed_performance: bool | None = None

    @contextmanager
    def steady(self, say: Reporter) -> Iterator[None]:
        """Lock the device, and hold its clock where it can be held; both end however the block ends."""
        with self.device.lock(), self.device.hold_performance() as held:
            if self.device.info().android:
                self.fixed_performance = held
                if not held:
                    say.line(f"{self.device.name}: has no fixed performance mode; its clock may vary")
            yield

    def failed_conversion(self, workload: Workload) -> LaunchRecord:
        """The record of a cell that has no file to launch."""
        log = relative_log(workload.artifact.log, self.out)
        return self._failure(workload, 0, "conversion", workload.artifact.error, log)

    def responds(self) -> bool:
        """Whether the device still responds."""
        try:
            self.device.state()
        except DeviceError:
            return False
        return True

    def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        """Launch once and record it; a failure of the launch or of the device is a record too.

        Args:
            workload: What to launch.
            round_number: The round that the launch is part of, from 0.
            check_output: Whether the outputs are fetched and compared with PyTorch's.
        """
        clock = time.monotonic()
        try:
            return self._launch(workload, round_number, check_output)
        except DeviceError as error:
            failure = self._failure(workload, round_number, "device", str(error))
            return failure.model_copy(update={"wall_seconds": round(time.monotonic() - clock, 3)})

    def profile(self, workload: Workload, delegate: str) -> LaunchRecord:
        """Launch once to learn where the time goes; a failure is a record too.

        Args:
            workload: What to launch.
            delegate: What to run it with, which need not be the workload's own delegate.
        """
        facts = {"purpose": "profile", "profile_delegate": delegate}
        clock = time.monotonic()
        try:
            wanted = replace(self._request(workload), delegate=delegate, profile=True)
            record, result = self._run(workload, 0, wanted, self.effort.settle_seconds)
        except DeviceError as error:
            failure = self._failure(workload, 0, "device", str(error))
            wall = round(time.monotonic() - clock, 3)
            return failure.model_copy(update={**facts, "wall_seconds": wall})
        # The names of operators are no part of what is timed: nothing is lost if they cannot be read.
        ops = op_times(result.ops, workload.artifact.origins)
        error = None
        if not ops:
            error = record.error or result.profile_error or f"the runner lists no ops of {delegate}"
        log = self._keep_log(f"{workload.key(0).partition('/')[0]}-profile-{delegate}", result.log)
        return record.model_copy(
            update={**facts, "profile": ops, "ok": error is None, "error": error, "log": log}
        )

    def launch_warm(self, workload: Workload, round_number: int, place: Sustained) -> LaunchRecord:
        """Launch once within a sustained run: at once, whatever the device's temperature; a failure is a record too."""
        facts = {"purpose": "sustained", "sustained": place}
        try:
            record, result = self._run(workload, round_number, self._request(workload), 0.0)
        except DeviceError as error:
            return self._failure(workload, round_number, "device", str(error)).model_copy(update=facts)
        name = f"{workload.key(round_number).replace('/', '-sustained-')}"
        return record.model_copy(update={**facts, "log": self._keep_log(name, result.log)})

    def _launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        request = replace(self._request(workload), want_outputs=check_output)
        record, result = self._run(workload, round_number, request, self.effort.settle_seconds)
        accuracy = self._accuracy(workload, request, result) if record.ok and check_output else None
        log = self._keep_log(workload.key(round_number).replace("/", "-round-"), result.log)
        return record.model_copy(update={"accuracy": accuracy, "log": log})

    def _request(self, workload: Workload) -> LaunchRequest:
        assert workload.artifact.file is not None
        return LaunchRequest(
            model=workload.artifact.file,
            delegate=workload.delegate,
            threads=workload.threads,
            warmup_seconds=self.effort.warmup_seconds,
            num_runs=self.effort.num_runs,
            min_seconds=self.effort.min_seconds,
            max_seconds=self.effort.max_seconds,
            inputs=workload.artifact.inputs,
            timeout=self.effort.timeout,
            cores=workload.cores,
            benchmark_binary=self.benchmark_binary,
        )

    def _run(
        self, workload: Workload, round_number: int, request: LaunchRequest, settle_seconds: float
    ) -> tuple[LaunchRecord, LaunchResult]:
        """One launch and the record of it, without what its outputs and its log say."""
        settled = wait_until_settled(self.device, timeout=settle_seconds, interval=_SETTLING_INTERVAL)
        started, clock = now(), time.monotonic()
        result = launch(self.device, request)
        wall = time.monotonic() - clock
        ok = result.ok and bool(result.times_us)
        after = self.device.state()
        record = LaunchRecord(
            started=started,
            wall_seconds=round(wall, 3),
            cell=workload.cell,
            provenance=workload.provenance,
            round=round_number,
            ok=ok,
            error=result.error if ok or result.error else "the runner reported no time",
            timing=_timing(result) if ok else None,
            delegation=Delegation(
                asked=result.delegate_asked,
                applied=result.delegate_applied,
                fully=result.fully_delegated,
                partitions=result.partitions,
                delegated_nodes=result.delegated_nodes,
                total_nodes=result.total_nodes,
                left=result.left,
                refused_at_most=result.refused_at_most,
            ),
            conversion=workload.artifact.conversion,
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
        )
        return record, result

    def _failure(
        self, workload: Workload, round_number: int, stage: Stage, error: str | None, log: str | None = None
    ) -> LaunchRecord:
        return failure_of(
            workload,
            round_number,
            stage,
            error,
            emulated=self.device.emulated,
            device_info=self.device_info,
            environment=self.environment,
            log=log,
        )

    def _accuracy(self, workload: Workload, request: LaunchRequest, first: LaunchResult) -> Accuracy:
        """Of the outputs of this launch, and of one more, not timed, for each further input."""
        answers = [Answer(first.outputs)]
        for inputs in workload.artifact.samples[: self.effort.samples]:
            once = replace(
                request, inputs=inputs, warmup_runs=0, warmup_seconds=0.0, num_runs=1, min_seconds=0.0
            )
            result = launch(self.device, once)
            answers.append(Answer(result.outputs, None if result.ok else f"launch failed: {result.error}"))
        tolerance = workload.tolerance
        if tolerance is None:
            return accuracy_of(workload.artifact, answers, None, self.min_alike)
        return accuracy_of(
            workload.artifact, answers, self.tolerance if self.tolerance is not None else tolerance
        )

    def _keep_log(self, name: str, log: str) -> str:
        path = self.out / "logs" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(log, encoding="utf-8", errors="replace")
        return relative_log(path, self.out)


def failure_of(
    workload: Workload,
    round_number: int,
    stage: Stage,
    error: str | None,
    *,
    emulated: bool,
    device_info: dict[str, Any],
    environment: Environment,
    log: str | None = None,
) -> LaunchRecord:
    """The record of a launch that came to nothing."""
    return LaunchRecord(
        started=now(),
        wall_seconds=0.0,
        cell=workload.cell,
        provenance=workload.provenance,
        round=round_number,
        ok=False,
        stage=stage,
        error=error,
        conversion=workload.artifact.conversion,
        emulated=emulated,
        device_info=device_info,
        environment=environment,
        log=log,
    )


def relative_log(path: Path, out: Path) -> str:
    """A log as records name it: by its place in the output folder."""
    return str(path.relative_to(out)) if path.is_relative_to(out) else str(path)


def require_response(launcher: Launching, record: LaunchRecord) -> None:
    """Raise DeviceError if the launch failed because of the device, and the device no longer responds."""
    if record.stage == "device" and not launcher.responds():
        raise DeviceError(f"{record.error}; the same command goes on from here once it is back")


def prepared_runner(device: Device, benchmark_binary: Path | None, say: Reporter) -> str | None:
    """Build or download what times models on a device, so that no launch pays for it.

    Returns:
        What identifies it; None when it cannot be had: every launch then fails with that reason.
    """
    try:
        return prepare_runner(device, benchmark_binary)
    except DeviceError as error:
        say.line(f"warning: {device.name}: {error}")
        return None


def _timing(result: LaunchResult) -> Timing:
    return Timing.of_runs(
        result.unit,
        result.times_us,
        init=result.init_us,
        first=result.first_us,
        peak_rss_kb=result.peak_rss_kb,
    )


def now() -> str:
    """The time, as records state it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
