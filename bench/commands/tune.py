"""`bench tune`: the forms of a model's layers that are fastest on a device."""

import shutil
from pathlib import Path
from typing import Any, get_args

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.commands.options import json_option, out_option, print_json, print_table
from bench.errors import BenchError
from bench.tune import Tuned, TuneOptions, tune
from bench.tune.layers import WAYS, Layer
from models_zoo import Weights
from reports import figures

_FORMS = {
    "bands": "large depthwise kernel in bands of rows",
    "tiles": "transposed convolution as convolution and DEPTH_TO_SPACE",
    "tanh gates": "SiLU or gate by TANH",
    "whole strides": "strided convolution of few channels over whole strides",
    "winograd": "3x3 convolution by Winograd",
}


@click.command("tune")
@click.argument("model")
@click.option(
    "--device", default="host", show_default=True, help="As `bench zoo` takes it: host, arm, a phone's name."
)
@click.option("--delegate", default="xnnpack", show_default=True, help="That the file will run with.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--size", type=click.IntRange(min=1), default=None, help="Height and width of the images.")
@click.option("--weights", type=click.Choice(get_args(Weights)), default="random", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="For weights and inputs.")
@click.option(
    "--rounds", type=int, default=None, help="Launches of each layer. [default: 7; 1 on an emulated device]"
)
@click.option(
    "--growth/--no-growth",
    default=True,
    help="Whether forms are tried that make the file larger: Winograd's convolutions, by seven ninths of their weights.",
)
@click.option(
    "--settle",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Longest wait, in seconds, for a steady temperature.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=900.0,
    show_default=True,
    help="Seconds for one conversion or launch.",
)
@click.option(
    "--costs",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The cost file to write or add to. [default: OUT/DEVICE.json]",
)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Also copy the fastest file here.",
)
@out_option
@json_option
def command(file: Path | None, as_json: bool, **options: Any) -> None:
    """Find the forms of MODEL's layers that are fastest on a device, and the file made of them.

    Some layers can be computed in several ways, of which one device is faster with this, another with that. Each distinct
    layer is measured there both ways, once and for all: what was measured before, of any model, is not measured again. The
    costs go into a file for `nobuco.export_tflite(..., target="DEVICE.json")`; the model's own file is then made with them
    and compared with the usual one, outputs and all.
    """
    tuned = tune(TuneOptions(**options))
    if file is not None and tuned.fastest is not None:
        _copy(tuned.fastest, file)
    if as_json:
        print_json(_as_dict(tuned, file))
    else:
        _print(tuned, file)


def _copy(fastest: Path, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fastest, file)
    except OSError as error:
        raise BenchError(f"--file {file}: cannot be written: {error.strerror}") from error


def _print(tuned: Tuned, file: Path | None) -> None:
    console = Console()
    unit = "Minstr, emulated" if tuned.emulated else "ms"
    if tuned.layers:
        table = Table(
            title=f"Layers that have several forms ({unit} each)", title_justify="left", box=SIMPLE_HEAD
        )
        table.add_column("form")
        table.add_column("layer", overflow="fold")
        for name in ("times", "plain", "formed", "formed / plain", ""):
            table.add_column(name, justify="right", no_wrap=True)
        for layer in tuned.layers:
            table.add_row(*_cells(layer, tuned.emulated))
        console.print(table)
        for form in dict.fromkeys(layer.form for layer in tuned.layers):
            click.echo(f"{form}: {_FORMS.get(form, form)}")
    else:
        click.echo("No layer of this model has several forms to choose from.")
    print_table(tuned.result.groups, ())
    click.echo(f"Costs: {tuned.costs}, for nobuco.export_tflite(..., target={str(tuned.costs)!r})")
    click.echo(f"{_verdict(tuned)}: {file or tuned.fastest or 'no file'}")


def _cells(layer: Layer, emulated: bool) -> tuple[Text, ...]:
    taken = layer.cheaper(emulated)
    ratio = "FAILED" if layer.failure else figures.with_interval(layer.ratio(emulated), "x")
    words = (
        layer.form,
        layer.said,
        str(layer.count),
        *(figures.number(None if cost is None else cost / 1000) for cost in map(layer.cost, WAYS)),
    )
    return (*map(Text, words), Text(ratio, style="green" if taken else ""), Text("taken" if taken else ""))


def _verdict(tuned: Tuned) -> str:
    if tuned.tuned.reason is not None:
        return f"The tuned file failed ({tuned.tuned.reason}); the usual one"
    if tuned.same:
        return "The usual file has the fastest forms already"
    words = {
        "faster": f"The tuned file {'takes fewer instructions (emulated)' if tuned.emulated else 'is faster'}",
        "slower": f"The tuned file {'takes more instructions (emulated)' if tuned.emulated else 'is slower'}; the usual one",
        "no difference": "No difference; the usual file",
        "noisy": "Too noisy to tell; the usual file",
    }
    return words.get(tuned.tuned.verdict, "No verdict; the usual file")


def _as_dict(tuned: Tuned, file: Path | None) -> dict[str, Any]:
    return {
        "unit": "kinstr" if tuned.emulated else "us",
        "layers": [_layer(layer, tuned.emulated) for layer in tuned.layers],
        "costs": tuned.costs,
        "cells": tuned.result.rows,
        "verdict": "same file" if tuned.same else tuned.tuned.verdict,
        "fastest": file or tuned.fastest,
    }


def _layer(layer: Layer, emulated: bool) -> dict[str, Any]:
    ratio = layer.ratio(emulated)
    return {
        "layer": layer.layer,
        "said": layer.said,
        "form": layer.form,
        "count": layer.count,
        "plain": layer.cost("plain"),
        "formed": layer.cost("formed"),
        "ratio": ratio and ratio.value,
        "ratio_low": ratio and ratio.low,
        "ratio_high": ratio and ratio.high,
        "cheaper": layer.cheaper(emulated),
        "failure": layer.failure,
    }
