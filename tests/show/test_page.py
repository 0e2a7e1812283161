import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import torch
from torch import nn

import nobuco
from nobuco.show.page import axes, page_of, write_page
from nobuco.show.rows import LOOKS, rows_of
from nobuco.validate.report import Status
from tests.show.show_helpers import sample_report

VOID = {"meta", "input", "br", "link", "img"}


class Page(HTMLParser):
    """The elements of a page; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        if self._open and (key := self._open[-1][1].get("id")):
            self.texts[key] = self.texts.get(key, "") + data

    def with_class(self, word: str) -> list[dict[str, str | None]]:
        return [attrs for _, attrs in self.elements if word in (attrs.get("class") or "").split()]


@pytest.fixture(scope="module")
def page(report):
    return Page(page_of(report))


def test_every_call_has_a_row(report, page):
    assert len(page.with_class("row")) == len(list(report.root.walk()))


def test_rows_carry_their_status(report, page):
    shown = [row["data-status"] for row in page.with_class("row")]
    expected = ["covered" if row.covered else row.status.name.lower() for row in rows_of(report).walk()]
    assert shown == expected
    assert {"right", "inexact", "read", "unused", "folded", "container", "covered"} <= set(shown)


def test_details_hold_tensors_layouts_and_sources(report, page):
    details = json.loads(page.texts["details"])
    sources = json.loads(page.texts["sources"])
    linear = next(each for each in details if each["name"] == "F.linear")
    assert [each["shape"] for each in linear["inputs"]] == ["(1, 4, 6, 8)", "(8, 8)", "(8)"]
    assert linear["inputs"][0]["layout"] == "BCHW" and linear["inputs"][1]["what"] == "linear.weight"
    inexact = next(each for each in details if each["status"] == "inexact")
    assert inexact["error"] == "2.5e-01"
    assert "x * 2.5" in sources[inexact["source"]]
    assert [place["what"] for place in inexact["places"]] == ["Invoked", "Defined", "Converted"]
    assert inexact["places"][0]["line"] == "x = doubled(x)"
    moved = [t for each in details for t in each["inputs"] if t["transposed"]]
    assert moved and all({t["transposed"], t["layout"]} <= {"BHWC", "BCHW"} for t in moved)


def test_links_open_existing_lines(page):
    links = [attrs for tag, attrs in page.elements if tag == "a" and "data-file" in attrs]
    assert links
    for link in links:
        file = urlparse(link["data-file"])
        lines = Path(unquote(file.path)).read_text().splitlines()
        assert file.scheme == "file" and 1 <= int(file.fragment) <= len(lines)
        assert link["href"] == f"vscode://file{file.path}:{file.fragment}"


def test_it_needs_no_network(report):
    text = page_of(report)
    assert not re.search(r"https?://", text)
    assert not re.search(r"<(link|img|iframe)\b|@import|url\(|\bsrc=", text)


def test_the_header_sums_up(report, page):
    text = page_of(report)
    assert len(page.with_class("card")) == len(report.checks) + 2
    assert len(page.with_class("v-wrong")) == 2  # the formula is wrong on traced and on fresh inputs
    born = next(attrs["href"] for tag, attrs in page.elements if tag == "a" and "href" in attrs)
    number = int(born.removeprefix("#call-"))
    assert json.loads(page.texts["details"])[number]["status"] == "inexact"
    assert f"<b>{report.count(Status.UNUSED)}</b>" in text


def test_names_are_escaped(tmp_path):
    class Evil(nn.Module):
        def forward(self, x):
            return torch.relu(x)

    Evil.__name__ = "</script><img src=x onerror=alert(1)>"
    report = nobuco.pytorch_to_keras(Evil(), [torch.rand(2)], verbose=False).report
    text = page_of(report)
    assert "<img" not in text
    assert json.loads(Page(text).texts["details"])[0]["name"] == Evil.__name__


def test_a_conversion_that_stops_leaves_a_page_all_the_same(tmp_path):
    class Missing(nn.Module):
        def forward(self, x):
            return torch.special.hermite_polynomial_h(torch.relu(x), 3)

    file = tmp_path / "missing.html"
    with pytest.raises(nobuco.MissingConverterError):
        nobuco.pytorch_to_keras(Missing(), [torch.rand(2)], verbose=False, save_trace_html=file)
    statuses = [row["data-status"] for row in Page(file.read_text()).with_class("row")]
    assert statuses == ["container", "unchecked", "missing"]


def test_a_converter_that_raises_is_shown_on_its_call(tmp_path):
    @nobuco.traceable
    def broken(x):
        return x + 1

    @nobuco.converter(broken, channel_ordering_strategy=nobuco.ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)
    def converter_broken(x):
        raise ZeroDivisionError("of all things")

    file = tmp_path / "failed.html"
    with pytest.raises(nobuco.NobucoError, match="of all things"):
        nobuco.pytorch_to_keras(lambda x: broken(x), [torch.rand(2)], verbose=False, save_trace_html=file)
    page = Page(file.read_text())
    assert [row["data-status"] for row in page.with_class("row")][-1] == "failed"
    assert "of all things" in json.loads(page.texts["details"])[-1]["message"]


def test_save_trace_html(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = sample_report(save_trace_html=True)
    assert (tmp_path / "trace.html").read_text() == page_of(report)
    write_page(report, tmp_path / "again.html")
    assert (tmp_path / "again.html").is_file()


def test_axes():
    assert axes((0, 2, 3, 1)) == "BHWC"
    assert axes((0, 1, 2)) == "BCL"
    assert axes((0, 2, 3, 4, 1)) == "BDHWC"
    assert axes((0, 1)) == ""


def test_every_status_has_a_look():
    assert set(LOOKS) == set(Status)
