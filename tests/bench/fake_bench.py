"""A stand-in for Bench, and cells for it: launches cost nothing and end as told."""

from pathlib import Path

from make_records import a_record
from stand_in_device import StandInDevice

from bench.converters.base import Reference
from bench.measuring import Launchable
from bench.preparation import Candidate
from reports.record import Accuracy, Conversion, LaunchRecord


def cell(name: str, converter: str = "nobuco", broken: bool = False) -> Launchable:
    reference = Reference(name, {}, Path(), {"weights": "random", "seed": 0, "inputs": [], "outputs": []})
    candidate = Candidate(
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
    )
    return Launchable(candidate, "host", "id", "xnnpack", 1)


class FakeBench:
    """Stands in for the real one: launches take `seconds`, fail or give wrong outputs as told."""

    device = StandInDevice("host")

    def __init__(self, seconds: float = 1.0, failing: str = "", wrong: str = "") -> None:
        self.seconds, self.failing, self.wrong = seconds, failing, wrong
        self.launched: list[tuple[int, str]] = []
        self.checked: list[str] = []

    def launch(self, what: Launchable, round_number: int, check_output: bool) -> LaunchRecord:
        self.launched.append((round_number, what.cell.model))
        if check_output:
            self.checked.append(what.cell.model)
        error = 1.0 if what.cell.model == self.wrong else 0.0
        record = a_record(
            round_number=round_number,
            failure="crashed" if what.cell.model == self.failing else None,
            cell=what.cell,
            subject=what.subject,
            wall_seconds=self.seconds,
        )
        if record.ok and check_output:
            accuracy = Accuracy(max_error=error, per_output=(error,), tolerance=1e-3)
            return record.model_copy(update={"accuracy": accuracy})
        return record.model_copy(update={"accuracy": None})

    def failed_conversion(self, what: Launchable) -> LaunchRecord:
        return a_record(
            cell=what.cell, subject=what.subject, failure=what.candidate.error, stage="conversion"
        )
