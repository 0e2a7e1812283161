"""Options, and types of options, that several commands share."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.converters.precisions import check_precision
from bench.converters.registry import BASELINE
from bench.errors import BenchError
from reports import profile_tables, tables
from reports.columns import EXTRA
from reports.summary import Group


class CommaList(click.ParamType):
    """`a,b,c` -> ("a", "b", "c"), each converted by `item`."""

    name = "LIST"

    def __init__(self, item: Callable[[str], Any] = str) -> None:
        self.item = item

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The items, each once; an empty list, or an item that `item` refuses, is a usage error."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",") if word.strip()]
        if not words:
            self.fail("give at least one", param, ctx)
        try:
            return tuple(dict.fromkeys(self.item(word) for word in words))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class Percent(click.ParamType):
    """`2%` or `0.02` -> 0.02; above 0 and below 1, or both allowed where it is a share of the `whole`."""

    name = "PERCENT"

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The share; what is none is a usage error."""
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(f"{text!r} is no share; write 2% or 0.02", param, ctx)
        if not (0 <= share <= 1 if self.whole else 0 < share < 1):
            self.fail(f"{text} must lie between 0% and 100%", param, ctx)
        return share


class Precisions(CommaList):
    """Names of precisions."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The names; what is none is a usage error."""
        try:
            return tuple(map(check_precision, super().convert(value, param, ctx)))
        except BenchError as error:
            self.fail(str(error), param, ctx)


def positive(text: str) -> int:
    """A whole number from 1. Raises ValueError."""
    try:
        value = int(text)
    except ValueError:
        raise ValueError("is not a whole number") from None
    if value < 1:
        raise ValueError("must be 1 or more")
    return value


class Columns(CommaList):
    """Keys of columns that a terminal's table has on demand."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The keys; an unknown one is a usage error that names those there are."""
        keys = super().convert(value, param, ctx)
        for key in keys:
            if key not in EXTRA:
                self.fail(f"there is no column {key!r} to add; there are {', '.join(EXTRA)}", param, ctx)
        return keys


def print_json(value: object) -> None:
    """Print on stdout; values that JSON does not know, such as paths, as text."""
    click.echo(json.dumps(value, indent=2, allow_nan=False, default=str))


def print_table(groups: Sequence[Group], columns: Sequence[str]) -> None:
    """Print the tables on stdout. Added columns that a console is too narrow for are not cut, but wrapped by it."""
    console = Console()
    if "sustained" not in columns and any(row.sustained is not None for each in groups for row in each.rows):
        columns = [*columns, "sustained"]
    if columns:
        console.width = max(console.width, tables.width(groups, columns))
    console.print(tables.terminal(groups, columns))
    if (profiles := profile_tables.terminal(groups)) is not None:
        console.print(profiles)


columns_option = click.option(
    "--columns",
    type=Columns(),
    default=(),
    help="Columns to add to the table, such as load,first,p90,peak_mb,top1.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results"),
    envvar="BENCH_OUT",
    show_default=True,
    help="Folder for records, artifacts, tables and charts.",
)
samples_option = click.option(
    "--samples",
    type=click.Path(path_type=Path),
    default=None,
    envvar="BENCH_SAMPLES",
    help="Folder of images, scaled as torchvision's weights take them. Of 164, scales are found from 64, and files with "
    "integers judged on the other 100. [default: made-up ones]",
)
baseline_option = click.option(
    "--baseline",
    default=None,
    envvar="BENCH_BASELINE",
    help=f"The converter that others are compared with. [default: {BASELINE}, if it was measured]",
)
