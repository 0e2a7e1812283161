"""What tables and charts show, and above all what they do not show."""

import csv
import io
from pathlib import Path

import pytest
from matplotlib.text import Text
from rich.console import Console

from reports import chart, figures, tables
from reports.chart import draw, save_chart
from reports.columns import COLUMNS
from reports.record import Accuracy, Cell, Conversion, Delegation, Forecast, LaunchRecord, Timing
from reports.summary import Group, summarise
from tests.reports.make_records import a_record

FAILURE = "RuntimeError: no converter for aten::foo"


def both(
    model: str = "net", rounds: int = 6, ours: float = 1000.0, theirs: float = 1500.0
) -> list[LaunchRecord]:
    return [
        a_record(model, converter, r, times=(base * (1 + r / 100),))
        for r in range(rounds)
        for converter, base in (("nobuco", ours), ("onnx-tf", theirs))
    ]


def the_group(records: list[LaunchRecord]) -> Group:
    (group,) = summarise(records, baseline="onnx-tf")
    return group


def on_terminal(group: Group, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(tables.terminal([group]))
    return console.export_text()


def words_of(group: Group) -> str:
    return "\n".join(text.get_text() for text in draw(group).findobj(Text) if isinstance(text, Text))


def test_speed_and_ratio_are_those_of_the_launches() -> None:
    ours, theirs = the_group(both()).rows
    assert ours.latency is not None and ours.latency.value == pytest.approx(1.025)
    assert ours.speedup is not None and ours.speedup.value == pytest.approx(1.5)
    assert ours.speedup.low == pytest.approx(1.5)
    assert theirs.speedup is None
    assert figures.verdict(ours.speedup) == "faster"


def test_a_wrong_output_has_no_speed_anywhere() -> None:
    wrong = [a_record(round_number=r, times=(123456.0,), error=0.2 if r == 0 else None) for r in range(4)]
    group = the_group(wrong + [r for r in both() if r.cell.converter == "onnx-tf"])
    row = group.rows[0]
    assert row.latency is None and row.speedup is None and row.launches == ()
    for shown in (on_terminal(group), tables.markdown([group]), tables.as_csv([group]), words_of(group)):
        assert "wrong output" in shown
        assert "123" not in shown


def test_an_unchecked_output_has_no_speed() -> None:
    (row,) = the_group([a_record(round_number=r, error=None) for r in range(3)]).rows
    assert row.latency is None and row.reason is not None and "not checked" in row.reason


def test_a_wrong_baseline_is_nothing_to_compare_with() -> None:
    records = [r for r in both() if r.cell.converter == "nobuco"]
    records += [a_record(converter="onnx-tf", round_number=r, error=1.0) for r in range(6)]
    ours = the_group(records).rows[0]
    assert ours.latency is not None and ours.speedup is None
    assert "no onnx-tf figure to compare with" in words_of(the_group(records + both("other")))


def test_failures_are_shown_with_their_reason() -> None:
    records = [r for r in both() if r.cell.converter == "nobuco"]
    records.append(a_record(converter="onnx-tf", failure=FAILURE, stage="conversion"))
    group = the_group(records)
    for shown in (on_terminal(group, 120), tables.markdown([group]), tables.as_csv([group]), words_of(group)):
        assert FAILURE in shown


def test_failed_launches_do_not_hide_good_ones() -> None:
    records = [
        a_record(round_number=0),
        a_record(round_number=1, failure="crashed"),
        a_record(round_number=2),
    ]
    (row,) = the_group(records).rows
    assert row.latency is not None and row.latency.n == 2


def test_the_newest_version_counts() -> None:
    old = [a_record(round_number=r, times=(9000.0,), version="1") for r in range(3)]
    new = [a_record(round_number=r, times=(1000.0,), version="2") for r in range(3)]
    (row,) = the_group(old + new).rows
    assert row.latency is not None and row.latency.value == 1.0 and row.provenance.converter_version == "2"


def test_emulated_figures_are_never_milliseconds_and_stand_alone() -> None:
    emulated = [
        r.model_copy(
            update={
                "emulated": True,
                "cell": r.cell.model_copy(update={"device": "arm"}),
                "timing": r.timing.model_copy(update={"unit": "kinstr"}) if r.timing else None,
            }
        )
        for r in both()
    ]
    real, arm = summarise(both() + emulated, baseline="onnx-tf")
    assert (real.unit, arm.unit) == ("ms", "Minstr (emulated)")
    assert {row.cell.device for row in real.rows} == {"host"}
    for shown in (on_terminal(arm, 200), tables.markdown([arm]), tables.as_csv([arm]), words_of(arm)):
        assert "emulated" in shown
        assert " ms" not in shown and ",ms," not in shown and "Latency" not in shown


def test_csv_has_one_row_for_each_cell() -> None:
    rows = list(
        csv.DictReader(io.StringIO(tables.as_csv(summarise(both() + both("other"), baseline="onnx-tf"))))
    )
    assert [row["model"] for row in rows] == ["net", "net", "other", "other"]
    assert rows[0]["unit"] == "ms" and float(rows[0]["speedup"]) == pytest.approx(1.5)


def test_markdown_cells_cannot_break_the_table() -> None:
    group = the_group([a_record(model="a|b\nc", round_number=r) for r in range(3)])
    lines = [line for line in tables.markdown([group]).splitlines() if line.startswith("|")]
    assert len(lines) == 3
    assert {line.replace("\\|", "").count("|") for line in lines} == {12}


def test_the_terminal_table_fits_eighty_columns() -> None:
    lines = on_terminal(
        the_group(both("lraspp_mobilenet_v3_large", ours=1_234_567, theirs=2_345_678))
    ).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


def test_the_longest_name_of_a_converter_fits() -> None:
    assert "litert-torch" in on_terminal(the_group([a_record(converter="litert-torch")]))


def test_a_chart_is_written_as_picture_and_as_drawing(tmp_path: Path) -> None:
    group = the_group(both() + both("other", ours=1e6, theirs=0.9e6))
    png, svg = save_chart(group, tmp_path / "chart")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.read_text().lstrip().startswith("<?xml")
    words = words_of(group)
    assert "6 launches each" in words and "Latency, ms" in words


def test_a_chart_marks_noise_and_has_no_legend_for_what_it_does_not_show() -> None:
    busy = {"state_before": {"load_1min": 9.0}, "device_info": {"cores": 2}}
    records = [r.model_copy(update=busy) if r.cell.converter == "nobuco" else r for r in both()]
    records.append(a_record(converter="onnx2tf", failure=FAILURE))
    words = words_of(the_group(records)).splitlines()
    assert "1.02 noisy" in words and "1.50x noisy" in words and "1.54" in words
    assert any(line.startswith("Pale, or a cross, is noisy") for line in words)
    legend = draw(the_group(records)).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["nobuco", "onnx-tf"]


def test_the_same_records_make_the_same_chart(tmp_path: Path) -> None:
    one, other = (save_chart(the_group(both()), tmp_path / name) for name in ("one", "other"))
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in other]


