"""`bench report`: tables and charts again, from records alone."""

from collections.abc import Iterable
from pathlib import Path

import click

from bench.called import bench_command
from bench.commands.options import (
    baseline_option,
    columns_option,
    json_option,
    out_option,
    print_json,
    print_table,
)
from bench.converters.registry import BASELINE
from bench.errors import BenchError
from bench.report_files import write_into_readme, write_report
from reports import tables
from reports.record import LaunchRecord
from reports.store import RECORDS, RecordStore
from reports.summary import summarise

PAGE = "report.html"


@click.command("report")
@out_option
@click.option(
    "--readme",
    type=click.Path(path_type=Path),
    default=None,
    help="Also write the tables into this Markdown file, between its bench:tables markers.",
)
@click.option(
    "--html",
    "as_html",
    is_flag=True,
    help=f"Also write {PAGE}: one page to read offline, with a part for each model.",
)
@baseline_option
@columns_option
@json_option
def command(
    out: Path,
    readme: Path | None,
    as_html: bool,
    baseline: str | None,
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make the tables and charts again from the records in the output folder."""
    store = RecordStore(out / RECORDS)
    contents = store.read()
    for complaint in contents.complaints:
        click.echo(f"warning: {complaint}", err=True)
    if not contents.records:
        raise BenchError(f"{store.path}: no records; `{bench_command()} zoo --out {out}` makes them")
    groups = summarise(contents.records, baseline=_baseline(baseline, contents.records))
    written = write_report(groups, out)
    if readme is not None:
        write_into_readme(groups, readme)
        written.append(readme)
    if as_html:
        from reports.page import write_page

        written.append(write_page(groups, out / PAGE, title=f"Benchmark: {out.resolve().name}"))
    if as_json:
        print_json(tables.flat_rows(groups))
    else:
        print_table(groups, columns)
    click.echo(f"Written: {', '.join(map(str, written))}", err=True)


def _baseline(name: str | None, records: Iterable[LaunchRecord]) -> str:
    """The converter of this name, which must be in the records, or the usual one, which need not."""
    if name is None:
        return BASELINE
    measured = sorted({record.cell.converter for record in records})
    if name not in measured:
        raise BenchError(f"--baseline {name}: the records are of {', '.join(measured)}; name one of these")
    return name
