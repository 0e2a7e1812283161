"""A profile is folded without losing time: by module, by kind of op, and in the text tables."""

import io

import pytest
from rich.console import Console

from reports import profile_tables
from reports.modules import by_kind, by_module
from reports.record import Conversion, LaunchRecord, OpTime
from reports.summary import summarise
from tests.reports.make_records import a_record


def op(path: str | None, time: float, name: str = "CONV_2D", delegated: bool = False) -> OpTime:
    return OpTime(
        name=name,
        time=time,
        calls=1,
        delegated=delegated,
        partition=0 if delegated else None,
        module_path=path,
        source=f"net.py:{round(time)}" if path is not None else None,
    )


OPS = (
    op("features.3.conv", 3000.0),
    op("head", 500.0),
    op("features.3", 250.0, "ADD"),
    op("features.3.conv", 1000.0, "RELU"),
    op("", 150.0, "ADD"),
    op(None, 100.0, "MUL"),
)


def test_a_module_costs_what_it_and_those_within_it_cost() -> None:
    found = by_module(OPS)
    assert [(cost.path, cost.total, cost.own, cost.ops) for cost in found] == [
        ("", 5.0, 0.15, 6),
        ("features", 4.25, 0.0, 3),
        ("features.3", 4.25, 0.25, 3),
        ("features.3.conv", 4.0, 4.0, 2),
        ("head", 0.5, 0.5, 1),
        ("(no module known)", 0.1, 0.1, 1),
    ]
    assert sum(cost.own for cost in found) == pytest.approx(5.0)
    assert found[3].share == pytest.approx(0.8) and found[3].sources == ["net.py:3000", "net.py:1000"]


def test_kinds_are_told_apart_by_who_runs_them() -> None:
    found = by_kind([op(None, 1000.0), op(None, 2000.0, delegated=True), op(None, 500.0)])
    assert [(kind.kind, kind.ops, kind.total, kind.delegated) for kind in found] == [
        ("CONV_2D", 1, 2.0, True),
        ("CONV_2D", 2, 1.5, False),
    ]


def texts(*profiles: LaunchRecord) -> list[str]:
    """On a terminal, and as Markdown."""
    groups = summarise([*(a_record(round_number=r) for r in range(5)), *profiles], baseline="onnx-tf")
    console = Console(width=80, record=True, file=io.StringIO())
    found = profile_tables.terminal(groups)
    if found is not None:
        console.print(found)
    return [" ".join(text.split()) for text in (console.export_text(), profile_tables.markdown(groups))]


def test_the_text_tables_name_modules_with_their_share_and_line() -> None:
    profile = a_record(profile=OPS, purpose="profile", profile_delegate="cpu")
    terminal, markdown = texts(profile)
    assert "features.3.conv 4.00 80.0% net.py:3000" in terminal
    assert "| features.3.conv | 4.00 | 80.0% | net.py:3000, net.py:1000 |" in markdown
    assert "| (no module known) | 0.100 | 2.0% |" in markdown
    for text in (terminal, markdown):
        assert "net, nobuco, host, without xnnpack, by the runtime's own kernels (cpu)" in text
        assert "Its ops take 5.00 ms in all. Without the profiler a run takes 1.10 ms." in text
        assert "The profiler slows this model down, so the shares are rough." in text


def test_what_a_delegate_ran_is_not_given_to_modules() -> None:
    ops = (op(None, 2000.0, "Convolution", delegated=True), op(None, 1000.0, "Add (ND)", delegated=True))
    for text in texts(a_record(profile=ops, purpose="profile", profile_delegate="xnnpack")):
        assert "Convolution ×1" in text and "66.7%" in text
        assert "xnnpack ran 2 ops of its own in 1 partition, and does not say which ops of the file" in text


def test_a_delegate_s_part_is_named_beside_the_modules_of_the_rest() -> None:
    ops = (
        op("head", 500.0),
        op(None, 800.0, "Add (ND)", delegated=True),
        op(None, 200.0, "Add (ND)", delegated=True),
    )
    assert [(cost.path, cost.own) for cost in by_module(ops)] == [
        ("", 0.0),
        ("head", 0.5),
        ("(delegate: 2 ops)", 1.0),
    ]
    for text in texts(a_record(profile=ops, purpose="profile", profile_delegate="xnnpack")):
        assert "(delegate: 2 ops)" in text and "rough" not in text


def test_an_emulated_profile_is_labelled() -> None:
    emulated = {"emulated": True, "device_info": {}}
    records = [
        a_record(**emulated),
        a_record(profile=OPS, purpose="profile", profile_delegate="cpu", **emulated),
    ]
    text = profile_tables.markdown(summarise(records, baseline="onnx-tf"))
    assert "net, nobuco, host (emulated), without xnnpack" in text and "| module | Minstr |" in text


def test_why_there_are_no_modules_is_said() -> None:
    conversion = Conversion(origins=False)
    profile = a_record(
        converter="nobuco",
        profile=(op(None, 1.0),),
        purpose="profile",
        profile_delegate="xnnpack",
        conversion=conversion,
    )
    for text in texts(profile):
        assert "nobuco does not say which module of the PyTorch program an op of its file comes from" in text
    failed = a_record(failure="the runner lists no ops", purpose="profile", profile_delegate="xnnpack")
    for text in texts(failed):
        assert "No profile: the runner lists no ops." in text and "kind of op" not in text


def test_without_a_profile_nothing_is_said() -> None:
    assert texts() == ["", ""]


def test_a_terminal_shows_the_first_profiles_and_says_where_the_others_are() -> None:
    profiles = [
        a_record(profile=OPS, purpose="profile", profile_delegate=f"delegate {number}") for number in range(9)
    ]
    terminal, markdown = texts(*profiles)
    assert terminal.count("Where the time goes") == 6 and "3 more of these are in report.md." in terminal
    assert markdown.count("Where the time goes") == 9