def test_any_converter_can_be_the_baseline() -> None:
    (group,) = summarise([*both(), *both("alone")[1::2]], baseline="nobuco")
    ours, theirs = group.rows[1:]
    assert ours.cell.model == "net" and [row.cell.converter for row in (ours, theirs)] == [
        "onnx-tf",
        "nobuco",
    ]
    assert ours.speedup is not None and ours.speedup.value == pytest.approx(1 / 1.5)
    assert theirs.speedup is None and theirs.is_baseline
    for shown in (on_terminal(group, 120), tables.markdown([group]), words_of(group)):
        assert "Speed-up over nobuco" in shown and "over onnx-tf" not in shown
    assert "no nobuco figure to compare with" in words_of(group)


def test_every_column_is_in_every_table_that_wants_it() -> None:
    group = the_group(both())
    header = tables.as_csv([group]).splitlines()[0].split(",")
    assert header == [column.key for column in COLUMNS] == list(tables.flat_rows([group])[0])
    page = [line for line in tables.markdown([group]).splitlines() if line.startswith("| Model")]
    assert page[0].strip("| ").split(" | ") == [
        c.page.title(group) for c in COLUMNS if c.page and c.page.shown(group)
    ]
    shown = on_terminal(group)
    for column in COLUMNS:
        if column.terminal and column.terminal.shown(group):
            assert all(line in shown for line in column.terminal.title(group).split("\n"))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (0.001234, "0.0012"),
        (0.0123, "0.0123"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234.5, "1234"),
    ],
)
def test_figures_have_as_many_digits_as_tell(value: float, written: str) -> None:
    assert figures.number(value) == written


