"""`bench zoo`: the options of a run, and its table."""

from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

import click

from bench.commands.lab import lab_options, opened_lab
from bench.commands.options import (
    CommaList,
    Percent,
    Precisions,
    baseline_option,
    columns_option,
    json_option,
    out_option,
    positive,
    print_json,
    print_table,
    samples_option,
)
from bench.commands.plan_text import described
from bench.converters.precisions import KNOWN as PRECISIONS
from bench.converters.registry import KNOWN
from bench.measure.targets import EMULATED_ARM
from bench.measure.workload import HALF_TOLERANCE, TOLERANCE
from bench.progress import Reporter
from bench.run import ZooResult, zoo
from bench.run.options import DEFAULT_ROUNDS, ZooOptions
from bench.run.planning import plan
from devices.launches import DELEGATES
from models_zoo import Weights
from reports import figures

NOTHING_MEASURED = 3
DEVICE_LOST = 4
CELLS_FAILED = 5
_DEFAULTS = {field.name: field.default for field in fields(ZooOptions)}


def _option(flag: str, field: str, type: Any, help: str, show_default: bool = True) -> Any:
    """The option for a field of ZooOptions, with its default; BENCH_... in the environment sets it, too."""
    name = flag.removeprefix("--").replace("-", "_")
    default = _DEFAULTS[field]
    return click.option(
        flag,
        field,
        type=type,
        default=",".join(map(str, default)) if isinstance(default, tuple) else default,
        envvar=f"BENCH_{name.upper()}",
        show_default=show_default,
        help=help,
    )


@click.command("zoo")
@_option(
    "--models",
    "models",
    CommaList(),
    "Models, groups of models, or path/to/file.py:factory. `bench models` lists them.",
)
@_option("--converter", "converters", CommaList(), f"Converters to compare: {KNOWN}.")
@_option(
    "--device",
    "devices",
    CommaList(),
    "Devices to run on; `bench devices list` names them. arm: the phone or board attached through adb, "
    f"else the emulated machine; {EMULATED_ARM}: always that machine.",
)
@_option(
    "--delegate",
    "delegates",
    CommaList(),
    f"Delegates to ask for: {', '.join(DELEGATES)}. Not every device has each.",
)
@_option(
    "--size",
    "size",
    click.IntRange(min=1),
    "Height and width of the images. [default: each model's own]",
    False,
)
@_option("--threads", "threads", CommaList(positive), "Numbers of threads.")
@_option("--cores", "cores", str, "Cores to run on: big, little, all, or numbers such as 4-7 or 0,2.")
@_option(
    "--benchmark-binary",
    "benchmark_binary",
    click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    "An official benchmark_model, built for the device, to launch with.",
)
@_option(
    "--settle",
    "settle",
    click.FloatRange(min=0),
    "Longest wait, in seconds, for a steady temperature before each launch.",
)
@_option(
    "--rounds",
    "rounds",
    click.IntRange(min=1),
    f"Launches of each cell. [default: {DEFAULT_ROUNDS}, fewer where they would not fit --minutes]",
    show_default=False,
)
@_option(
    "--minutes",
    "minutes",
    click.FloatRange(min=0, min_open=True),
    "Time for measuring on each device, when --rounds is not given.",
)
@_option(
    "--precision",
    "precisions",
    Precisions(),
    f"Precisions of the files: {PRECISIONS}. Of those with integers, scales are found from samples of each model.",
)
@_option(
    "--interval",
    "interval",
    Percent(),
    "Add rounds within --minutes until intervals are this narrow: half their width, such as 2%.",
    show_default=False,
)
@_option(
    "--weights",
    "weights",
    click.Choice(get_args(Weights)),
    "Random from --seed; taught: with a last layer that tells scenes apart, so that answers have a meaning; default: "
    "torchvision's trained ones (downloaded).",
)
@_option("--seed", "seed", int, "For weights and inputs.")
@samples_option
@_option(
    "--tolerance",
    "tolerance",
    click.FloatRange(min=0),
    "Largest error against PyTorch, max|difference| / max|reference|, for a file to get a speed. "
    f"[default: {TOLERANCE:g}, in half precision {HALF_TOLERANCE:g}]",
    show_default=False,
)
@_option(
    "--min-alike",
    "min_alike",
    Percent(whole=True),
    "Share of samples that are to come out as PyTorch's, for a file with integers to get a speed. "
    f"[default: {_DEFAULTS['min_alike']:.0%}]",
    show_default=False,
)
@_option("--timeout", "timeout", click.FloatRange(min=1), "Seconds for one conversion or one launch.")
@out_option
@baseline_option
@click.option("--retry-failed", is_flag=True, help="Try again what failed in earlier runs.")
@click.option(
    "--profile",
    is_flag=True,
    help="Also find out where the time goes, op by op and module by module, in launches that are not timed.",
)
@_option(
    "--sustained",
    "sustained",
    click.FloatRange(min=0, min_open=True),
    "Minutes for which each device then runs all cells in turns, without a pause; the last third gives the figure of the "
    "warm device.",
    show_default=False,
)
@lab_options
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@columns_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    dry_run: bool,
    columns: tuple[str, ...],
    as_json: bool,
    lab: str | None,
    certificates: Path | None,
    patience: float,
    **options: Any,
) -> None:
    """Convert models with each converter, run the files on devices, compare.

    What an earlier run with the same --out has converted or measured is not done again. What failed is shown with its
    reason and is not tried again without --retry-failed; a lack of time or memory is tried again once.

    \b
    Exit codes:
      0  every cell has a figure
      1  nothing could be done: a name, a folder or a device is wrong
      2  a wrong option
      3  no cell has a figure
      4  a device was lost: the same command does the rest
      5  some cells failed or gave wrong outputs
    """
    say = Reporter()
    chosen = ZooOptions(**options)
    with opened_lab(lab, certificates, patience, say) if lab else nullcontext() as site:
        if dry_run:
            planned = plan(chosen, say, site)
            if as_json:
                print_json(asdict(planned))
            else:
                click.echo(described(planned, chosen))
            return
        result = zoo(chosen, say, site)
    if as_json:
        print_json(result.rows)
    else:
        print_table(result.groups, columns)
    ctx.exit(_conclude(result, say))


def _conclude(result: ZooResult, say: Reporter) -> int:
    """Say how the run ended; returns the exit code."""
    say.line(f"Written: {', '.join(map(str, result.written))}")
    for trouble in result.troubles:
        say.line(f"Not complete: {trouble}")
    if not result.has_figures:
        say.line("No cell has a figure: see the reasons above.")
        return NOTHING_MEASURED
    if result.troubles:
        return DEVICE_LOST
    if result.failures:
        cells = sum(len(group.rows) for group in result.groups)
        failed = len(result.failures)
        say.line(
            f"{failed} of {figures.plural(cells, 'cell')} failed or gave wrong outputs: see the reasons above."
        )
        return CELLS_FAILED
    return 0
