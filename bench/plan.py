"""What a run would do: the names checked, nothing made."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import models_zoo
from bench.artifacts import ArtifactCache, ModelVariant
from bench.converters.base import Converter
from bench.converters.registry import get_converter
from bench.measure.schedule import Rounds
from bench.measure.targets import open_target
from bench.options import DEFAULT_ROUNDS, ZooOptions
from bench.progress import Reporter


@dataclass(frozen=True)
class PlannedEnvironment:
    """A converter's environment, and whether it need not be installed."""

    name: str
    installed: bool


@dataclass(frozen=True)
class PlannedConversion:
    """A model and a converter, and whether the conversion need not be tried again."""

    model: str
    converter: str
    made: bool


@dataclass(frozen=True)
class PlannedCell:
    """A cell to be measured; `cores` and `benchmark_binary` as they were given."""

    model: str
    converter: str
    device: str
    delegate: str
    threads: int
    cores: str
    benchmark_binary: str | None


@dataclass(frozen=True)
class ZooPlan:
    """What a run would do. `rounds` is the most of them; `minutes` limits them unless it is None."""

    environments: list[PlannedEnvironment]
    conversions: list[PlannedConversion]
    cells: list[PlannedCell]
    rounds: int
    minutes: float | None


def plan(options: ZooOptions, say: Reporter | None = None) -> ZooPlan:
    """What `bench.run.zoo` would do with these options.

    Args:
        options: The options.
        say: Where it is said what a device's name stands for; None: stderr.

    Raises:
        BenchError, DeviceError, ModelError: As `zoo` does for names that do not exist.
    """
    say = say or Reporter()
    models, converters = chosen_models(options), chosen_converters(options)
    options.baseline_name()
    with ExitStack() as opened:
        devices = [opened.enter_context(closing(open_target(name, say))).name for name in options.devices]
    cache = ArtifactCache(options.out, options.timeout, say)
    rounds = rounds_of(options)
    conversions = [PlannedConversion(m.name, c.name, cache.is_made(m, c)) for m in models for c in converters]
    binary = str(options.benchmark_binary) if options.benchmark_binary else None
    return ZooPlan(
        environments=[
            PlannedEnvironment(c.name, c.environment.installed) for c in converters if c.environment
        ],
        conversions=conversions,
        cells=[
            PlannedCell(made.model, made.converter, device, delegate, threads, options.cores, binary)
            for device in devices
            for delegate in options.delegates
            for threads in options.threads
            for made in conversions
        ],
        rounds=rounds.most,
        minutes=None if rounds.budget_seconds is None else rounds.budget_seconds / 60,
    )


def chosen_models(options: ZooOptions) -> list[ModelVariant]:
    """The models of a run, each with its weights. Raises ModelError."""
    specs = models_zoo.resolve(options.models, options.size)
    return [ModelVariant(spec, options.weights, options.seed) for spec in specs]


def chosen_converters(options: ZooOptions) -> Sequence[Converter]:
    """The converters of a run. Raises BenchError."""
    return [get_converter(name) for name in options.converters]


def rounds_of(options: ZooOptions) -> Rounds:
    """How often each cell is launched."""
    if options.rounds is not None:
        return Rounds(options.rounds)
    return Rounds(DEFAULT_ROUNDS, options.minutes * 60)
