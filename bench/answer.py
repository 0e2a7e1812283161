"""From records to the answer on disk: Markdown, CSV, charts."""

from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from reports import tables
from reports.record import Cell
from reports.store import RecordStore
from reports.summary import Group, summarise

RECORDS = "records.jsonl"


def read_groups(store: RecordStore, cells: Sequence[Cell] | None = None) -> tuple[list[Group], list[str]]:
    """The condensed records, and complaints about lines that could not be read."""
    contents = store.read()
    return summarise(contents.records, cells), contents.complaints


def write_answer(groups: Sequence[Group], out: Path) -> list[Path]:
    """`report.md`, `report.csv`, and a chart (PNG and SVG) for each group; returns what was written."""
    from reports.chart import save_chart  # matplotlib takes a second to import

    written = [out / "report.md", out / "report.csv"]
    try:
        for group in groups:
            stem = "chart" if len(groups) == 1 else f"chart-{group.slug}"
            written += save_chart(group, out / stem)
        pictures = [path.name for path in written if path.suffix == ".png"]
        text = tables.markdown(groups) + "".join(f"\n![{name}]({name})\n" for name in pictures)
        written[0].write_text("# Benchmark\n\n" + text, encoding="utf-8")
        written[1].write_text(tables.as_csv(groups), encoding="utf-8")
    except OSError as error:
        raise BenchError(
            f"{out}: the report cannot be written: {error.strerror}; give another --out"
        ) from error
    return written
