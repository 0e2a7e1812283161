"""The page needs nothing beside it, holds every cell once, and keeps emulated figures apart."""

import json
import re
from pathlib import Path

import pytest

from reports.page import write_page
from reports.page.icicle import icicle as icicle_of
from reports.page.write import page_of
from reports.record import Delegation, LaunchRecord, OpTime
from reports.summary import summarise
from tests.reports.make_records import a_record


def a_run(**changes: object) -> list[LaunchRecord]:
    return [
        a_record(
            model,
            converter,
            r,
            times=(base * (1 + r / 1000),),
            log=f"logs/{model}-{converter}.txt",
            **changes,
        )
        for model in ("net", "other")
        for r in range(6)
        for converter, base in (("nobuco", 1000.0), ("onnx-tf", 2000.0))
    ]


def page(records: list[LaunchRecord]) -> str:
    return page_of(summarise(records, baseline="onnx-tf"))


def body(text: str) -> str:
    """Without the scripts that are inlined."""
    return re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def charts(text: str) -> list[dict]:
    (found,) = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_the_page_needs_nothing_beside_it_and_is_small() -> None:
    text = page(a_run())
    assert len(text.encode()) < 5_000_000
    assert not re.search(r"""<(script|img)[^>]+src=|<link|@import|url\(["']?http""", body(text))
    assert text.count("<script>") == 3 and text.count("</script>") == 4


def test_the_summary_comes_first_and_leaves_the_noisy_out() -> None:
    noisy = {"state_before": {"load_1min": 9.0}, "device_info": {"cores": 2}}
    records = [r for r in a_run() if r.cell.model == "net"] + [
        r for r in a_run(**noisy) if r.cell.model == "other"
    ]
    text = " ".join(body(page([*records, a_record("broken", failure="crashed")])).split())
    assert "<b>2.00x</b> <span>nobuco: geometric-mean speed-up of 1 model, 1 noisy left out</span>" in text
    assert text.index("geometric-mean") < text.index("<table")
    assert "broken, nobuco: launch failed: crashed" in text and "load 9.00 on 2 cores" in text
    assert "td.noisy" in text and 'class=" noisy"' in text and 'class=" faster"' in text


def test_each_number_leads_to_its_raw_log_and_machine() -> None:
    text = body(page(a_run(device_info={"soc": "Cortex", "kernel": "6.1"})))
    for name in ("net-nobuco", "other-onnx-tf"):
        assert f'<a href="logs/{name}.txt" title="raw log of the newest launch, on host, Cortex">' in text
    assert "kernel: 6.1" in text


def test_charts_hold_every_figure_and_only_figures() -> None:
    latency, speedup, *_ = charts(page([*a_run(), a_record("net", "onnx2tf", error=1.0)]))
    values = {(d["model"], d["converter"]): d["value"] for d in latency["data"]["values"]}
    assert values["net", "nobuco"] == pytest.approx(1.0025) and values["net", "onnx2tf"] is None
    assert {d["value"] for d in speedup["data"]["values"]} == {2.0}


def test_what_a_model_is_called_cannot_break_the_page() -> None:
    text = page([a_record("</script><b>", round_number=r) for r in range(5)])
    assert "</script><b>" not in text and "&lt;/script&gt;&lt;b&gt;" in text
    assert charts(text)[0]["data"]["values"][0]["model"] == "</script><b>"


def test_emulated_figures_are_labelled_and_have_a_summary_of_their_own() -> None:
    cell = a_record().cell.model_copy(update={"device": "arm"})
    emulated = [
        r.model_copy(
            update={"emulated": True, "cell": cell.model_copy(update={"converter": r.cell.converter})}
        )
        for r in a_run()
        if r.cell.model == "net"
    ]
    text = body(page([*a_run(), *emulated]))
    real, apart = text.split('aria-label="Summary of emulated figures"')
    assert 'badge">emulated' not in real and 'badge">emulated' in apart.split("</section>")[0]


