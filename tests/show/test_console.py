import copy
import dataclasses
import io
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import torch
from rich.console import Console
from torch import nn

import nobuco
from nobuco.show.console import PLAIN_LINES, print_tree
from nobuco.show.rows import LOOKS, rows_of
from nobuco.trace.calls import Kind
from nobuco.validate.report import Report, Status
from tests.show.show_helpers import sample_report


def printed(report: Report, terminal: bool = False, encoding: str = "utf-8", **options) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    console = Console(
        file=file,
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
        width=240,
        **options,
    )
    print_tree(report, console)
    file.seek(0)
    return file.read()


def line_with(text: str, output: str) -> str:
    found = [line for line in output.splitlines() if text in line]
    assert found, f"no line with {text!r} in\n{output}"
    return found[0]


def as_status(report: Report, status: Status) -> Report:
    """The same report with one call in another status."""
    changed = copy.copy(report)
    changed.calls = dict(report.calls)
    found = next(each for each in report.calls.values() if each.call.name == "torch.sin")
    changed.calls[found.call] = dataclasses.replace(found, status=status)
    return changed


def test_a_line_tells_name_path_and_shapes(report):
    line = line_with("Conv2d", printed(report))
    assert "Conv2d (conv)  (1, 4, 6, 8) → (1, 4, 6, 8)" in line


def test_constants_carry_their_path(report):
    assert "(1, 4, 6, 8), weight (8, 8), bias (8) → (1, 4, 6, 8)" in line_with("F.linear", printed(report))
    assert "table (8)" in line_with("■ torch.exp", printed(report))


def test_an_inexact_call_shows_its_error(report):
    assert "error 2.5e-01" in line_with("≈", printed(report))


def test_what_python_reads_shows_its_value(report):
    assert "⚑ Tensor.__bool__  bool() → True" in line_with("⚑", printed(report))


def test_marks(report):
    output = printed(report)
    assert "in-place" in line_with("Tensor.add_", output)
    assert "alias" in line_with("Tensor.__setitem__", output)
    assert "1 transpose" in output
    convolutions = [line for line in output.splitlines() if "torch.conv2d" in line]
    assert ["shared" in line for line in convolutions] == [False, True]


def test_what_lies_inside_a_converted_module_is_folded_away(report):
    assert any(call.name == "torch.exp" and not call.folded for call in report.root.walk())
    assert [line for line in printed(report).splitlines() if "torch.exp" in line] == [
        line_with("■ torch.exp", printed(report))
    ]


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.CONTAINER])
def test_every_status_has_a_symbol_of_its_own(report, status):
    changed = as_status(report, status)
    assert f"{LOOKS[status].symbol} torch.sin" in printed(changed)
    # what is no terminal may be no UTF-8 either
    assert f"{LOOKS[status].ascii} torch.sin" in printed(changed, encoding="ascii")
    assert (
        len({look.symbol for look in LOOKS.values()})
        == len({look.ascii for look in LOOKS.values()})
        == len(LOOKS)
    )


def test_colours_on_a_terminal(report):
    assert "\x1b[33m≈" in printed(report, terminal=True)
    assert "\x1b[32m✓" in printed(report, terminal=True)
    assert "\x1b[35m⚑" in printed(report, terminal=True)


def test_links_open_existing_lines(report, monkeypatch):
    monkeypatch.delenv("NOBUCO_LINK", raising=False)
    monkeypatch.delenv("TERM_PROGRAM", raising=False)
    links = set(re.findall(r"\x1b\]8;[^;]*;([^\x1b]+)\x1b\\", printed(report, terminal=True)))
    assert links
    for link in links:
        parts = urlparse(link)
        assert parts.scheme == "file"
        assert 1 <= int(parts.fragment) <= len(Path(unquote(parts.path)).read_text().splitlines())


def test_links_lead_to_call_definition_and_converter(report, monkeypatch):
    monkeypatch.setenv("NOBUCO_LINK", "editor:{path}@{line}")
    line = line_with("≈", printed(report, terminal=True))
    invoked, defined, converted = re.findall(r"\x1b\]8;[^;]*;editor:(.+?)@(\d+)\x1b\\", line)
    source = Path(__file__).with_name("show_helpers.py").read_text().splitlines()
    assert invoked[0] == defined[0] == converted[0] == str(Path(__file__).with_name("show_helpers.py"))
    assert "x = doubled(x)" in source[int(invoked[1]) - 1]
    assert "traceable" in source[int(defined[1]) - 1]
    assert "wrong_doubled" in source[int(converted[1])]


def test_vscodes_terminal_gets_its_own_links(report, monkeypatch):
    monkeypatch.delenv("NOBUCO_LINK", raising=False)
    monkeypatch.setenv("TERM_PROGRAM", "vscode")
    assert "vscode://file/" in printed(report, terminal=True)


def test_plain_where_there_is_no_terminal(report):
    output = printed(report)
    assert "\x1b" not in output
    assert "show_helpers.py:" in line_with("≈", output)


def test_a_long_tree_is_cut_down_to_its_problems(monkeypatch):
    class Long(nn.Module):
        def forward(self, x):
            for _ in range(PLAIN_LINES):
                x = torch.sin(x)
            from tests.show.show_helpers import doubled

            return doubled(x)

    with pytest.warns(nobuco.DiscrepancyWarning):
        report = nobuco.pytorch_to_keras(Long(), [torch.rand(2)], verbose=False).report
    output = printed(report)
    assert len(output.splitlines()) < 10
    assert "Long" in output and "show_helpers.doubled" in output and f"({PLAIN_LINES} more)" in output
    assert len(printed(report, terminal=True).splitlines()) > PLAIN_LINES


def test_the_summary_names_the_largest_error(report):
    last = printed(report).splitlines()[-1]
    assert "2.5e-01" in last and "doubled" in last and "show_helpers.py" in last


def test_verbose_prints_to_stderr_only(capfd):
    sample_report(verbose=True)
    shown = capfd.readouterr()
    assert "Sample" in shown.err and shown.out == ""
    sample_report(verbose=False)
    shown = capfd.readouterr()
    assert "Sample" not in shown.err


def test_a_module_of_which_nothing_is_used_is_unused():
    class Inner(nn.Module):
        def forward(self, x):
            return torch.sin(x)

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def forward(self, x):
            self.inner(x)
            return torch.cos(x)

    report = nobuco.pytorch_to_keras(Outer(), [torch.rand(2)], verbose=False).report
    root = rows_of(report)
    assert [row.status for row in root.walk() if row.call.kind is Kind.MODULE] == [
        Status.CONTAINER,
        Status.UNUSED,
    ]


def test_what_a_converted_function_raises_stands_below_its_call(capfd):
    @nobuco.traceable
    def broken(x):
        return x + 1

    @nobuco.converter(broken, channel_ordering_strategy=nobuco.ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)
    def converter_broken(x):
        return lambda x, y: x

    with pytest.raises(nobuco.NobucoError, match="missing 1 required positional argument"):
        nobuco.pytorch_to_keras(lambda x: broken(x), [torch.rand(2)])
    shown = capfd.readouterr().err
    assert "✗" in line_with("broken", shown)
    assert "TypeError" in shown and "\x1b" not in shown and "Exception encountered" not in shown
