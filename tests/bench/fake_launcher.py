"""A stand-in for Launcher, and workloads for it: launches cost nothing and end as told."""

from pathlib import Path

from bench.artifact import Artifact
from bench.converters.base import Reference
from bench.measure.workload import Workload
from reports.record import Accuracy, Conversion, LaunchRecord, OpTime, Sustained
from tests.bench.stand_in_device import StandInDevice
from tests.reports.make_records import a_record


def workload(
    name: str, converter: str = "nobuco", broken: bool = False, origins: Path | None = None
) -> Workload:
    reference = Reference(name, {}, Path(), {"weights": "random", "seed": 0, "inputs": [], "outputs": []})
    artifact = Artifact(
        reference=reference,
        converter=converter,
        version="1",
        error="does not convert" if broken else None,
        file=None if broken else Path("model.tflite"),
        sha256=None if broken else name,
        inputs=(),
        outputs=(),
        conversion=Conversion(),
        log=Path("log.txt"),
        origins=origins,
    )
    return Workload(artifact, "host", "id", "xnnpack", 1)


class FakeLauncher:
    """Stands in for the real one: launches take `seconds`, fail, give wrong outputs or no profile as told."""

    device = StandInDevice("host")

    def __init__(
        self, seconds: float = 1.0, failing: str = "", wrong: str = "", unprofiled: str = ""
    ) -> None:
        self.seconds, self.failing, self.wrong, self.unprofiled = seconds, failing, wrong, unprofiled
        self.profiled: list[tuple[str, str]] = []
        self.warm: list[str] = []
        self.clock = 0.0
        self.launched: list[tuple[int, str]] = []
        self.checked: list[str] = []

    def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        self.launched.append((round_number, workload.cell.model))
        if check_output:
            self.checked.append(workload.cell.model)
        error = 1.0 if workload.cell.model == self.wrong else 0.0
        record = a_record(
            round_number=round_number,
            failure="crashed" if workload.cell.model == self.failing else None,
            cell=workload.cell,
            provenance=workload.provenance,
            wall_seconds=self.seconds,
        )
        if record.ok and check_output:
            accuracy = Accuracy(max_error=error, per_output=(error,), tolerance=1e-3)
            return record.model_copy(update={"accuracy": accuracy})
        return record.model_copy(update={"accuracy": None})

    def profile(self, workload: Workload, delegate: str) -> LaunchRecord:
        self.profiled.append((workload.cell.model, delegate))
        failed = workload.cell.model == self.unprofiled
        return a_record(
            cell=workload.cell,
            provenance=workload.provenance,
            failure="no profiler" if failed else None,
            purpose="profile",
            profile_delegate=delegate,
            profile=() if failed else (OpTime(name="CONV_2D", time=500.0, calls=1, delegated=False),),
        )

    def launch_warm(self, workload: Workload, round_number: int, place: Sustained) -> LaunchRecord:
        self.warm.append(workload.cell.model)
        self.clock += self.seconds
        return a_record(
            round_number=round_number,
            cell=workload.cell,
            provenance=workload.provenance,
            times=(1000.0 + 100.0 * place.at_minute,),
            purpose="sustained",
            sustained=place,
        )

    def responds(self) -> bool:
        return True

    def failed_conversion(self, workload: Workload) -> LaunchRecord:
        return a_record(
            cell=workload.cell,
            provenance=workload.provenance,
            failure=workload.artifact.error,
            stage="conversion",
        )
