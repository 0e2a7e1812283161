"""Where the work of a run is done: on this machine, or on others. What is done is the same."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import fields
from typing import Protocol

import psutil

import devices
from bench.artifact import Artifact, ModelVariant
from bench.artifacts import ArtifactCache
from bench.converters.base import Converter
from bench.errors import BenchError
from bench.measure.host_facts import environment
from bench.measure.launching import Launcher, prepared_runner
from bench.measure.protocol import Launching, Target
from bench.measure.targets import open_target
from bench.measure.workload import Effort
from bench.progress import Reporter, Track
from bench.run.memory import MemoryShares, expected_bytes
from bench.run.options import ZooOptions
from bench.run.setting_up import set_up
from devices import Device, DeviceInfo
from reports.store import RecordStore

Maker = Callable[[ModelVariant, Converter, Track], Artifact]
"""Makes an artifact that is not there, and returns it; several threads may call it at the same time."""


class Site(Protocol):
    """Where the work of a run is done. `Here` is this machine."""

    def known(self, name: str, say: Reporter) -> DeviceInfo:
        """What is known of a device without starting anything. Raises BenchError, DeviceError."""
        ...

    def target(self, name: str, say: Reporter) -> Target:
        """Open a device. Raises BenchError, DeviceError."""
        ...

    def runner(self, target: Target, options: ZooOptions, say: Reporter) -> str | None:
        """See `bench.measure.launching.prepared_runner`."""
        ...

    def launcher(self, target: Target, effort: Effort, options: ZooOptions) -> Launching:
        """What launches on a device of this site."""
        ...

    def collect(self, options: ZooOptions, store: RecordStore, say: Reporter) -> None:
        """Bring records that were made for the output folder, and lie elsewhere, into its store."""
        ...

    def artifacts(
        self,
        options: ZooOptions,
        cache: ArtifactCache,
        models: Sequence[ModelVariant],
        converters: Sequence[Converter],
        say: Reporter,
    ) -> list[Artifact]:
        """All artifacts, model by model, made where they are not there; one that could not be made has an `error`.

        Raises:
            BenchError: No model runs in PyTorch.
        """
        ...

    def maker(
        self,
        options: ZooOptions,
        cache: ArtifactCache,
        models: Sequence[ModelVariant],
        converters: Sequence[Converter],
        say: Reporter,
    ) -> Maker:
        """What makes artifacts one at a time, for a caller that wants each as soon as it is there."""
        ...

    def at_the_same_time(self, jobs: int) -> int:
        """How many threads may wait for a maker, where a user asked for so many jobs on this machine."""
        ...


class Here:
    """This machine, with the devices attached to it."""

    def known(self, name: str, say: Reporter) -> DeviceInfo:
        """See `Site`."""
        return known_device(name, say)

    def target(self, name: str, say: Reporter) -> Device:
        """See `Site`."""
        return open_target(name, say)

    def runner(self, target: Target, options: ZooOptions, say: Reporter) -> str | None:
        """See `Site`."""
        assert isinstance(target, Device)
        return prepared_runner(target, options.benchmark_binary, say)

    def launcher(self, target: Target, effort: Effort, options: ZooOptions) -> Launching:
        """See `Site`."""
        assert isinstance(target, Device)
        return Launcher(
            target,
            effort,
            options.tolerance,
            environment(),
            options.out,
            options.benchmark_binary,
            options.min_alike,
        )

    def collect(self, options: ZooOptions, store: RecordStore, say: Reporter) -> None:
        """See `Site`; there are none."""

    def artifacts(
        self,
        options: ZooOptions,
        cache: ArtifactCache,
        models: Sequence[ModelVariant],
        converters: Sequence[Converter],
        say: Reporter,
    ) -> list[Artifact]:
        """See `Site`; one after the other."""
        references = cache.references(models)
        if all(reference.error for reference in references):
            reasons = "; ".join(str(reference.error) for reference in references)
            raise BenchError(f"there is no model to convert: {reasons}")
        # After the models, so that a mistake in a user's file does not show after minutes of installing.
        unusable = set_up(converters, models, cache, say)
        return cache.artifacts(models, references, converters, unusable)

    def maker(
        self,
        options: ZooOptions,
        cache: ArtifactCache,
        models: Sequence[ModelVariant],
        converters: Sequence[Converter],
        say: Reporter,
    ) -> Maker:
        """See `Site`; each conversion begins when the memory that it is expected to take is free."""
        unusable = set_up(converters, models, cache, say)
        shares = MemoryShares(0.9 * psutil.virtual_memory().available)

        def make(model: ModelVariant, converter: Converter, track: Track) -> Artifact:
            return _made_here(cache, model, converter, unusable.get(converter.name), shares, track)

        return make

    def at_the_same_time(self, jobs: int) -> int:
        """See `Site`."""
        return jobs


def _made_here(
    cache: ArtifactCache,
    model: ModelVariant,
    converter: Converter,
    unusable: str | None,
    shares: MemoryShares,
    track: Track,
) -> Artifact:
    """The artifact, made if it is not there, while its share of the memory is held."""
    if cache.to_be_made(model, converter) and not unusable:
        needed, there = expected_bytes(model), psutil.virtual_memory().total
        if needed > there:
            unusable = (
                f"not tried: a model of its size takes about {needed / 1e9:.0f} GB while it is converted, and this "
                f"machine has {there / 1e9:.0f} GB"
            )
        with shares.share(needed):
            track.now(f"{model.name} with {converter.name}, {converter.precision}")
            reference = cache.reference(model)
            if not reference.error and not unusable:
                cache.convert(model, reference, converter)
    else:
        reference = cache.reference(model)
    if not reference.error and cache.is_made(model, converter):
        cache.inspect([(model, reference, converter)])
    return cache.artifact(model, reference, converter, unusable)


def known_device(name: str, say: Reporter) -> DeviceInfo:
    """What is known of a device without starting it, if it is an emulated machine. Raises BenchError, DeviceError."""
    with closing(open_target(name, say)) as device:
        return outline(device.name) if device.emulated else device.info()


def outline(name: str) -> DeviceInfo:
    """What is known of an emulated machine that does not run."""
    known = devices.describe(name).info
    unknown = {"soc": None, "kernel": ""}
    return DeviceInfo(**unknown | {f.name: known[f.name] for f in fields(DeviceInfo) if f.name in known})