def test_a_profile_is_folded_onto_the_modules() -> None:
    def op(path: str | None, time: float) -> OpTime:
        return OpTime(name="CONV_2D", time=time, calls=1, delegated=path is not None, module_path=path)

    profile = (
        op("features.3.conv", 3000.0),
        op("features.3.act", 1000.0),
        op("head", 500.0),
        op(None, 500.0),
    )
    text = page([*a_run(), a_record(profile=profile, purpose="profile")])
    (icicle,) = [chart for chart in charts(text) if "$vega" in chart]
    nodes = icicle["data"][0]["values"]
    names = {node["id"]: node["name"] for node in nodes}
    assert len(names) == len(nodes)
    shown = [(node["name"], names.get(node["parent"]), node["own"], node["kind"]) for node in nodes]
    assert shown[:5] == [
        ("model", None, 0.0, "module"),
        ("features", "model", 0.0, "module"),
        ("features.3", "features", 0.0, "module"),
        ("features.3.conv", "features.3", 0.0, "module"),
        ("features.3.act", "features.3", 0.0, "module"),
    ]
    assert ("CONV_2D", "features.3.conv", 3.0, "delegated") in shown
    assert ("CONV_2D", "(no module known)", 0.5, "not delegated") in shown
    assert sum(node["own"] for node in nodes) == 5.0
    without = page([*a_run(), a_record(profile=(op(None, 1.0),), purpose="profile")])
    assert "Where the time goes" in without and not [c for c in charts(without) if "$vega" in c]


def test_what_is_too_narrow_to_be_seen_is_the_time_of_the_module_around_it() -> None:
    ops = [OpTime(name="ADD", time=1.0, calls=1, delegated=False, module_path=f"small.{n}") for n in range(9)]
    ops.append(OpTime(name="CONV_2D", time=3991.0, calls=1, delegated=False, module_path="big"))
    spec = icicle_of(ops, "ms")
    assert spec is not None
    nodes = {node["name"]: node["own"] for node in spec["data"][0]["values"]}
    assert nodes == {"model": pytest.approx(0.009), "big": 0.0, "CONV_2D": 3.991}


def test_what_the_delegate_left_is_said_in_the_part_of_the_model() -> None:
    took = Delegation(
        asked="xnnpack", applied="xnnpack", partitions=1, delegated_nodes=5, total_nodes=7, left=("GATHER",)
    )
    assert "Delegated: 5 of 7 nodes in 1 partition; refused: GATHER" in body(page(a_run(delegation=took)))


def test_many_models_make_no_page_that_cannot_be_opened() -> None:
    records = [
        a_record(f"model{number}", converter) for number in range(800) for converter in ("nobuco", "onnx-tf")
    ]
    text = page(records)
    assert len(text.encode()) < 5_000_000 and "500 more models are in report.csv" in text
    assert len(charts(text)[0]["data"]["values"]) == 80


def test_many_cells_and_profiles_make_no_page_that_cannot_be_opened() -> None:
    """The bounds are counts of cells and of profiles: a hundred models may have ten cells each, all profiled."""
    ops = tuple(
        OpTime(
            name="CONV_2D",
            time=1.0 + n,
            calls=1,
            delegated=False,
            module_path=f"features.{n}.conv",
            source=f"net.py:{n}",
        )
        for n in range(500)
    )
    records = [
        a_record(
            f"model{number}",
            cell=a_record().cell.model_copy(update={"model": f"model{number}", "threads": threads}),
            **more,
        )
        for number in range(200)
        for threads in range(1, 11)
        for more in (
            {},
            {"purpose": "profile", "profile_delegate": "cpu", "profile": ops if number < 30 else ops[:1]},
        )
    ]
    text = page(records)
    assert len(text.encode()) < 5_000_000 and "40 more models are in report.csv" in text
    assert len([chart for chart in charts(text) if "$vega" in chart]) == 20
    assert "The 852 modules that cost least are left out." in text
    assert text.count("Where the time goes stands in report.md") == 158


def test_a_page_is_written(tmp_path: Path) -> None:
    path = write_page(summarise(a_run(), baseline="onnx-tf"), tmp_path / "report.html", title="A & B")
    assert "<title>A &amp; B</title>" in path.read_text()
