"""`bench zoo`: the whole way from model names to the table and the chart."""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import click
import filelock
from rich.console import Console

import models_zoo
from bench.artifacts import Artifact, ArtifactCache, ModelVariant
from bench.commands.options import CommaList, json_option, out_option, positive, print_json, writable_folder
from bench.converters.base import Converter
from bench.converters.registry import NAMES, get_converter
from bench.errors import BenchError
from bench.measure.delegates import check_delegates
from bench.measure.host_facts import environment
from bench.measure.launching import Launcher
from bench.measure.schedule import History, Rounds, Schedule
from bench.measure.targets import EMULATED_ARM, open_target
from bench.measure.workers import Worker, work_on_all
from bench.measure.workload import TOLERANCES, Effort, Workload, identity_of
from bench.progress import Reporter, duration
from bench.report_files import RECORDS, read_groups, write_answer
from devices import Device, affinity_prefix
from devices.launches import DELEGATES
from reports import tables
from reports.store import RecordStore

DEFAULT_ROUNDS = 12
NOTHING_MEASURED = 3
DEVICE_LOST = 4


@dataclass(frozen=True)
class Choice:
    """What the user wants measured."""

    wanted: list[ModelVariant]
    converters: list[Converter]
    delegates: tuple[str, ...]
    threads: tuple[int, ...]
    cores: str | None
    benchmark_binary: Path | None


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
    help="Devices to run on; `bench devices list` names them. arm: the phone or board attached through adb, "
    f"else the emulated machine; {EMULATED_ARM}: that machine in any case.",
)
@click.option(
    "--delegate",
    "delegates",
    type=CommaList(),
    default="xnnpack",
    envvar="BENCH_DELEGATE",
    show_default=True,
    help=f"Delegates to ask for: {', '.join(DELEGATES)}. Not every device has each.",
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
    "--cores",
    default="all",
    envvar="BENCH_CORES",
    show_default=True,
    help="Cores to run on: big, little, all, or numbers such as 4-7 or 0,2.",
)
@click.option(
    "--benchmark-binary",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    default=None,
    envvar="BENCH_BENCHMARK_BINARY",
    help="An official benchmark_model, built for the device, to launch with.",
)
@click.option(
    "--settle",
    type=click.FloatRange(min=0),
    default=Effort.settle_seconds,
    envvar="BENCH_SETTLE",
    show_default=True,
    help="Longest wait, in seconds, for a steady temperature before each launch.",
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
    default=None,
    envvar="BENCH_TOLERANCE",
    help="Largest error against PyTorch, max|difference| / max|reference|, for a file to get a speed. "
    f"[default: {TOLERANCES['fp32']:g}, in half precision {TOLERANCES['fp16']:g}]",
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
    cores: str,
    benchmark_binary: Path | None,
    settle: float,
    rounds: int | None,
    minutes: float,
    weights: str,
    seed: int,
    tolerance: float | None,
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
        [ModelVariant(spec, weights, seed) for spec in models_zoo.resolve(models)],
        [get_converter(name) for name in converter_names],
        delegates,
        threads,
        None if cores == "all" else cores,
        benchmark_binary,
    )
    how_many = Rounds(rounds) if rounds is not None else Rounds(DEFAULT_ROUNDS, minutes * 60)
    with ExitStack() as open_things:
        devices = [open_things.enter_context(closing(open_target(name, say))) for name in device_names]
        cache = ArtifactCache(out, timeout, say, retry_failed)
        if dry_run:
            _print_plan(choice, devices, cache, how_many, as_json)
            return
        for device in devices:
            check_delegates(device, delegates, benchmark_binary)
            affinity_prefix(device.info(), cores)  # complains of cores that the device has not
        store = RecordStore(writable_folder(out) / RECORDS)
        open_things.enter_context(_alone_in(out))
        contents = store.read()
        for complaint in contents.complaints:
            say.line(f"warning: {complaint}")
        for made in choice.converters:
            if made.environment is not None and not all(cache.is_made(w, made) for w in choice.wanted):
                made.environment.ensure(
                    say
                )  # before minutes of conversions, so that no network is known at once
        references = cache.references(choice.wanted)
        candidates = cache.artifacts(choice.wanted, references, choice.converters)
        facts = environment()
        cells, workers = [], []
        for device in devices:
            launchables = _launchables(choice, candidates, device)
            cells += [what.cell for what in launchables]
            effort = Effort(timeout=timeout, settle_seconds=settle).on(device.emulated)
            launcher = Launcher(device, effort, tolerance, facts, out, benchmark_binary)
            history = History(contents.records, retry_failed)
            workers.append(
                Worker(launcher, Schedule(launchables, how_many.on(device.emulated), history, seed))
            )
        work_on_all(workers, store.append, say)
    troubles = [worker.trouble for worker in workers if worker.trouble]
    if len(troubles) == len(workers) and not any(worker.kept for worker in workers):
        raise BenchError("; ".join(troubles))
    groups, _ = read_groups(store, cells)
    written = write_answer(groups, out)
    if as_json:
        print_json(tables.flat_rows(groups))
    else:
        Console().print(tables.terminal(groups))
    say.line(f"Written: {', '.join(map(str, written))}")
    for trouble in troubles:
        say.line(f"Not complete: {trouble}")
    if not any(row.latency for group in groups for row in group.rows):
        say.line("No cell has a figure: see the reasons above.")
        ctx.exit(NOTHING_MEASURED)
    if troubles:
        ctx.exit(DEVICE_LOST)


def _launchables(choice: Choice, candidates: Sequence[Artifact], device: Device) -> list[Workload]:
    identity = identity_of(device)
    binary = _digest(choice.benchmark_binary) if choice.benchmark_binary else None
    return [
        Workload(candidate, device.name, identity, delegate, threads, choice.cores, binary)
        for delegate in choice.delegates
        for threads in choice.threads
        for candidate in candidates
    ]


def _digest(binary: Path) -> str:
    try:
        with binary.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError as error:
        raise BenchError(f"--benchmark-binary {binary}: cannot be read: {error.strerror}") from error


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
    choice: Choice, devices: Sequence[Device], cache: ArtifactCache, rounds: Rounds, as_json: bool
) -> None:
    conversions = [
        {"model": w.spec.name, "converter": c.name, "made": cache.is_made(w, c)}
        for w in choice.wanted
        for c in choice.converters
    ]
    cells = [
        {
            **{k: v for k, v in conversion.items() if k != "made"},
            "device": d.name,
            "delegate": delegate,
            "threads": n,
            "cores": choice.cores or "all",
            "benchmark_binary": str(choice.benchmark_binary) if choice.benchmark_binary else None,
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
        where += "" if choice.cores is None else f", cores {choice.cores}"
        click.echo(f"cell         {cell['model']} {cell['converter']} on {where}")
    limit = (
        ""
        if rounds.budget_seconds is None
        else f", fewer if they take more than {duration(rounds.budget_seconds)}"
    )
    click.echo(f"rounds       {rounds.most} launches of each cell, in random order{limit}")
