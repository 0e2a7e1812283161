"""`bench readme`: the published comparison, measured again."""

from pathlib import Path

import click

from bench.called import bench_command
from bench.commands.options import CommaList, json_option, out_option, print_json
from bench.errors import BenchError
from bench.progress import Reporter
from bench.readme.comparison import keep, measure, write_section
from bench.readme.tables import belongs, markdown
from bench.run.options import ZooOptions
from reports.store import RecordStore

_RECORDS = Path("docs/records/readme.jsonl")


@click.command("readme")
@click.option(
    "--from-records",
    "from_records",
    is_flag=False,
    flag_value=str(_RECORDS),
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="[FILE]",
    help=f"Measure nothing: draw the tables from the records in FILE. [without FILE: {_RECORDS}]",
)
@click.option(
    "--device",
    "devices",
    type=CommaList(),
    default="host,arm",
    show_default=True,
    help="Devices to measure on; arm is the phone attached through adb, else the emulated machine.",
)
@click.option("--rounds", type=click.IntRange(min=1), help="Launches of each cell on real devices.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=ZooOptions.minutes,
    show_default=True,
    help="Time for measuring on each device, when --rounds is not given.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=5400.0,
    show_default=True,
    help="Seconds for one conversion or one launch; an emulated launch of deeplabv3 takes many minutes.",
)
@click.option(
    "--readme",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("README.md"),
    show_default=True,
    help="The Markdown file to write the tables into, between its bench:readme markers.",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_RECORDS,
    show_default=True,
    help="Where the records behind the tables are kept.",
)
@out_option
@click.option("--retry-failed", is_flag=True, help="Try again what failed in earlier runs.")
@click.option("--no-write", is_flag=True, help="Only print the tables.")
@click.option("--measured-only", is_flag=True, help="Leave out rows without figures.")
@json_option
def command(
    from_records: Path | None,
    devices: tuple[str, ...],
    rounds: int | None,
    minutes: float,
    timeout: float,
    page: Path,
    records: Path,
    out: Path,
    retry_failed: bool,
    no_write: bool,
    measured_only: bool,
    as_json: bool,
) -> None:
    """Measure what the original README published, and write the tables into this one.

    mobilenet_v3_large, deeplabv3_resnet50 and SliceReLU, nobuco against onnx-tf; and nobuco's files of fewer bits beside
    their float32 files, for as long again. On this machine, on the phone attached through adb, else on an emulated Arm
    machine. A row without a device says so.
    """
    say = Reporter()
    if from_records is not None:
        shown = [record for record in RecordStore(from_records).read().records if belongs(record)]
        if not shown:
            raise BenchError(
                f"{from_records}: no records of the comparison; `{bench_command()} readme` makes them"
            )
    else:
        options = ZooOptions(
            devices=devices,
            rounds=rounds,
            minutes=minutes,
            timeout=timeout,
            out=out,
            retry_failed=retry_failed,
        )
        shown = measure(options, say)
        if not no_write:
            shown = keep(shown, records)
    text = markdown(shown, measured_only)
    if as_json:
        print_json([record.model_dump(mode="json") for record in shown])
    else:
        click.echo(text)
    if not no_write:
        write_section(text, page)
        say.line(f"Written: {page}")
