"""Noise is seen, named, and takes the green from a speed-up; launches that differ in kind make no common figure."""

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from reports import tables
from reports.record import LaunchRecord, Timing
from reports.summary import Group, Row, summarise
from tests.reports.make_records import a_record

QUIET = [1000.0, 1004.0, 998.0, 1002.0, 996.0, 1001.0, 1003.0, 999.0, 997.0, 1000.5]
HOST = {"cores": 2, "android": False}


def launches(medians: list[float], converter: str = "nobuco", **changes: Any) -> list[LaunchRecord]:
    """Runs within each launch scatter by one per cent."""
    fields = {"device_info": HOST, **changes}
    return [
        a_record(
            converter=converter, round_number=r, times=(0.99 * m, 0.995 * m, m, 1.005 * m, 1.01 * m), **fields
        )
        for r, m in enumerate(medians)
    ]


def the_group(records: list[LaunchRecord]) -> Group:
    (group,) = summarise(records, baseline="onnx-tf")
    return group


def the_row(records: list[LaunchRecord]) -> Row:
    return the_group(records).rows[0]


def test_a_quiet_cell_is_quiet() -> None:
    row = the_row(launches(QUIET))
    assert (row.quiet, row.noise) == ("quiet", ())


def test_few_launches_tell_nothing() -> None:
    assert the_row(launches(QUIET[:4])).quiet == "unknown"


def test_normal_scatter_is_rarely_called_noise() -> None:
    random = np.random.default_rng(0)
    noisy = [bool(the_row(launches(list(random.normal(1000, 30, 12)))).noise) for _ in range(200)]
    assert sum(noisy) <= 6


@pytest.mark.parametrize(
    ("medians", "changes", "words"),
    [
        (QUIET, {"state_before": {"load_1min": 8.0}}, "load 8.00 on 2 cores before 10 of 10 launches"),
        ([*QUIET[:9], 2100.0], {}, "round 10 took 2.10 times the median"),
        ([1000.0 + 12 * r for r in range(10)], {}, "slower by 10.2 % from the first round to the last"),
        ([1100.0 - 12 * r for r in range(10)], {}, "faster by 10.3 % from the first round to the last"),
        ([1000.0, 1300.0] * 5, {}, "launches scatter by 19.3 %"),
    ],
)
def test_noise_is_named(medians: list[float], changes: dict[str, Any], words: str) -> None:
    assert words in the_row(launches(medians, **changes)).noise


def test_scatter_within_launches_is_named() -> None:
    wild = Timing.of_runs("us", [700.0, 800.0, 1000.0, 1000.0, 1300.0, 1500.0])
    row = the_row([r.model_copy(update={"timing": wild}) for r in launches(QUIET)])
    assert row.noise == ("runs within a launch scatter by 23.4 %",)


@pytest.mark.parametrize(
    ("threads", "cores", "words"),
    [(4, None, "4 threads on 2 cores"), (2, "1", "2 threads on 1 core"), (3, "0-1", "3 threads on 2 cores")],
)
def test_more_threads_than_cores_is_said(threads: int, cores: str | None, words: str) -> None:
    cell = a_record().cell.model_copy(update={"threads": threads, "cores": cores})
    group = the_group(launches(QUIET, cell=cell))
    assert group.rows[0].noise == (words,)
    assert words in tables.markdown([group])


def test_the_load_of_an_idle_phone_is_none() -> None:
    phone = {"cores": 8, "android": True}
    records = launches(QUIET, device_info=phone, state_before={"load_1min": 12.0})
    assert the_row(records).quiet == "quiet"


@pytest.mark.parametrize("noisy", ["nobuco", "onnx-tf"])
def test_a_noisy_cell_gets_no_green_speedup(noisy: str) -> None:
    """Wherever the noise is: a ratio is as doubtful as the worse of its two figures."""
    records = []
    for converter, factor in (("nobuco", 1.0), ("onnx-tf", 1.8)):
        load = {"load_1min": 8.0 if converter == noisy else 0.5}
        records += launches([factor * m for m in QUIET], converter, state_before=load)
    group = the_group(records)
    row = group.rows[0]
    assert row.speedup is not None and row.speedup.low is not None and row.speedup.low > 1
    assert row.verdict == "noisy"
    console = Console(width=100, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(tables.terminal([group]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[32m" not in shown and f"~{noisy}" in shown and "is noisy" in shown
    quiet = the_group([r.model_copy(update={"state_before": {"load_1min": 0.5}}) for r in records])
    assert quiet.rows[0].verdict == "faster"


def emulated(counts: list[float], converter: str = "nobuco") -> list[LaunchRecord]:
    return [
        a_record(converter=converter, round_number=r, emulated=True, timing=Timing.of_runs("kinstr", [count]))
        for r, count in enumerate(counts)
    ]


def test_one_emulated_launch_decides_and_the_repeat_shows_that_it_is_the_same() -> None:
    row = the_row(emulated([95000.0, 95010.0]))
    assert row.latency is not None and row.latency.value == 95.0 and row.quiet == "quiet"
    row = the_row(emulated([95000.0, 97000.0]))
    assert row.quiet == "noisy" and row.noise == ("a repeated launch counts 2.11 % more or less",)


@pytest.mark.parametrize(
    ("theirs", "verdict"), [(95100.0, "no difference"), (99000.0, "faster"), (90000.0, "slower")]
)
def test_emulated_counts_are_compared_without_an_interval(theirs: float, verdict: str) -> None:
    row = the_row(emulated([95000.0]) + emulated([theirs], "onnx-tf"))
    assert row.verdict == verdict and row.speedup is not None and row.speedup.low is None


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("runner", "runner r1, now r2"),
        ("system", "system r1, now r2"),
        ("converter_version", "version r1, now r2"),
    ],
)
def test_launches_of_two_runtimes_never_make_one_median(field: str, words: str) -> None:
    def of(value: str, medians: list[float]) -> list[LaunchRecord]:
        records = launches(medians)
        provenance = records[0].provenance.model_copy(update={field: value})
        return [r.model_copy(update={"provenance": provenance}) for r in records]

    group = the_group(of("r1", QUIET) + of("r2", [2000.0, 2010.0]))
    (row,) = group.rows
    assert row.latency is not None and (row.latency.n, row.latency.value) == (2, 2.005)
    assert row.hidden == f"2 launches in the newest set; an older one has 10 ({words})"
    assert row.hidden in tables.markdown([group]) and row.hidden in tables.as_csv([group])
    assert the_row(of("r1", [2000.0]) + of("r2", QUIET)).hidden is None
