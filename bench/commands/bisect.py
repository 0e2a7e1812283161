"""`bench bisect`: the smallest part of a file that a delegate refuses, fails on or computes wrongly."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

from bench.bisect.recording import recorded
from bench.bisect.search import smallest_fault
from bench.bisect.told import as_dict, finding, text
from bench.bisect.trial import Fault, Trials
from bench.commands.options import json_option, print_json
from bench.errors import BenchError
from bench.measure.delegates import check_delegates
from bench.measure.targets import open_target
from bench.measure.workload import HALF_TOLERANCE, TOLERANCE
from bench.progress import Reporter
from nobuco.tflite import TFLiteFileError
from nobuco.tflite.cutting import Cutter

FOUND = 5
"""Exit code where something is wrong."""


@click.command("bisect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--delegate", required=True, help="With what to run it: gpu-webgpu, xnnpack, ...")
@click.option(
    "--device", "device_name", default="host", show_default=True, help="Where; `bench devices` lists them."
)
@click.option(
    "--fault",
    type=click.Choice([fault.value for fault in Fault]),
    help="Only look for this. [default: the first of these that the file has]",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="An input as .npy, one for each in order. [default: noise]",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="Largest error that is not wrong, of the largest number of an output. [default: "
    f"{TOLERANCE:g}, in half precision {HALF_TOLERANCE:g}, as bench zoo has it; where integers stand for numbers, "
    "besides it what rounding in another order explains: 2 steps for one op, 4 for four ops in a row, 6 for nine]",
)
@click.option(
    "--origins",
    type=click.Path(path_type=Path),
    help="Where ops come from in the PyTorch program. [default: origins.json beside FILE, as bench keeps it]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="Seconds for one launch.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The part that is found. [default: FILE-DELEGATE-FAULT.tflite, here]",
)
@json_option
def command(
    file: Path,
    delegate: str,
    device_name: str,
    fault: str | None,
    inputs: tuple[Path, ...],
    tolerance: float | None,
    origins: Path | None,
    timeout: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find the smallest part of FILE, a .tflite file, that DELEGATE fails on, computes wrongly or refuses.

    The part becomes a file of its own, and what is printed can be pasted into a bug report. Parts get the values that the
    CPU computes where they stand in the whole. Exit code 0: nothing is wrong; 5: something is.
    """
    say = Reporter()
    try:
        cutter = Cutter(file)
    except TFLiteFileError as error:
        raise BenchError(str(error)) from error
    if flex := [op for op in dict.fromkeys(cutter.ops) if op.startswith("Flex")]:
        raise BenchError(
            f"{file}: {', '.join(flex)} are TensorFlow's own ops, which the runtime here lacks: there is nothing to compare "
            "with; export the file without allow_flex"
        )
    given = [_array(path) for path in inputs]
    device = open_target(device_name, say)
    try:
        check_delegates(device.info(), [delegate], None)
        values = recorded(file, given, cutter.computed)
        trials = Trials(cutter, values, device, delegate, tolerance, timeout, say.line)
        with device.lock():
            found = smallest_fault(trials, Fault(fault) if fault else None)
        if found is None:
            _nothing(file, delegate, fault, as_json)
            return
        path = out or Path(f"{file.stem}-{delegate}-{found[0].value}.tflite")
        told = finding(file, trials, *found, path, origins)
        if as_json:
            print_json(as_dict(told, trials, device.info()))
        else:
            click.echo(text(told, trials, device.info()))
    finally:
        device.close()
    sys.exit(FOUND)


def _nothing(file: Path, delegate: str, fault: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"fault": None, "delegate": delegate})
    elif fault is not None:
        click.echo(
            f"{file}: {delegate}: not {fault}" if fault != "fails" else f"{file}: {delegate} does not fail"
        )
    else:
        click.echo(f"{file}: {delegate} takes all of it and computes it as the CPU does")


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read as .npy: {error}") from error
