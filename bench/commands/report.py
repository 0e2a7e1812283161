"""`bench report`: tables and charts again, from records alone."""

from pathlib import Path

import click
from rich.console import Console

from bench.commands.options import json_option, out_option, print_json
from bench.errors import BenchError
from bench.report_files import RECORDS, read_groups, write_answer, write_into_readme
from reports import tables
from reports.store import RecordStore


@click.command("report")
@out_option
@click.option(
    "--readme",
    type=click.Path(path_type=Path),
    default=None,
    help="Also write the tables into this Markdown file, between its bench:tables markers.",
)
@json_option
def command(out: Path, readme: Path | None, as_json: bool) -> None:
    """Make the tables and charts again from the records in the output folder."""
    store = RecordStore(out / RECORDS)
    groups, complaints = read_groups(store)
    for complaint in complaints:
        click.echo(f"warning: {complaint}", err=True)
    if not groups:
        raise BenchError(f"{store.path}: no records; `bench zoo --out {out}` makes them")
    written = write_answer(groups, out)
    if readme is not None:
        write_into_readme(groups, readme)
        written.append(readme)
    if as_json:
        print_json(tables.flat_rows(groups))
    else:
        Console().print(tables.terminal(groups))
    click.echo(f"Written: {', '.join(map(str, written))}", err=True)
