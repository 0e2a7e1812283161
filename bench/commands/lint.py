"""`bench lint`: what GPU delegates take of a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.commands.options import json_option, print_json
from bench.errors import BenchError

if TYPE_CHECKING:
    from nobuco.delegates import DelegateCheck

NOT_WHOLE = 5
"""Exit code where a delegate does not take the file whole, or is known to compute it wrongly."""


@click.command("lint")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--delegate",
    "names",
    multiple=True,
    type=click.Choice(["gpu-opencl", "gpu-webgpu"]),
    help="Only this one: the classic delegate (OpenCL), or ML Drift of LiteRT 2.x (WebGPU and others). [default: both]",
)
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many parts of the graph a delegate may run.",
)
@click.option(
    "--node-data",
    type=click.Path(path_type=Path),
    help="Write the verdicts for Model Explorer to lay over the graph; of the first delegate asked for.",
)
@json_option
def command(
    files: tuple[Path, ...], names: tuple[str, ...], partitions: int, node_data: Path | None, as_json: bool
) -> None:
    """Say what GPU delegates take of FILE, a .tflite file, op by op: no GPU is needed. Of several files, a row each.

    The verdicts come from tables of the delegates' own rules. Exit code 0: all that was asked take all files whole; 5: not
    all; 1: a file cannot be read.
    """
    if node_data is not None and len(files) > 1:
        raise click.UsageError("--node-data is for one file")
    checks, failures = _checked(files, partitions, names)
    if not checks:
        raise BenchError("\n".join(failures))
    if node_data is not None:
        _write_node_data(checks[0], node_data)
    if as_json:
        print_json([_as_dict(check) for check in checks])
    else:
        _print(checks, one=len(files) == 1)
    if failures:
        raise BenchError("\n".join(failures))
    if not all(check.whole and check.right for check in checks):
        sys.exit(NOT_WHOLE)


def _checked(
    files: Sequence[Path], partitions: int, names: Sequence[str]
) -> tuple[list[DelegateCheck], list[str]]:
    """Those of the files that can be read, and what is wrong with the others."""
    from nobuco.delegates import check_delegates
    from nobuco.tflite import TFLiteFileError

    asked: dict[str, Any] = {"delegates": names} if names else {}
    checks: list[DelegateCheck] = []
    failures: list[str] = []
    for file in files:
        try:
            checks += check_delegates(file, max_partitions=partitions, **asked)
        except TFLiteFileError as error:
            failures.append(str(error))
    return checks, failures


def _print(checks: Sequence[DelegateCheck], one: bool) -> None:
    from rich.console import Console

    from nobuco.delegates import overview, page

    Console().print(page(checks) if one else overview(checks))


def _write_node_data(check: DelegateCheck, path: Path) -> None:
    from nobuco.delegates import node_data

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(node_data(check), encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path}: cannot be written: {error.strerror}") from error
    click.echo(f"{path}: in Model Explorer, open the model, then add this as custom node data", err=True)


def _as_dict(check: DelegateCheck) -> dict[str, Any]:
    return {
        "file": str(check.path),
        "delegate": check.delegate.name,
        "runtime": check.delegate.runtime,
        "nodes": len(check.verdicts),
        "on_gpu": check.on_gpu,
        "whole": check.whole,
        "partitions": check.partitions,
        "inner_ops": check.inner_ops,
        "batch_assumed": check.batch_assumed,
        "counts": {state.value: count for state, count in check.counts.items()},
        "verdicts": [
            {
                "node": verdict.node,
                "op": verdict.op.op,
                "name": verdict.op.name,
                "state": verdict.state.value,
                "on_gpu": verdict.on_gpu,
                "rule": verdict.rule,
                "reason": verdict.reason,
                "mend": verdict.mend,
                "source": verdict.source,
            }
            for verdict in check.verdicts
        ],
        "dangers": [
            {
                "node": danger.node,
                "op": danger.op.op,
                "name": danger.name,
                "reason": danger.reason,
                "mend": danger.mend,
                "source": danger.source,
                "wrong": danger.wrong,
            }
            for danger in check.dangers
        ],
    }
