"""The report of a run on disk: Markdown, CSV, charts, and the tables in a README."""

import re
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from reports import profile_tables, tables
from reports.summary import Group

MOST_CHARTED = 60
"""Models in a chart; a picture of more cannot be looked at, nor drawn at some size."""
TABLES_BEGIN = "<!-- bench:tables begin -->"
TABLES_END = "<!-- bench:tables end -->"


def write_report(groups: Sequence[Group], out: Path) -> list[Path]:
    """Write `report.md`, `report.csv`, and charts (PNG and SVG) for each group with times to compare: of the times, and of
    what files of other precisions than float32 take against how many of their answers stay what they were.

    Args:
        groups: What the report is about.
        out: The folder.

    Returns:
        What was written.

    Raises:
        BenchError: The folder cannot be written.
    """
    # matplotlib takes a second to import
    from reports.alike_chart import save_alike_chart
    from reports.chart import save_chart

    written = [out / "report.md", out / "report.csv"]
    try:
        stale = _pictures_of(written[0])
        left_out: list[str] = []
        for group in groups:
            if group.software_gpu or not any(row.latency for row in group.rows):
                continue
            if len(group.models) > MOST_CHARTED:
                left_out.append(f"No chart of {group.title}: it would show {len(group.models)} models.")
                continue
            stem = "chart" if len(groups) == 1 else f"chart-{group.slug}"
            written += save_chart(group, out / stem)
            written += save_alike_chart(group, out / f"{stem}-alike")
        pictures = [path.name for path in written if path.suffix == ".png"]
        text = tables.markdown(groups) + "".join(f"\n![{name}]({name})\n" for name in pictures)
        text += "".join(f"\n{line}\n" for line in left_out)
        text += f"\n{found}" if (found := profile_tables.markdown(groups)) else ""
        for path in stale - set(written):
            path.unlink(missing_ok=True)
        written[0].write_text("# Benchmark\n\n" + text, encoding="utf-8")
        written[1].write_text(tables.as_csv(groups), encoding="utf-8")
    except OSError as error:
        raise BenchError(
            f"{out}: the report cannot be written: {error.strerror}; give another --out"
        ) from error
    return written


def _pictures_of(report: Path) -> set[Path]:
    """The charts that the report of an earlier run shows: those that this run does not write are out of date."""
    if not report.is_file():
        return set()
    names = re.findall(
        r"^!\[(chart[^\]/]*)\.png\]\(\1\.png\)$", report.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {report.with_name(name + suffix) for name in names for suffix in (".png", ".svg")}


def write_into_readme(groups: Sequence[Group], readme: Path) -> None:
    """Replace the text between the markers of a Markdown file by the tables.

    Raises:
        BenchError: The file cannot be read or written, or has no markers.
    """
    try:
        text = readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BenchError(f"--readme {readme}: cannot be read: {reason}") from error
    before, begin, rest = text.partition(TABLES_BEGIN)
    _, end, after = rest.partition(TABLES_END)
    if not begin or not end:
        raise BenchError(
            f"--readme {readme}: has no place for the tables; put the lines {TABLES_BEGIN} and {TABLES_END} "
            "where they belong"
        )
    body = f"{TABLES_BEGIN}\n<!-- Written by `bench report --readme`. -->\n\n"
    body += f"{tables.markdown(groups, heading='###')}\n{TABLES_END}"
    partial = readme.with_name(f".{readme.name}.partial")
    try:
        partial.write_text(before + body + after, encoding="utf-8")
        partial.replace(readme)
    except OSError as error:
        raise BenchError(f"--readme {readme}: cannot be written: {error.strerror}") from error
