"""`bench zoo`: the whole way from model names to the table and the chart."""

import difflib
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import click
import filelock
from rich.console import Console

import models_zoo
from bench.answer import RECORDS, read_groups, write_answer
from bench.commands.options import CommaList, json_option, out_option, positive, print_json, writable_folder
from bench.converters.base import Converter
from bench.converters.registry import NAMES, get_converter
from bench.errors import BenchError
from bench.host_facts import environment
from bench.measuring import Bench, Effort, Launchable, identity_of
from bench.preparation import Candidate, Wanted, Workshop
from bench.progress import Reporter, duration
from bench.schedule import Done, Rounds, Schedule
from devices import Device, open_device
from reports import tables
from reports.store import RecordStore

DEFAULT_ROUNDS = 12
NOTHING_MEASURED = 3


@dataclass(frozen=True)
class Choice:
    """What the user wants measured."""

    wanted: list[Wanted]
    converters: list[Converter]
    delegates: tuple[str, ...]
    threads: tuple[int, ...]


@click.command("zoo")
@click.option(
    "--models",
    type=CommaList(),
    default="readme",
    envvar="BENCH_MODELS",
    show_default=True,
    help="Models, groups of models, or path/to/file.py:factory. `bench models` lists them.",
)
@click.option(
    "--converter",
    "converter_names",
    type=CommaList(),
    default="nobuco,onnx-tf",
    envvar="BENCH_CONVERTER",
    show_default=True,
    help=f"Converters to compare: {', '.join(NAMES)}.",
)
@click.option(
    "--device",
    "device_names",
    type=CommaList(),
    default="host",
    envvar="BENCH_DEVICE",
    show_default=True,
    help="Devices to run on.",
)
@click.option(
    "--delegate",
    "delegates",
    type=CommaList(),
    default="xnnpack",
    envvar="BENCH_DELEGATE",
    show_default=True,
    help="Delegates to ask for.",
)
@click.option(
    "--threads",
    type=CommaList(positive),
    default="1",
    envvar="BENCH_THREADS",
    show_default=True,
    help="Numbers of threads.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=None,
    envvar="BENCH_ROUNDS",
    help=f"Launches of each cell. [default: {DEFAULT_ROUNDS}, fewer where they would not fit --minutes]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=6.0,
    envvar="BENCH_MINUTES",
    show_default=True,
    help="Time for measuring on each device, when --rounds is not given.",
)
@click.option(
    "--weights",
    type=click.Choice(["random", "default"]),
    default="random",
    envvar="BENCH_WEIGHTS",
    show_default=True,
    help="Random from --seed, or torchvision's trained ones (downloaded).",
)
@click.option(
    "--seed", type=int, default=0, envvar="BENCH_SEED", show_default=True, help="For weights and inputs."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-3,
    envvar="BENCH_TOLERANCE",
    show_default=True,
    help="Largest error against PyTorch, max|difference| / max|reference|, for a file to get a speed.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=900.0,
    envvar="BENCH_TIMEOUT",
    show_default=True,
    help="Seconds for one conversion or one launch.",
)
@out_option
@click.option("--retry-failed", is_flag=True, help="Try again what failed in earlier runs.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    models: tuple[str, ...],
    converter_names: tuple[str, ...],
    device_names: tuple[str, ...],
    delegates: tuple[str, ...],
    threads: tuple[int, ...],
    rounds: int | None,
    minutes: float,
    weights: str,
    seed: int,
    tolerance: float,
    timeout: float,
    out: Path,
    retry_failed: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Convert models with each converter, run the files on devices, compare.

    What an earlier run with the same --out has converted or measured is not done again.
    """
    say = Reporter()
    choice = Choice(
        [Wanted(spec, weights, seed) for spec in models_zoo.resolve(models)],
        [get_converter(name) for name in converter_names],
        delegates,
        threads,
    )
    how_many = Rounds(rounds) if rounds is not None else Rounds(DEFAULT_ROUNDS, minutes * 60)
    with ExitStack() as open_things:
        devices = [open_things.enter_context(closing(open_device(name))) for name in device_names]
        workshop = Workshop(out, timeout, say, retry_failed)
        if dry_run:
            _print_plan(choice, devices, workshop, how_many, as_json)
            return
        for device in devices:
            _check_delegates(device, delegates)
        store = RecordStore(writable_folder(out) / RECORDS)
        open_things.enter_context(_alone_in(out))
        contents = store.read()
        for complaint in contents.complaints:
            say.line(f"warning: {complaint}")
        for made in choice.converters:
            if made.environment is not None and not all(workshop.is_made(w, made) for w in choice.wanted):
                made.environment.ensure(
                    say
                )  # before minutes of conversions, so that no network is known at once
        references = workshop.references(choice.wanted)
        candidates = workshop.candidates(choice.wanted, references, choice.converters)
        done = Done(contents.records, retry_failed)
        facts = environment()
        cells = []
        for device in devices:
            launchables = _launchables(choice, candidates, device)
            cells += [what.cell for what in launchables]
            effort = Effort(timeout=timeout).on(device.emulated)
            bench = Bench(device, effort, tolerance, facts, out)
            with device.lock():
                Schedule(launchables, how_many.on(device.emulated), done, seed).run(bench, store.append, say)
    groups, _ = read_groups(store, cells)
    written = write_answer(groups, out)
    if as_json:
        print_json(tables.flat_rows(groups))
    else:
        Console().print(tables.terminal(groups))
    say.line(f"Written: {', '.join(map(str, written))}")
    if not any(row.latency for group in groups for row in group.rows):
        say.line("No cell has a figure: see the reasons above.")
        ctx.exit(NOTHING_MEASURED)


def _launchables(choice: Choice, candidates: Sequence[Candidate], device: Device) -> list[Launchable]:
    identity = identity_of(device)
    return [
        Launchable(candidate, device.name, identity, delegate, threads)
        for delegate in choice.delegates
        for threads in choice.threads
        for candidate in candidates
    ]


def _check_delegates(device: Device, delegates: Sequence[str]) -> None:
    """Raise BenchError for a delegate that no runner of the device knows, before anything takes time."""
    known = device.info().delegates
    for delegate in delegates:
        if delegate not in known:
            near = difflib.get_close_matches(delegate, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            raise BenchError(f"device {device.name} has no delegate {delegate!r}; {hint}")


def _alone_in(out: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise BenchError(
            f"--out {out}: another bench is writing to this folder; wait for it, or give another folder"
        ) from error
    return lock


def _print_plan(
    choice: Choice, devices: Sequence[Device], workshop: Workshop, rounds: Rounds, as_json: bool
) -> None:
    conversions = [
        {"model": w.spec.name, "converter": c.name, "made": workshop.is_made(w, c)}
        for w in choice.wanted
        for c in choice.converters
    ]
    cells = [
        {
            **{k: v for k, v in conversion.items() if k != "made"},
            "device": d.name,
            "delegate": delegate,
            "threads": n,
        }
        for d in devices
        for delegate in choice.delegates
        for n in choice.threads
        for conversion in conversions
    ]
    environments = [
        {"name": c.name, "installed": c.environment.installed}
        for c in choice.converters
        if c.environment is not None
    ]
    if as_json:
        print_json(
            {
                "environments": environments,
                "conversions": conversions,
                "cells": cells,
                "rounds": rounds.most,
                "minutes": None if rounds.budget_seconds is None else rounds.budget_seconds / 60,
            }
        )
        return
    for environment_ in environments:
        state = "installed" if environment_["installed"] else "to be installed"
        click.echo(f"environment  {environment_['name']}: {state}")
    for conversion in conversions:
        state = "there already" if conversion["made"] else "to be made"
        click.echo(f"conversion   {conversion['model']} with {conversion['converter']}: {state}")
    for cell in cells:
        where = f"{cell['device']}, {cell['delegate']}, threads {cell['threads']}"
        click.echo(f"cell         {cell['model']} {cell['converter']} on {where}")
    limit = (
        ""
        if rounds.budget_seconds is None
        else f", fewer if they take more than {duration(rounds.budget_seconds)}"
    )
    click.echo(f"rounds       {rounds.most} launches of each cell, in random order{limit}")
