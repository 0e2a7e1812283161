"""The published tables, drawn from records: measured, emulated or without a device, and never guessed."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import bench.readme.comparison
from bench.cli import main
from bench.errors import BenchError
from bench.progress import Reporter
from bench.readme.comparison import BEGIN, END, keep, measure, write_section
from bench.readme.published import PUBLISHED
from bench.readme.tables import belongs, markdown
from bench.run.options import ZooOptions
from devices import DeviceError, DeviceInfo
from reports.record import Cell, LaunchRecord
from reports.store import RecordStore
from tests.reports.make_records import a_record


def launches(
    model: str,
    converter: str,
    device: str,
    abi: str,
    delegate: str = "xnnpack",
    medians: tuple[float, ...] = (1000.0, 1010.0, 1020.0),
    failure: str | None = None,
    **more: Any,
) -> list[LaunchRecord]:
    cell = Cell(model=model, converter=converter, device=device, delegate=delegate, threads=1)
    records = []
    for number, median in enumerate(medians):
        record = a_record(
            round_number=number, failure=failure, cell=cell, device_info={"abi": abi, "cores": 2}, **more
        )
        if record.timing:
            record = record.model_copy(update={"timing": record.timing.model_copy(update={"median": median})})
        records.append(record)
    return records


def row(text: str, model: str, title: str) -> list[str]:
    table = text.partition(f"**{model}**")[2].partition("**")[0]
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_without_records_nothing_is_guessed_and_the_published_figures_stand_beside() -> None:
    text = markdown([])
    assert row(text, "mobilenet_v3_large", "x86 (XNNPACK)")[:3] == ["not measured", "not measured", "—"]
    assert row(text, "deeplabv3_resnet50", "Arm GPU (OpenCL)")[:3] == ["no device", "no device", "—"]
    assert row(text, "slice_relu", "Arm CPU")[3:] == ["4.6 ms", "2.9 ms", "0.6x"]
    assert text.count("| Arm CPU |") == len(PUBLISHED) == 3


def test_measured_emulated_and_failed_cells_are_told_apart() -> None:
    model = "mobilenet_v3_large"
    records = [
        *launches(model, "nobuco", "host", "x86_64"),
        *launches(model, "onnx-tf", "host", "x86_64", medians=(2000.0, 2020.0, 2040.0)),
        *launches(model, "nobuco", "arm", "arm64", medians=(95_000.0,), emulated=True),
        *launches(model, "onnx-tf", "arm", "arm64", failure="it crashed", emulated=True),
    ]
    text = markdown(records)
    ours, theirs, speedup, *_ = row(text, model, "x86 (XNNPACK)")
    assert ours.startswith("1.01 ms") and theirs.startswith("2.02 ms") and speedup.startswith("2.00x")
    assert row(text, model, "Arm CPU (XNNPACK)")[:3] == ["95.0 Minstr (emulated)", "FAIL <sup>1</sup>", "—"]
    reason = "arm, xnnpack, mobilenet_v3_large, onnx-tf: launch failed: it crashed"
    assert f"- <sup>1</sup> FAIL: {reason}" in text.splitlines()
    assert row(text, model, "Arm CPU")[0] == "no device"
    assert "| Arm GPU" not in markdown(records, measured_only=True)


def test_no_device_is_said_only_where_there_was_none() -> None:
    """A cell without a figure on a device that is there was not measured, whichever part of its row is missing."""
    machine = {"abi": "arm64", "delegates": ("xnnpack", "cpu")}
    records = [
        record.model_copy(update={"device_info": machine})
        for record in launches("slice_relu", "nobuco", "arm", "arm64", medians=(720.0,), emulated=True)
    ]
    text = markdown(records)
    assert row(text, "slice_relu", "Arm CPU (XNNPACK)")[:3] == [
        "0.720 Minstr (emulated)",
        "not measured",
        "—",
    ]
    for model, title in (("slice_relu", "Arm CPU"), ("mobilenet_v3_large", "Arm CPU (XNNPACK)")):
        assert row(text, model, title)[:3] == ["not measured", "not measured", "—"]
    assert row(text, "slice_relu", "Arm GPU (OpenCL)")[:3] == ["no device", "no device", "—"]
    assert "- not measured: there is a device for it" in text and "- no device: none was attached" in text


def test_each_failure_has_a_footnote_of_its_own() -> None:
    records = [
        *launches("mobilenet_v3_large", "nobuco", "host", "x86_64", failure="it crashed"),
        *launches("slice_relu", "onnx-tf", "host", "x86_64", failure="out of\nmemory"),
    ]
    text = markdown(records)
    assert row(text, "mobilenet_v3_large", "x86 (XNNPACK)")[:2] == ["FAIL <sup>1</sup>", "not measured"]
    assert row(text, "slice_relu", "x86 (XNNPACK)")[:2] == ["not measured", "FAIL <sup>2</sup>"]
    assert "- <sup>2</sup> FAIL: host, xnnpack, slice_relu, onnx-tf: launch failed: out of memory" in text


def test_a_phone_fills_the_rows_of_the_emulated_machine() -> None:
    phone = launches("slice_relu", "nobuco", "adb:R58M", "arm64", "gpu-opencl")
    phone += launches("slice_relu", "nobuco", "adb:R58M", "arm64")
    emulated = launches("slice_relu", "nobuco", "arm", "arm64", medians=(720.0,), emulated=True)
    for records in (phone + emulated, emulated + phone):
        text = markdown(records)
        assert row(text, "slice_relu", "Arm CPU (XNNPACK)")[0].startswith("1.01 ms")
        assert row(text, "slice_relu", "Arm GPU (OpenCL)")[0].startswith("1.01 ms")


def test_a_second_and_more_is_told_in_seconds() -> None:
    records = launches("deeplabv3_resnet50", "nobuco", "host", "x86_64", medians=(1.2e6, 1.25e6, 1.3e6))
    assert row(markdown(records), "deeplabv3_resnet50", "x86 (XNNPACK)")[0].startswith("1.25 s")


def test_a_busy_machine_is_told() -> None:
    records = launches("slice_relu", "nobuco", "host", "x86_64", state_before={"load_1min": 7.5})
    assert "the machine was busy (load up to 7.5 on 2 cores)" in markdown(records)
    quiet = launches("slice_relu", "nobuco", "host", "x86_64", state_before={"load_1min": 0.3})
    assert "busy" not in markdown(quiet)


def test_other_launches_are_left_out() -> None:
    (record, *_) = launches("slice_relu", "nobuco", "host", "x86_64")
    assert belongs(record)
    for change in ({"threads": 4}, {"cores": "big"}, {"model": "resnet18"}, {"converter": "onnx2tf"}):
        assert not belongs(record.model_copy(update={"cell": record.cell.model_copy(update=change)}))


def test_records_of_other_devices_stay_and_are_small(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "readme.jsonl"
    keep(launches("slice_relu", "nobuco", "adb:R58M", "arm64"), path)
    keep(launches("slice_relu", "nobuco", "host", "x86_64"), path)
    keep(launches("slice_relu", "nobuco", "host", "x86_64", medians=(9000.0,)), path)
    records = RecordStore(path).read().records
    assert [record.cell.device for record in records] == ["adb:R58M"] * 3 + ["host"]
    assert all(record.timing and not record.timing.samples for record in records)


def test_the_section_is_drawn_again_from_the_records(tmp_path: Path) -> None:
    page, records = tmp_path / "README.md", tmp_path / "readme.jsonl"
    page.write_text(f"# Mine\n{BEGIN}\nold\n{END}\nThe end.\n")
    keep(launches("slice_relu", "nobuco", "host", "x86_64"), records)
    command = ["readme", "--from-records", str(records), "--readme", str(page)]
    for _ in range(2):
        assert CliRunner().invoke(main, command).exit_code == 0
        text = page.read_text()
        assert text.startswith(f"# Mine\n{BEGIN}\n") and text.endswith(f"{END}\nThe end.\n")
        assert "**slice_relu**" in text and "old" not in text
    with pytest.raises(BenchError, match="bench:readme begin"):
        (tmp_path / "other.md").write_text("# Mine\n")
        write_section("x", tmp_path / "other.md")
    nothing = CliRunner().invoke(main, ["readme", "--from-records", str(tmp_path / "no.jsonl")])
    assert nothing.exit_code == 1 and "bench readme` makes them" in nothing.stderr


def test_each_device_runs_the_rows_that_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "host": DeviceInfo(
            "host", "host", "PC", None, "x86_64", 2, 1, "Linux", "6", delegates=("xnnpack", "cpu")
        ),
        "arm": DeviceInfo(
            "arm", "emulated", "QEMU", None, "arm64", 1, 1, "", "", delegates=("xnnpack", "cpu")
        ),
    }
    runs: list[ZooOptions] = []

    def known_device(name: str, say: Reporter) -> DeviceInfo:
        if name not in known:
            raise DeviceError("no such device")
        return known[name]

    class Result:
        troubles: tuple[str, ...] = ()

    def zoo(options: ZooOptions, say: Reporter) -> Result:
        runs.append(options)
        return Result()

    monkeypatch.setattr(bench.readme.comparison, "known_device", known_device)
    monkeypatch.setattr(bench.readme.comparison, "zoo", zoo)
    measure(ZooOptions(devices=["gone", "host", "arm"], rounds=7, out=tmp_path), Reporter())
    assert [(run.devices, run.delegates, run.rounds, len(run.precisions), run.weights) for run in runs] == [
        (("host",), ("xnnpack",), 7, 1, "random"),
        (("host",), ("xnnpack",), 7, 4, "taught"),
        (("arm",), ("cpu", "xnnpack"), 1, 1, "random"),
        (("arm",), ("xnnpack",), 1, 4, "taught"),
    ]


def smaller_launches(
    precision: str, median: float, alike: float | None = None, device: str = "host", abi: str = "x86_64"
) -> list[LaunchRecord]:
    """Of mobilenet_v3_large with a taught last layer."""
    records = launches("mobilenet_v3_large", "nobuco", device, abi, medians=(median, 1.01 * median, median))
    changed: list[LaunchRecord] = []
    for record in records:
        accuracy = record.accuracy
        assert accuracy is not None
        judged = {"tolerance": None, "min_alike": 0.95, "alike_samples": 100, "snr": 9.0, "least_snr": 3.0}
        judged = judged if precision.startswith("int8") else {}
        changed.append(
            record.model_copy(
                update={
                    "cell": record.cell.model_copy(update={"precision": precision}),
                    "provenance": record.provenance.model_copy(update={"weights": "taught"}),
                    "accuracy": accuracy.model_copy(update={"alike": alike, **judged}),
                }
            )
        )
    return changed


def test_files_of_fewer_bits_stand_beside_their_own_float_file() -> None:
    compared = launches("mobilenet_v3_large", "nobuco", "host", "x86_64", medians=(7000.0,))
    records = [
        *smaller_launches("fp32", 4000.0),
        *compared,
        *smaller_launches("int8", 1000.0, 0.98),
        *smaller_launches("int8-dynamic", 900.0, 0.6),
    ]
    assert all(belongs(record) for record in records)
    text = markdown(records)
    assert row(text, "mobilenet_v3_large", "x86 (XNNPACK)")[0].startswith("7.00 ms")
    lines = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in text.splitlines() if "|" in line}
    lines = {title: [cell.strip() for cell in cells] for title, cells in lines.items()}
    same, took, share = lines["mobilenet_v3_large fp32"][1:4]
    assert (same, share) == ("—", "—") and took.startswith("4.00 ms")
    size, same, took, share, arm, _ = lines["mobilenet_v3_large int8"]
    assert (size, same, arm) == ("21.9", "98 %", "no device")
    assert took.startswith("1.00 ms") and share.startswith("0.250x")
    assert lines["mobilenet_v3_large int8-dynamic"][2].startswith("FAIL")
    assert "mobilenet_v3_large, nobuco int8-dynamic: wrong output: 60.0% of 100 samples" in text
    assert lines["resnet18 fp16"][:3] == ["not measured", "—", "not measured"]
    assert "Files of fewer bits" not in markdown(compared, measured_only=True)


def test_noisy_figures_are_marked() -> None:
    noisy = launches(
        "slice_relu", "nobuco", "host", "x86_64", medians=(1000.0, 1500.0, 1010.0, 600.0, 1020.0)
    )
    quiet = launches(
        "slice_relu", "onnx-tf", "host", "x86_64", medians=(2000.0, 2010.0, 2000.0, 2010.0, 2000.0)
    )
    text = markdown([*noisy, *quiet])
    ours, theirs, speedup, *_ = row(text, "slice_relu", "x86 (XNNPACK)")
    assert ours.startswith("~ 1.01 ms") and theirs.startswith("2.00 ms") and speedup.startswith("~ 1.9")
    assert "- ~: the launches were noisy" in text and "noisy" not in markdown(quiet)


def test_both_kinds_of_weights_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "readme.jsonl"
    keep(smaller_launches("fp32", 4000.0), path)
    kept = keep(launches("mobilenet_v3_large", "nobuco", "host", "x86_64"), path)
    assert sorted({record.provenance.weights for record in kept}) == ["random", "taught"]


def test_the_readme_shows_its_own_records() -> None:
    root = Path(__file__).parents[2]
    records = RecordStore(root / "docs" / "records" / "readme.jsonl").read().records
    text = (root / "README.md").read_text(encoding="utf-8")
    assert markdown(records) in text