def test_a_gpu_in_software_is_labelled_and_compared_with_nothing() -> None:
    group = the_group([r.model_copy(update={"software_gpu": True}) for r in both()])
    assert all(row.speedup is None and row.max_error is not None for row in group.rows)
    assert "GPU in software" in group.title
    shown = on_terminal(group)
    assert "imitates the GPU" in shown and "speed-" not in shown
    assert shown.count("7/7 nodes in 1") == 2
    assert "1x" not in tables.markdown([group])


def test_nodes_that_the_delegate_left_are_named() -> None:
    took = Delegation(
        asked="xnnpack",
        applied="xnnpack",
        partitions=2,
        delegated_nodes=5,
        total_nodes=7,
        left=("GATHER", "WHERE"),
    )
    group = the_group([a_record(delegation=took), a_record(converter="onnx-tf")])
    line = "net, nobuco: xnnpack took 5 of 7 nodes in 2 partitions, and left: GATHER; WHERE"
    assert line in on_terminal(group, 100) and line in tables.markdown([group])
    assert "onnx-tf: xnnpack took" not in on_terminal(group)


def test_refused_nodes_and_those_outside_the_partitions_are_told_apart_and_said_once() -> None:
    took = Delegation(
        asked="gpu-opencl",
        applied="gpu-opencl",
        partitions=1,
        delegated_nodes=41,
        total_nodes=542,
        left=("STRIDED_SLICE: dynamic sizes", "STRIDED_SLICE: dynamic sizes"),
        refused_at_most=37,
    )
    group = the_group([a_record(model, delegation=took) for model in ("a", "b")])
    line = (
        "a, nobuco; b, nobuco: xnnpack took 41 of 542 nodes in 1 partition; at most 37 refused "
        "(STRIDED_SLICE: dynamic sizes), the rest supported but outside the partitions"
    )
    assert line in on_terminal(group, 200) and line in tables.markdown([group])


def on_a_gpu(delegate: str, taken: int, software: bool, expected: Forecast | None) -> Group:
    record = a_record(
        delegation=Delegation(
            asked=delegate, applied=delegate, partitions=1, delegated_nodes=taken, total_nodes=585
        ),
        conversion=Conversion(forecasts={"gpu-webgpu": expected, "gpu-opencl": expected} if expected else {}),
        software_gpu=software,
    )
    return the_group(
        [record.model_copy(update={"cell": record.cell.model_copy(update={"delegate": delegate})})]
    )


@pytest.mark.parametrize("delegate", ["gpu-webgpu", "gpu-opencl", "gpu-opencl-fp16"])
@pytest.mark.parametrize("taken", [585, 108])
def test_a_forecast_stands_beside_what_a_gpu_took(delegate: str, taken: int) -> None:
    mark = "" if taken == 585 else "≠ "
    expected = Forecast(nodes=585, taken=585, partitions=1)
    group = on_a_gpu(delegate, taken, False, expected)
    line = f"{delegate} took {taken} of 585 nodes in 1 partition; {mark}forecast 585 in 1"
    assert line in on_terminal(group, 200)
    assert f"| {taken}/585 nodes in 1; {mark}forecast 585 in 1 |" in tables.markdown([group])
    assert (line in tables.markdown([group])) is bool(mark)
    (flat,) = tables.flat_rows([group])
    assert (flat["forecast_nodes"], flat["forecast_partitions"]) == (585, 1)
    in_software = on_a_gpu(delegate, taken, True, expected)
    assert f"{taken}/585 in 1; {mark}forecast 585" in on_terminal(in_software)


def test_other_parts_are_not_as_forecast() -> None:
    group = on_a_gpu("gpu-webgpu", 108, True, Forecast(nodes=585, taken=108, partitions=12))
    assert "108/585 nodes in 1; ≠ forecast 108 in 12" in tables.markdown([group])


def test_it_is_said_why_nothing_could_be_forecast() -> None:
    group = on_a_gpu("gpu-webgpu", 5, True, Forecast(error="IndexError: of a rule"))
    assert (
        "gpu-webgpu took 5 of 585 nodes in 1 partition; no forecast: IndexError: of a rule"
        in tables.markdown([group])
    )
    flat = tables.flat_rows([group])[0]
    assert (flat["forecast_nodes"], flat["forecast_error"]) == (None, "IndexError: of a rule")
    assert "; no forecast" in on_terminal(group)


def test_nothing_is_said_where_nothing_was_forecast() -> None:
    group = on_a_gpu("gpu-webgpu", 108, True, None)
    assert "forecast" not in on_terminal(group) + tables.markdown([group])
    assert tables.flat_rows([group])[0]["forecast_nodes"] is None
    assert "forecast" not in on_terminal(the_group([a_record(conversion=a_forecast_of_gpus())]), 200)


