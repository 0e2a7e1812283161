"""The README's comparison: measured, kept as small records in the repository, drawn from them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import BenchError
from bench.progress import Reporter
from bench.readme import smaller
from bench.readme.published import CONVERTERS, PLACES, PUBLISHED
from bench.readme.tables import belongs
from bench.run.execute import zoo
from bench.run.options import ZooOptions
from bench.run.site import known_device
from devices import DeviceError
from reports.record import Cell, LaunchRecord
from reports.store import RECORDS, RecordStore

BEGIN = "<!-- bench:readme begin -->"
END = "<!-- bench:readme end -->"


def measure(options: ZooOptions, say: Reporter) -> list[LaunchRecord]:
    """Measure every row for which there is a device; returns all launches of the comparison in the output folder.

    Args:
        options: `devices`, `rounds`, `minutes`, `timeout`, `settle`, `out` and `retry_failed` count.
        say: Where progress goes, and why a row is not measured.

    Raises:
        BenchError, ReportError: As `bench.run.zoo`; that a device cannot be used is no error.
    """
    for name in options.devices:
        try:
            info = known_device(name, say)
            delegates = [p.delegate for p in PLACES if info.abi in p.abis and p.delegate in info.delegates]
            if not delegates:
                say.line(f"{name}: has no row in the tables ({info.abi})")
                continue
            # The count of an emulated machine's instructions is the same each time.
            rounds = 1 if info.kind == "emulated" else options.rounds
            here = replace(options, devices=(name,), rounds=rounds)
            for run in (
                replace(here, models=tuple(PUBLISHED), converters=CONVERTERS, delegates=tuple(delegates)),
                replace(
                    here,
                    models=smaller.MODELS,
                    converters=(smaller.CONVERTER,),
                    delegates=(smaller.DELEGATE,),
                    precisions=smaller.PRECISIONS,
                    weights=smaller.WEIGHTS,
                ),
            ):
                for trouble in zoo(run, say).troubles:
                    say.line(f"{name}: not complete: {trouble}")
        except DeviceError as error:
            say.line(f"{name}: not measured: {error}")
    return [record for record in RecordStore(options.out / RECORDS).read().records if belongs(record)]


def keep(measured: Sequence[LaunchRecord], path: Path) -> list[LaunchRecord]:
    """Write the records behind the tables to `path`, and return them.

    Of cells that were not measured now the records that are there stay, so that rows of different devices may come from
    different days. The times of single runs are left out, which nothing in the tables is made from.

    Raises:
        BenchError: The file cannot be written.
        ReportError: What is there cannot be read.
    """
    new = {_what(record) for record in measured}
    kept = [each for each in RecordStore(path).read().records if _what(each) not in new]
    kept += [_small(record) for record in measured]
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("".join(record.model_dump_json() + "\n" for record in kept), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise BenchError(f"--records {path}: cannot be written: {error.strerror}") from error
    return kept


def _what(record: LaunchRecord) -> tuple[Cell, str]:
    return record.cell, record.provenance.weights


def _small(record: LaunchRecord) -> LaunchRecord:
    timing = record.timing.model_copy(update={"samples": ()}) if record.timing else None
    return record.model_copy(update={"timing": timing, "log": None})


def write_section(text: str, readme: Path) -> None:
    """Replace what stands between the markers of a Markdown file.

    Raises:
        BenchError: The file cannot be read or written, or has no markers.
    """
    try:
        page = readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BenchError(f"--readme {readme}: cannot be read: {reason}") from error
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchError(
            f"--readme {readme}: has no place for the tables; put the lines {BEGIN} and {END} where they belong"
        )
    partial = readme.with_name(f".{readme.name}.partial")
    try:
        partial.write_text(
            f"{before}{BEGIN}\n<!-- Written by `bench readme`. -->\n\n{text}\n{END}{after}", encoding="utf-8"
        )
        partial.replace(readme)
    except OSError as error:
        raise BenchError(f"--readme {readme}: cannot be written: {error.strerror}") from error
