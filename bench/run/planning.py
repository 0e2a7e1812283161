"""What a run would do: everything checked that the run itself checks, nothing made and nothing started."""

import ast
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import models_zoo
from bench.artifact import ModelVariant
from bench.artifacts import ArtifactCache
from bench.converters.base import Converter
from bench.converters.registry import NAMES, get_converter, precisions_of
from bench.errors import BenchError
from bench.fingerprints import sha256_of
from bench.measure.delegates import check_delegates
from bench.measure.schedule import Rounds
from bench.peers.environments import find_python
from bench.progress import Reporter
from bench.run.options import DEFAULT_ROUNDS, ZooOptions
from bench.run.site import Here, Site
from devices import DeviceInfo, affinity_prefix
from reports.record import Cell, LaunchRecord
from reports.store import RECORDS, RecordStore

_SECONDS_A_CONVERSION, _SECONDS_A_MEGABYTE = 15.0, 0.3
_SECONDS_A_LAUNCH = 4.0
"""Measured on one idle core of 2020; only for the estimate that a plan prints."""


@dataclass(frozen=True)
class PlannedEnvironment:
    """A converter's environment; `problem` is why it cannot be installed, or None."""

    name: str
    installed: bool
    problem: str | None


@dataclass(frozen=True)
class PlannedConversion:
    """A model, a converter and a precision; `made`: it is there, `failed`: its failure is not tried again."""

    model: str
    converter: str
    precision: str
    made: bool
    failed: bool


@dataclass(frozen=True)
class PlannedDevice:
    """A device and its launches; `seconds` is what those that are missing take, None where nobody knows."""

    name: str
    emulated: bool
    rounds: int
    launches: int
    done: int
    seconds: float | None


@dataclass(frozen=True)
class PlannedCell:
    """A cell to be measured; `cores` and `benchmark_binary` as they were given."""

    model: str
    converter: str
    precision: str
    device: str
    delegate: str
    threads: int
    cores: str
    benchmark_binary: str | None


@dataclass(frozen=True)
class ZooPlan:
    """What a run would do.

    Attributes:
        environments: Of the converters that have one.
        conversions: Every model with every converter.
        devices: The devices, with the launches on each.
        cells: Everything to be measured.
        rounds: The most of them.
        minutes: What limits the rounds on each device; None when their number is given.
        weight_bytes: About the size of the files to be made.
        conversion_seconds: About the time that the conversions take.
        problems: What will make cells fail, as far as it can be seen now.
    """

    environments: list[PlannedEnvironment]
    conversions: list[PlannedConversion]
    devices: list[PlannedDevice]
    cells: list[PlannedCell]
    rounds: int
    minutes: float | None
    weight_bytes: int
    conversion_seconds: float
    problems: list[str]


def plan(options: ZooOptions, say: Reporter | None = None, site: Site | None = None) -> ZooPlan:
    """What `bench.run.zoo` would do with these options.

    Args:
        options: The options.
        say: Where it is said what a device's name stands for; None: stderr.
        site: Where the run would be done; None: on this machine.

    Raises:
        BenchError, DeviceError, ModelError, ReportError: As `zoo` does for what does not exist, cannot be read, or
            cannot be written.
    """
    say, site = say or Reporter(), site or Here()
    models, converters = chosen_models(options), chosen_converters(options)
    options.baseline_name()
    binary_digest(options)
    _check_writable(options.out)
    found = [_checked_device(site.known(name, say), options) for name in options.devices]
    cache = ArtifactCache(options.out, options.timeout, say, options.retry_failed)
    conversions = [_conversion(cache, m, c) for m in models for c in converters]
    missing = [c for c in conversions if not c.made and not c.failed]
    environments = [_environment(c, missing) for c in _each_once(converters) if c.environment]
    sizes = {model.name: _weight_bytes(model) for model in models}
    megabytes = sum(sizes[c.model] for c in missing) / 1e6
    records = RecordStore(options.out / RECORDS).read().records
    rounds = rounds_of(options)
    return ZooPlan(
        environments=environments,
        conversions=conversions,
        devices=[_device(info, options, conversions, converters, records) for info in found],
        cells=[
            PlannedCell(
                c.model,
                c.converter,
                c.precision,
                info.name,
                delegate,
                threads,
                options.cores,
                str(options.benchmark_binary) if options.benchmark_binary else None,
            )
            for info in found
            for delegate in options.delegates
            for threads in options.threads
            for c in conversions
        ],
        rounds=rounds.most,
        minutes=None if rounds.budget_seconds is None else rounds.budget_seconds / 60,
        weight_bytes=round(megabytes * 1e6),
        conversion_seconds=_SECONDS_A_CONVERSION * len(missing) + _SECONDS_A_MEGABYTE * megabytes,
        problems=[
            *(f"{e.name}: {e.problem}" for e in environments if e.problem),
            *(problem for model in models for problem in _problems(model)),
        ],
    )


