"""What a worker of the lab does: a launch is made once, however often it is ordered, and written down before it is told."""

import errno
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bench.artifact import ModelVariant
from bench.converters.registry import NAMES, get_converter
from bench.errors import BenchError
from bench.lab.files import Tree
from bench.lab.host_folder import HostFolder
from bench.lab.member import Member
from bench.lab.orders import ConvertOrder, Launched, LaunchOrder, Missing, OtherDevice, PhoneLost
from bench.lab.phone import Phone
from bench.measure.workload import Effort, identity_of
from devices import DeviceError
from models_zoo import ModelSpec
from reports.record import system_of
from tests.bench.fake_launcher import workload
from tests.bench.lab_setup import Launches
from tests.bench.stand_in_device import StandInDevice


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    made = Launches()
    made.install(monkeypatch, "adb:PHONE")
    return made


def member(folder: Path, name: str = "desk/adb:PHONE") -> Member:
    return Member(HostFolder(folder), "desk", name, Phone("adb:PHONE"))


def order(launch: str = "key #0", round_number: int = 0, files: Tree | None = None) -> LaunchOrder:
    info = StandInDevice("adb:PHONE").info()
    planned = workload("net")
    planned = replace(
        planned,
        artifact=replace(planned.artifact, file=Path("/here/model.tflite"), log=Path("/here/log.txt")),
        device="adb:PHONE",
        device_identity=identity_of("adb:PHONE", info),
        system=system_of({"os": info.os, "kernel": info.kernel}),
    )
    reference = replace(planned.artifact.reference, folder=Path("/here/reference"))
    planned = replace(planned, artifact=replace(planned.artifact, reference=reference))
    return LaunchOrder(
        run="run",
        launch=launch,
        workload=planned,
        root=Path("/here"),
        files=files or Tree({}),
        round_number=round_number,
        effort=Effort(),
        tolerance=None,
        min_alike=0.95,
        check_output=True,
    )


def test_a_launch_that_is_ordered_twice_is_made_once(launches: Launches, tmp_path: Path) -> None:
    first, again = member(tmp_path).launch(order()), member(tmp_path, "desk/other").launch(order())
    assert isinstance(first, Launched) and isinstance(again, Launched)
    assert not first.again and again.again and again.record == first.record
    assert launches.done == [("net", 0)]
    assert first.record.launch == "key #0" and first.record.host == "desk"
    assert isinstance(member(tmp_path).launch(order("key #1")), Launched) and len(launches.done) == 2


def test_a_launch_that_is_still_going_on_is_waited_for(launches: Launches, tmp_path: Path) -> None:
    desk, begun, go_on = member(tmp_path), threading.Event(), threading.Event()

    def meanwhile() -> None:
        begun.set()
        assert go_on.wait(30)

    launches.meanwhile = meanwhile
    answers: list[Launched | Missing] = []
    threads = [threading.Thread(target=lambda: answers.append(desk.launch(order()))) for _ in range(2)]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    threads[1].join(0.2)
    assert not answers
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert len(launches.done) == 1
    assert sorted(answer.again for answer in answers if isinstance(answer, Launched)) == [False, True]


def test_a_launch_is_written_down_before_anybody_is_told(launches: Launches, tmp_path: Path) -> None:
    desk = member(tmp_path)
    launches.losing = 1
    with pytest.raises(PhoneLost, match="desk: the cable") as lost:
        desk.launch(order())
    (record,) = HostFolder(tmp_path).journal("run", "any").records()
    assert record == lost.value.record and record.launch == "key #0" and not record.ok
    assert desk.phone is not None and desk.phone.lost.is_set()
    launches.losing = 0
    desk.phone.lost.clear()  # as when it joins again
    again = desk.launch(order())
    assert isinstance(again, Launched) and again.record.ok and not again.again and len(launches.done) == 2


def test_a_wrong_output_is_a_result(launches: Launches, tmp_path: Path) -> None:
    launches.wrong = True
    answer = member(tmp_path).launch(order())
    assert isinstance(answer, Launched) and answer.record.accuracy is not None
    assert not answer.record.accuracy.right
    assert isinstance(member(tmp_path).launch(order()), Launched) and len(launches.done) == 1


def test_files_that_are_not_there_are_asked_for_before_anything_is_done(
    launches: Launches, tmp_path: Path
) -> None:
    answer = member(tmp_path).launch(order(files=Tree({"model.tflite": "0" * 64, "input.raw": "0" * 64})))
    assert isinstance(answer, Missing) and answer.contents == ("0" * 64,) and launches.done == []
    assert answer.host == HostFolder(tmp_path).identity


def test_another_device_under_the_same_name_is_refused(launches: Launches, tmp_path: Path) -> None:
    other = order()
    other = replace(other, workload=replace(other.workload, device_identity="another machine"))
    with pytest.raises(OtherDevice, match="adb:PHONE on desk is another device"):
        member(tmp_path).launch(other)
    assert launches.done == []


def test_a_worker_that_converts_does_not_launch(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no device"):
        Member(HostFolder(tmp_path), "desk", "desk/convert", None).launch(order())


def test_the_hook_runs_before_the_device_is_opened(launches: Launches, tmp_path: Path) -> None:
    note = tmp_path / "reserved"
    phone = Phone("adb:PHONE", f"echo $BENCH_DEVICE >> {note}")
    phone.device()
    phone.device()
    assert note.read_text() == "adb:PHONE\n"
    phone.close()
    phone.device()
    assert note.read_text() == "adb:PHONE\n" * 2, "not reserved again"


def test_a_hook_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="ended with exit code 3: taken by somebody"):
        Phone("adb:PHONE", "echo taken by somebody; exit 3").device()


def test_a_disk_that_is_full_is_named_with_its_machine(
    launches: Launches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: HostFolder, run: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/lab/runs")

    monkeypatch.setattr(HostFolder, "used", full)
    with pytest.raises(BenchError, match=r"desk: No space left on device \(/lab/runs\); look at its disk"):
        member(tmp_path).launch(order())


@pytest.mark.parametrize("name", [*NAMES, "nobuco:arm-speed", "nobuco:cortex-a76"])
def test_converters_travel(name: str) -> None:
    converter = get_converter(name)
    arrived = pickle.loads(pickle.dumps(converter))
    assert (arrived.name, arrived.version()) == (converter.name, converter.version())


def test_a_machine_that_would_convert_otherwise_does_not(tmp_path: Path) -> None:
    model = ModelVariant(ModelSpec("slice_relu"), "random", 0)
    conversion = ConvertOrder(
        run="run",
        model=model,
        model_file=None,
        converters=(get_converter("nobuco"),),
        versions=("another",),
        folder_name="another, too",
        files=Tree({}),
        timeout=1.0,
        retry_failed=False,
    )
    desk = Member(HostFolder(tmp_path), "desk", "desk/convert", None)
    with pytest.raises(
        BenchError, match=r"desk would convert with other versions \(PyTorch or the models, nobuco\)"
    ):
        desk.convert(conversion)
