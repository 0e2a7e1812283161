"""`bench compare`: two runs, converters or commits, and an exit code for CI."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown

from bench.called import bench_command
from bench.commands.options import Percent, json_option, out_option, print_json
from bench.converters.registry import NAMES
from bench.errors import BenchError
from reports.compare import Comparison, compare, markdown, rows, summary
from reports.record import LaunchRecord
from reports.store import RECORDS, RecordStore

REGRESSED = 5
_SHORTEST_COMMIT = 7


@dataclass(frozen=True)
class _Side:
    """One side of a comparison: its name, its records, and whether a converter was named."""

    name: str
    records: list[LaunchRecord]
    is_converter: bool = False


@click.command("compare")
@click.argument("before")
@click.argument("after")
@out_option
@click.option(
    "--fail-on-regression",
    type=Percent(),
    default=None,
    help=f"End with exit code {REGRESSED} where a cell is slower by more than this for certain, such as 3%, fails now, or "
    "is delegated less.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a pull request.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    before: str,
    after: str,
    out: Path,
    fail_on_regression: float | None,
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Compare BEFORE with AFTER, cell by cell.

    Each is a folder of results or a file of records; or, of those in --out, a converter, or a commit that bench was run
    from. A folder with a converter's name is written ./NAME.
    """
    if as_json and as_markdown:
        raise BenchError("--json and --markdown: give one of them")
    sides = [_side(name, out) for name in (before, after)]
    if sides[0].is_converter != sides[1].is_converter:
        raise BenchError(f"{before} and {after}: one is a converter, the other is not; give two of a kind")
    found = compare(sides[0].records, sides[1].records, paired=sides[0].is_converter)
    if as_json:
        print_json(rows(found))
    else:
        text = markdown(found, sides[0].name, sides[1].name)
        if as_markdown:
            click.echo(text, nl=False)
        else:
            Console().print(Markdown(text))
    if fail_on_regression is not None:
        ctx.exit(_conclude(found, fail_on_regression))


def _conclude(found: Sequence[Comparison], limit: float) -> int:
    regressed = [c for c in found if c.regressed(limit)]
    for each in regressed:
        words = each.newly_undelegated or each.reason or f"slower by more than {100 * limit:g} %"
        click.echo(f"Regression: {each.where}: {words}", err=True)
    unclear = sum(c.verdict == "unclear" for c in found)
    if unclear:
        click.echo(f"{unclear} unclear: too noisy, or too few launches, to tell", err=True)
    if not regressed:
        click.echo(f"No regression of more than {100 * limit:g} %: {summary(found)}", err=True)
    return REGRESSED if regressed else 0


def _side(name: str, out: Path) -> _Side:
    path = Path(name)
    # A name without a folder in it may be a converter's even where a folder has it, as nobuco's does in its checkout.
    records = _read(out) if (out / RECORDS).is_file() and (not path.exists() or path.name == name) else []
    ours = [r for r in records if r.cell.converter == name]
    if ours:
        return _Side(name, ours, is_converter=True)
    if path.exists() and (name not in NAMES or not records):
        return _Side(name, _read(path))
    if len(name) >= _SHORTEST_COMMIT:
        at_commit = [r for r in records if (r.environment.git or "").startswith(name)]
        if at_commit:
            return _Side(name, at_commit)
    converters = sorted({r.cell.converter for r in records})
    commits = sorted({r.environment.git for r in records if r.environment.git})
    there = f"{out} has the converters {', '.join(converters)}" if converters else f"{out} has no records"
    there += f" and the commits {', '.join(commits)}" if commits else ""
    raise BenchError(f"{name}: neither a folder of results nor a converter nor a commit; {there}")


def _read(path: Path) -> list[LaunchRecord]:
    store = RecordStore(path / RECORDS if path.is_dir() else path)
    records = store.read().records
    if not records:
        raise BenchError(f"{store.path}: no records; `{bench_command()} zoo --out {path}` makes them")
    return records