def _check_writable(out: Path) -> None:
    """Refuse a folder that the run could not write. Raises BenchError."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        reason = "is no folder" if not there.is_dir() else "cannot be written"
        raise BenchError(f"--out {out}: cannot be written: {there} {reason}; give another folder with --out")


def _checked_device(info: DeviceInfo, options: ZooOptions) -> DeviceInfo:
    check_sustained(info.name, info.kind == "emulated", options)
    check_delegates(info, options.delegates, options.benchmark_binary)
    affinity_prefix(info, options.cores)
    return info


def check_sustained(device: str, emulated: bool, options: ZooOptions) -> None:
    """Refuse a sustained run of an emulated device. Raises BenchError."""
    if emulated and options.sustained is not None:
        raise BenchError(
            f"--sustained: {device} is emulated, so it never warms up; leave --sustained out, or leave out {device}"
        )


def _conversion(cache: ArtifactCache, model: ModelVariant, converter: Converter) -> PlannedConversion:
    kept = not cache.to_be_made(model, converter)
    failed = kept and cache.failed(model, converter)
    return PlannedConversion(
        model.name, converter.name, converter.precision, made=kept and not failed, failed=failed
    )


def _environment(converter: Converter, missing: Sequence[PlannedConversion]) -> PlannedEnvironment:
    environment = converter.environment
    assert environment is not None
    problem = None
    if not environment.installed and any(c.converter == converter.name for c in missing):
        try:
            find_python(environment.python, converter.name)
        except BenchError as error:
            problem = str(error)
    return PlannedEnvironment(converter.name, environment.installed, problem)


def _weight_bytes(model: ModelVariant) -> int:
    entry = model.spec.entry
    return 4 * entry.parameters if entry else 0


def _device(
    info: DeviceInfo,
    options: ZooOptions,
    conversions: Sequence[PlannedConversion],
    converters: Sequence[Converter],
    records: Sequence[LaunchRecord],
) -> PlannedDevice:
    rounds = rounds_of(options).on(info.kind == "emulated")
    versions = {(each.name, each.precision): each.version() for each in converters}
    cells = [
        (c.model, c.converter, c.precision, delegate, threads)
        for delegate in options.delegates
        for threads in options.threads
        for c in conversions
        if not c.failed
    ]
    wanted = set(cells)
    done = {
        (_place(record.cell), record.round): record.wall_seconds
        for record in records
        if record.counts
        and record.cell.device == info.name
        and _place(record.cell) in wanted
        and record.provenance.converter_version == versions[record.cell.converter, record.cell.precision]
        and record.provenance.seed == options.seed
        and record.round < rounds.most
    }
    left = len(cells) * rounds.most - len(done)
    a_launch = (
        sum(done.values()) / len(done) if done else None if info.kind == "emulated" else _SECONDS_A_LAUNCH
    )
    seconds = None if a_launch is None else a_launch * left
    if seconds is not None and a_launch is not None and rounds.budget_seconds is not None:
        at_least = a_launch * (len(cells) * rounds.fewest - len(done))
        seconds = max(0.0, at_least, min(seconds, rounds.budget_seconds))
    return PlannedDevice(
        info.name, info.kind == "emulated", rounds.most, len(cells) * rounds.most, len(done), seconds
    )


def _place(cell: Cell) -> tuple[str, str, str, str, int]:
    return cell.model, cell.converter, cell.precision, cell.delegate, cell.threads


def _problems(model: ModelVariant) -> Iterator[str]:
    """What can be seen of a user's file without running it."""
    file, factory = model.spec.file, model.spec.factory
    if file is None or factory is None:
        return
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError as error:
        yield f"{model.name}: line {error.lineno}: {error.msg}"
        return
    except (OSError, ValueError) as error:
        yield f"{model.name}: cannot be read: {error}"
        return
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    # Anything but functions and classes may define names, too: then only running the file tells.
    plain = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Expr)
    if (
        factory not in names
        and all(isinstance(node, plain) for node in tree.body)
        and not _imports(tree, factory)
    ):
        yield f"{model.name}: the file defines no function {factory!r}"


def _imports(tree: ast.Module, name: str) -> bool:
    imported = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    return any(name == (alias.asname or alias.name) or alias.name == "*" for alias in imported)


def chosen_models(options: ZooOptions) -> list[ModelVariant]:
    """The models of a run, each with its weights. Raises ModelError."""
    specs = models_zoo.resolve(options.models, options.size)
    return [ModelVariant(spec, options.weights, options.seed, options.samples) for spec in specs]


def chosen_converters(options: ZooOptions) -> Sequence[Converter]:
    """The converters of a run, each once for every precision that it has a way to.

    Raises BenchError: There is no such converter, or none has a way to a precision.
    """
    ways = {name: precisions_of(name) for name in options.converters}
    for precision in options.precisions:
        if not any(precision in known for known in ways.values()):
            able = [name for name in NAMES if precision in precisions_of(name)]
            raise BenchError(
                f"precision {precision}: none of {', '.join(ways)} has a way to it; {', '.join(able)} "
                f"{'has' if len(able) == 1 else 'have'}"
            )
    return [
        get_converter(name, precision)
        for name, known in ways.items()
        for precision in options.precisions
        if precision in known
    ]


def without_a_way(options: ZooOptions) -> list[str]:
    """A line for each converter that a precision asked for is left out of."""
    lines = []
    for name in options.converters:
        lacking = [each for each in options.precisions if each not in precisions_of(name)]
        if lacking:
            lines.append(
                f"{name}: left out of {', '.join(lacking)}: its authors describe no way to such files"
            )
    return lines


def _each_once(converters: Sequence[Converter]) -> list[Converter]:
    """Whatever the number of precisions."""
    return list({converter.name: converter for converter in converters}.values())


def rounds_of(options: ZooOptions) -> Rounds:
    """How often each cell is launched."""
    if options.rounds is not None:
        return Rounds(options.rounds)
    return Rounds(DEFAULT_ROUNDS, options.minutes * 60, interval=options.interval)


def binary_digest(options: ZooOptions) -> str | None:
    """What tells the user's own `benchmark_model` from others; None without one. Raises BenchError."""
    binary = options.benchmark_binary
    try:
        return sha256_of(binary)[:12] if binary else None
    except OSError as error:
        raise BenchError(f"--benchmark-binary {binary}: cannot be read: {error.strerror}") from error