def a_forecast_of_gpus() -> Conversion:
    return Conversion(forecasts={"gpu-webgpu": Forecast(nodes=7, taken=3, partitions=1)})


def test_a_reason_that_cells_share_is_said_once() -> None:
    group = the_group([a_record(model, failure=FAILURE) for model in ("a", "b", "c")])
    assert on_terminal(group, 200).count(FAILURE) == 1
    assert "a, nobuco; b, nobuco; c, nobuco: launch failed" in on_terminal(group, 200)


def test_a_caption_promises_no_interval_where_there_is_none() -> None:
    few, enough = the_group(both(rounds=3)), the_group(both(rounds=5))
    for shown in (on_terminal(few, 200), tables.markdown([few])):
        assert "no interval, which takes 5 launches, 2 more than here" in shown
        assert "95 % interval over launches" not in shown
    assert "in brackets the 95 % interval over launches." in tables.markdown([enough])
    assert figures.verdict(few.rows[0].speedup) == ""


def test_what_phones_need_is_in_csv_and_in_the_table_on_demand() -> None:
    timing = Timing.of_runs("us", range(1000, 2000, 10), init=70_000, first=9_000, peak_rss_kb=16_500)
    group = the_group([a_record(round_number=r, timing=timing) for r in range(5)])
    (row,) = csv.DictReader(io.StringIO(tables.as_csv([group])))
    assert [float(row[key]) for key in ("load", "first", "p90", "peak_mb")] == [70.0, 9.0, 1.89, 16.5]
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(tables.terminal([group], extra=["load", "first", "p90", "peak_mb"]))
    shown = console.export_text()
    assert all(word in shown for word in ("load,", "first,", "70.0", "9.00", "1.89", "16.5"))
    assert "load," not in on_terminal(group)


def test_cores_and_runner_are_not_mixed() -> None:
    plain, (big, own) = both(), (both(), both())
    big = [r.model_copy(update={"cell": r.cell.model_copy(update={"cores": "big"})}) for r in big]
    own = [r.model_copy(update={"cell": r.cell.model_copy(update={"benchmark_binary": "ab"})}) for r in own]
    groups = summarise(plain + big + own, baseline="onnx-tf")
    assert [len(group.rows) for group in groups] == [2, 2, 2]
    assert len({group.slug for group in groups}) == 3
    assert "cores big" in groups[1].title and "benchmark_model ab" in groups[2].title


@pytest.mark.parametrize(
    ("size", "words"),
    [(9_999, "<0.01"), (60_000, "0.06"), (994_000, "0.99"), (1_234_000, "1.23"), (157_900_000, "158")],
)
def test_megabytes_fit_their_column(size: int, words: str) -> None:
    assert figures.megabytes(size) == words
    column = next(each for each in COLUMNS if each.key == "size_bytes")
    assert column.terminal is not None and len(words) <= column.terminal.width


@pytest.mark.parametrize(
    ("model", "lines"),
    [
        ("slice_relu", ["slice_relu"]),
        ("mobilenet_v3_large@128", ["mobilenet_v3_large", "@128"]),
        ("lraspp_mobilenet_v3_large", ["lraspp_mobilenet_v3_", "large"]),
        ("folder/my-model.py:factory_of_something", ["my-model.py:factory_", "of_something"]),
    ],
)
def test_long_names_are_broken_between_their_parts(model: str, lines: list[str]) -> None:
    assert chart._short(model).split("\n") == lines


@pytest.mark.parametrize("software", [False, True])
def test_precisions_fit_a_terminal_of_80_characters(software: bool) -> None:
    accuracy = Accuracy(
        max_error=0.1, per_output=(0.1,), tolerance=None, alike=0.99, alike_samples=100, min_alike=0.95,
        snr=20.0, least_snr=14.0,
    )  # fmt: skip
    cell = Cell(
        model="net",
        converter="nobuco:speed",
        device="host",
        delegate="xnnpack",
        threads=1,
        precision="int8-dynamic",
    )
    record = a_record(
        cell=cell, accuracy=accuracy, software_gpu=software, conversion=Conversion(size_bytes=5000, n_ops=4)
    )
    group = the_group([record])
    for shown in (on_terminal(group), tables.markdown([group])):
        assert "int8-dynamic" in shown and "<0.01" in shown and "nobuco:speed" in shown
        assert ("fp32" in shown) is not software, "times that mean nothing are compared with nothing"
