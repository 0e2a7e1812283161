"""A store survives what befalls files: a kill in mid-write, a full disk, a changed line."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.errors import ReportError
from reports.record import LaunchRecord, Timing
from reports.store import RecordStore
from tests.reports.make_records import a_record


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "deep" / "records.jsonl")
    records = [a_record(round_number=i) for i in range(3)] + [
        a_record(error=float("inf"), model="naïve\nname")
    ]
    for record in records:
        store.append(record)
    assert store.read().records == records
    assert store.read().complaints == []


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert RecordStore(tmp_path / "none.jsonl").read().records == []


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_cut_anywhere_loses_at_most_the_last_record(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store = RecordStore(tmp_path_factory.mktemp("cut") / "records.jsonl")
    records = [a_record(round_number=i, model=data.draw(st.text(max_size=5))) for i in range(3)]
    for record in records:
        store.append(record)
    content = store.path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    store.path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")

    contents = store.read()
    assert contents.records == records[:whole]
    assert bool(contents.complaints) == (not content[:cut].endswith(b"\n") and cut > 0)

    later = a_record(round_number=9)
    store.append(later)
    assert store.read().records == [*records[:whole], later]
    assert store.read().complaints == []


@pytest.mark.parametrize("version", [1, 2])
def test_older_records_are_read_with_their_runner_and_system(version: int, tmp_path: Path) -> None:
    record = a_record(runner="embedded ab (LiteRT 2.2)", device_info={"os": "Debian", "kernel": "6.1"})
    old = json.loads(record.model_dump_json())
    provenance = old.pop("provenance")
    del provenance["runner"], provenance["system"], old["profile"], old["delegation"]["refused_at_most"]
    for name in ("samples", "worst_element", "worst_at", "top1_agreeing", "top1_rows"):
        del old["accuracy"][name]
    old["subject" if version == 1 else "provenance"] = provenance
    (tmp_path / "records.jsonl").write_text(json.dumps({**old, "schema_version": version}) + "\n")
    (read,) = RecordStore(tmp_path / "records.jsonl").read().records
    assert read.provenance.runner == "embedded ab (LiteRT 2.2)"
    assert read.provenance.system == "Debian, 6.1"
    assert read.accuracy == record.accuracy and read.delegation == record.delegation


def test_a_changed_line_is_named(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records.jsonl")
    store.append(a_record())
    store.path.write_text(store.path.read_text() + '{"schema_version": 99}\n' + store.path.read_text())
    with pytest.raises(ReportError, match=r"records\.jsonl, line 2: .*schema_version"):
        store.read()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"threads":1', '"threads":"one"', "cell.threads"),
        ('"samples":[1000.0', '"samples":["much"', "timing.samples: .*not a list of numbers"),
        ('"round":0', '"round":0,"rounds":1', "rounds: Extra inputs"),
        ("{", "[", "line: "),
    ],
)
def test_what_is_wrong_with_a_line_is_named(old: str, new: str, words: str, tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records.jsonl")
    store.append(a_record())
    store.path.write_text(store.path.read_text().replace(old, new, 1))
    with pytest.raises(ReportError, match=rf"line 1: not a launch record of this version \({words}"):
        store.read()


def test_a_full_disk_leaves_no_part_of_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RecordStore(tmp_path / "records.jsonl")
    store.append(a_record())
    before = store.path.read_bytes()
    real_write = os.write

    def short_write(descriptor: int, content: bytes) -> int:
        return real_write(descriptor, content[:10])

    monkeypatch.setattr(os, "write", short_write)
    with pytest.raises(ReportError, match="No space left on device; free some space"):
        store.append(a_record(round_number=1))
    assert store.path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = RecordStore(tmp_path / "file" / "records.jsonl")
    with pytest.raises(ReportError, match=r"file/records\.jsonl: cannot be written: .*; give another --out"):
        store.append(a_record())


def test_an_unsynced_record_is_not_taken_for_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RecordStore(tmp_path / "records.jsonl")

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(ReportError, match="Input/output error"):
        store.append(a_record())
    assert store.path.read_bytes() == b""


def test_records_tell_cells_and_rounds_apart() -> None:
    keys = {r.key for r in (a_record(), a_record(round_number=1), a_record(model="b"), a_record(version="2"))}
    assert len(keys) == 4
    assert a_record(times=(5.0,)).key == a_record().key


def test_many_runs_are_thinned_but_none_is_left_out_of_the_figures() -> None:
    timing = Timing.of_runs("us", [float(i) for i in range(1001)])
    assert (timing.runs, timing.median, timing.lowest, timing.highest) == (1001, 500.0, 0.0, 1000.0)
    assert 90 < len(timing.samples) <= 100
    assert list(timing.samples[:2]) == [0.0, 11.0]


def test_unknown_fields_are_refused() -> None:
    text = a_record().model_dump_json().replace('"round":', '"rounds":')
    with pytest.raises(ValueError, match="rounds"):
        LaunchRecord.model_validate_json(text)
