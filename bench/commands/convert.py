"""`bench convert`: files made ahead, and a line for each."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import click

from bench.commands.lab import lab_options, opened_lab
from bench.commands.options import CommaList, Precisions, json_option, out_option, print_json, samples_option
from bench.commands.zoo import CELLS_FAILED, NOTHING_MEASURED
from bench.converters.precisions import KNOWN as PRECISIONS
from bench.converters.registry import KNOWN
from bench.progress import Reporter
from bench.run.convert import Prepared, convert
from bench.run.options import ZooOptions
from bench.run.planning import chosen_converters, chosen_models
from models_zoo import Weights
from reports import figures
from reports.record import FLOAT, Conversion

_FORECAST = {"opencl": "gpu-opencl", "webgpu": "gpu-webgpu"}
_HEADINGS = ("model", "converter", "output", "transposes", "ops", "left", *_FORECAST, "MB", "s", "peak MB")
_WIDTHS = (13, 10, 6, 6, 16, 16, 7, 6, 8)  # behind the model and the converter


@click.command("convert")
@click.option(
    "--models",
    type=CommaList(),
    default="readme",
    show_default=True,
    envvar="BENCH_MODELS",
    help="Models, groups of models (all), or path/to/file.py:factory. `bench models` lists them.",
)
@click.option("--size", type=click.IntRange(min=1), help="Height and width of the images.")
@click.option(
    "--converter",
    "converters",
    type=CommaList(),
    default="nobuco",
    show_default=True,
    envvar="BENCH_CONVERTER",
    help=f"Converters: {KNOWN}.",
)
@click.option(
    "--precision",
    "precisions",
    type=Precisions(),
    default=FLOAT,
    show_default=True,
    envvar="BENCH_PRECISION",
    help=f"Precisions of the files: {PRECISIONS}.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    envvar="BENCH_JOBS",
    help="Models at the same time, as far as there is memory.",
)
@click.option("--weights", type=click.Choice(get_args(Weights)), default="random", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="For weights and inputs.")
@samples_option
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=ZooOptions.timeout,
    show_default=True,
    help="Seconds for one conversion.",
)
@out_option
@click.option("--retry-failed", is_flag=True, help="Try again what failed in earlier runs.")
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the table into this Markdown file.",
)
@lab_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    jobs: int,
    table: Path | None,
    as_json: bool,
    lab: str | None,
    certificates: Path | None,
    patience: float,
    **options: Any,
) -> None:
    """Make files ahead of a measurement, and check each: a line for each model.

    `bench zoo` with the same --out takes them from there. What an earlier run has made is not made again.

    \b
    output      right, WRONG with its error, or FAILED; reasons follow the table. Of a file with integers the share of
                samples that come out as PyTorch's
    transposes  ops that only move data, of all `ops`
    left        nodes that XNNPACK did not take
    opencl, webgpu
                nodes that the classic GPU delegate and ML Drift are forecast to take, as `bench lint` says it
    s, peak MB  time and memory of the conversion
    """
    asked = ZooOptions(**options)
    widths = _widths(asked)
    if not as_json:
        click.echo(_line(_HEADINGS, widths))
    say = Reporter()
    with opened_lab(lab, certificates, patience, say) if lab else nullcontext() as site:
        prepared = convert(
            asked,
            jobs,
            say,
            (lambda one: None) if as_json else (lambda one: click.echo(_line(_cells(one), widths))),
            site,
        )
    failed = [one for one in prepared if one.reason]
    unforeseen = list(dict.fromkeys(line for one in prepared for line in _without_forecast(one)))
    if as_json:
        print_json([one.record.model_dump(mode="json") for one in prepared])
    else:
        for one in failed:
            click.echo(f"{one.record.cell.model}, {one.record.cell.label}: {one.reason}")
        for line in unforeseen:
            click.echo(line)
        right = len(prepared) - len(failed)
        click.echo(f"{right} of {figures.plural(len(prepared), 'file')} right")
    if table is not None:
        table.write_text(markdown(prepared), encoding="utf-8")
    ctx.exit(0 if not failed else NOTHING_MEASURED if len(failed) == len(prepared) else CELLS_FAILED)


def markdown(prepared: list[Prepared]) -> str:
    """The table as Markdown, with the reason of every failure below it."""
    rows = [_HEADINGS, tuple("---:" if i > 2 else "---" for i in range(len(_HEADINGS)))]
    rows += [_cells(one) for one in prepared]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    reasons = [
        f"- {one.record.cell.model}, {one.record.cell.label}: {one.reason}" for one in prepared if one.reason
    ]
    reasons += [f"- {line}" for one in prepared for line in _without_forecast(one)]
    return "\n".join([*lines, "", *reasons, ""])


def _without_forecast(one: Prepared) -> list[str]:
    """Why nothing can be said of what GPU delegates take."""
    made = one.record.conversion
    return [
        f"{one.record.cell.model}, {one.record.cell.label}: no forecast for {delegate}: {each.error}"
        for delegate, each in (made.forecasts if made else {}).items()
        if each.error
    ]


def forecast(made: Conversion | None, delegate: str) -> str:
    """`all`, `5 of 24`, `all, 1 wrong`, or that there is none."""
    each = made.forecasts.get(delegate) if made else None
    if each is None:
        return figures.NONE
    if each.error:
        return "no forecast"
    wrong = f", {each.wrong} wrong" if each.wrong else ""
    return ("all" if each.taken == each.nodes else f"{each.taken} of {each.nodes}") + wrong


def _widths(options: ZooOptions) -> tuple[int, ...]:
    """Of the columns, wide enough for the models and converters that are asked for."""
    models = ["model", *(model.name for model in chosen_models(options))]
    asked = chosen_converters(options)
    longest = max(
        len(each.name) + (0 if each.precision == FLOAT else 1 + len(each.precision)) for each in asked
    )
    return max(map(len, models)), max(longest, len("converter")), *_WIDTHS


def _line(cells: tuple[str, ...], widths: tuple[int, ...]) -> str:
    padded = [
        text.ljust(width) if i < 3 else text.rjust(width)
        for i, (text, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return " ".join(padded).rstrip()


def _cells(one: Prepared) -> tuple[str, ...]:
    record, made = one.record, one.record.conversion
    output = "FAILED" if not record.ok else "unchecked"
    if record.accuracy is not None:
        alike = record.accuracy.alike if record.accuracy.tolerance is None else None
        figure = figures.error(record.accuracy.max_error) if alike is None else f"{alike:.0%} alike"
        output = f"{'right' if record.accuracy.right else 'WRONG'} {figure}"
    took = record.delegation
    known = took is not None and took.total_nodes is not None and took.delegated_nodes is not None
    left = str(took.total_nodes - took.delegated_nodes) if known else figures.NONE  # pyright: ignore
    return (
        record.cell.model,
        record.cell.label,
        output,
        figures.count(made.transposes if made else None),
        figures.count(made.n_ops if made else None),
        left,
        *(forecast(made, delegate) for delegate in _FORECAST.values()),
        figures.megabytes(made.size_bytes if made else None),
        figures.number(made.seconds if made else None),
        figures.number(made.peak_rss_mb if made else None),
    )
