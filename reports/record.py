"""The record of one launch: the only thing that is stored; tables, charts and resuming are derived from it.

A *cell* is (model, converter, device, delegate, threads, precision). A *launch* is one process that loads one
file and times it. A failure, of a conversion or of a launch, is a record too.
"""

import hashlib
import json
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

SCHEMA_VERSION = 7
"""Older versions are still read. Version 1 called the provenance `subject`; up to version 2 it lacked the runner and the
system, which stood elsewhere in the record; up to version 3 all launches were made for a figure; up to version 4 all files
were float32, a cell's precision was the delegate's, and none was made in a lab; up to version 5 nothing was forecast; up
to version 6 no forecast said what is refused, or why there is none."""

FLOAT = "fp32"
"""The precision of a file that computes as PyTorch does."""
Unit = Literal["us", "kinstr"]
Stage = Literal["conversion", "launch", "device"]
"""Where a failure happened; one of the device says nothing about the file that it was to run."""
Purpose = Literal["figure", "profile", "sustained"]
"""What a launch was made for. Only those for a figure are pooled into the cell's latency."""


class _Part(BaseModel):
    """Unknown fields are refused: a record of a newer schema must not be half understood."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Cell(_Part):
    """What was measured, by name: everything that a table or a chart groups by.

    Attributes:
        model: A name of the zoo, or a user's `path/to/file.py:factory`.
        converter: The converter's name.
        device: The device's name.
        delegate: The delegate asked for.
        threads: How many.
        precision: Of the file: `fp32`, or what its weights and activations were made of it. In which numbers a delegate
            computes what is float, its own name says.
        cores: What was asked for ("big", "4-7"); None when the device chose.
        benchmark_binary: Begins the SHA-256 of a `benchmark_model` of the user's own; None when none was given.
    """

    model: str
    converter: str
    device: str
    delegate: str
    threads: int
    precision: str = FLOAT
    cores: str | None = None
    benchmark_binary: str | None = None

    @property
    def label(self) -> str:
        """The converter, and the file's precision where that is not float32: what tells the files of a model apart."""
        return self.converter if self.precision == FLOAT else f"{self.converter} {self.precision}"


class Provenance(_Part):
    """What was measured, exactly: launches may be pooled when their cell and their provenance are equal.

    Attributes:
        weights: Where the numbers in the model come from: "random", "default", "own" or "none".
        seed: Of the random weights and of the inputs.
        converter_version: Changes with anything that made the file.
        device_identity: Changes with the kind of machine.
        file_sha256: None when there is no file, because the conversion failed.
        runner: What timed the model: the program's digest and the runtime's version; None where it was not known.
        system: The device's operating system and kernel; None where they were not known.
    """

    weights: str
    seed: int
    converter_version: str
    device_identity: str
    file_sha256: str | None
    runner: str | None = None
    system: str | None = None


class Forecast(_Part):
    """What a delegate was expected to make of the file, by the tables of its rules.

    Attributes:
        nodes: Of the file's main graph.
        taken: Of them, by the delegate.
        partitions: In how many parts.
        wrong: Of those taken, the ones known to be computed wrongly.
        refused: How many nodes break a rule, by op and rule: `TRANSPOSE: five dims or more`.
        error: Why nothing is forecast: a rule stumbles over the file; the counts are then 0.
    """

    nodes: int = 0
    taken: int = 0
    partitions: int = 0
    wrong: int = 0
    refused: dict[str, int] = Field(default_factory=dict)
    error: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the delegate takes all of the file, and none of it is known to be computed wrongly."""
        return self.error is None and self.taken == self.nodes and not self.wrong


class Conversion(_Part):
    """How the file came to be, and what is in it. The seconds leave out the import of the frameworks.

    `origins`: whether the converter says which module of the PyTorch program an op of the file comes from.
    `forecasts`: by delegate, for those that there are rules for.
    """

    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_rss_mb: float | None = None
    size_bytes: int | None = None
    n_ops: int | None = None
    transposes: int | None = None
    ops: dict[str, int] = Field(default_factory=dict)
    origins: bool | None = None
    forecasts: dict[str, Forecast] = Field(default_factory=dict)


class Accuracy(_Part):
    """The device's own outputs against PyTorch's, over one input or several.

    Attributes:
        max_error: Largest max|difference| / max|reference| of any output on any input. Infinite where an output is
            missing, has another shape, or holds NaN or infinity where PyTorch's does not.
        per_output: The same for each output.
        tolerance: What `max_error` may be.
        samples: How many inputs.
        worst_element: Largest |difference| / |reference| of a single element, where references below a thousandth of
            the output's largest count as that; None when it was not looked for.
        worst_at: Which element that is, and both values.
        top1_agreeing: For a classifier, how many rows of scores have the largest one where PyTorch's have it.
        top1_rows: Of how many rows; None for other models.
        alike: Of a file of another precision than float32: the share of further samples, none of which it was calibrated
            on, that this host finds to come out alike. A classifier's with the same class first; those of any other model
            with an SNR of 20 dB or more.
        alike_samples: How many samples.
        min_alike: What `alike` must be for a file that computes with integers, which is not judged by `max_error`; None
            for others.
        snr: The device's signal over noise against PyTorch, in decibels, on the input where it is lowest.
        least_snr: What `snr` must be at least: 6 dB, a factor of two, below what this host finds on the same inputs.
    """

    max_error: float
    per_output: tuple[float, ...]
    tolerance: float | None
    samples: int = 1
    worst_element: float | None = None
    worst_at: str | None = None
    top1_agreeing: int | None = None
    top1_rows: int | None = None
    alike: float | None = None
    alike_samples: int | None = None
    min_alike: float | None = None
    snr: float | None = None
    least_snr: float | None = None

    @property
    def right(self) -> bool:
        """Whether nothing speaks against the file."""
        return self.fault is None

    @property
    def fault(self) -> str | None:
        """What is wrong, in words; None when the file does what it should."""
        if self.tolerance is not None:
            if self.max_error <= self.tolerance:
                return None
            return f"error {self.max_error:.1e} above {self.tolerance:.0e}"
        if self.alike is None or self.min_alike is None:
            return "nothing is known of how many samples come out alike"
        if self.alike < self.min_alike:
            return f"{self.alike:.1%} of {self.alike_samples} samples come out as PyTorch's, less than {self.min_alike:.0%}"
        if self.snr is None or self.least_snr is None or not self.snr >= self.least_snr:
            return (
                f"SNR {_decibels(self.snr)} on the device, where this host's own answers lead to expect "
                f"{_decibels(self.least_snr)}"
            )
        return None


def _decibels(snr: float | None) -> str:
    return "unknown" if snr is None else f"{snr:.1f} dB"


class Delegation(_Part):
    """The delegate asked for, and what it took.

    `left` names the kinds of nodes that it refused, with its reasons. `refused_at_most` is how many nodes of these kinds
    there are; the other nodes that it did not take are supported and lie outside the partitions that it kept.
    """

    asked: str
    applied: str | None = None
    fully: bool | None = None
    partitions: int | None = None
    delegated_nodes: int | None = None
    total_nodes: int | None = None
    left: tuple[str, ...] = ()
    refused_at_most: int | None = None


SAMPLES_KEPT = 100


def _packed(values: Iterable[float]) -> "array[float]":
    try:
        return array("d", values)
    except TypeError as error:
        raise ValueError(f"not a list of numbers: {error}") from error


Samples = Annotated[Sequence[float], PlainValidator(_packed), PlainSerializer(list)]
"""Eight bytes a number: a store may hold ten million of them."""


class Timing(_Part):
    """Figures of one launch, all in `unit`: microseconds, or thousands of executed instructions.

    `median`, `lowest` and `highest` are over all `runs`; `samples` are the single runs, in order, evenly
    thinned to SAMPLES_KEPT: a tiny model runs 300,000 times in a launch.
    """

    unit: Unit
    runs: int
    median: float
    lowest: float
    highest: float
    samples: Samples
    init: float | None = None
    first: float | None = None
    peak_rss_kb: int | None = None

    @classmethod
    def of_runs(cls, unit: Unit, times: Sequence[float], **more: Any) -> "Timing":
        """The figures of these runs, at least one, with `more` fields as they are."""
        step = max(1, math.ceil(len(times) / SAMPLES_KEPT))
        return cls(
            unit=unit,
            runs=len(times),
            median=median(times),
            lowest=min(times),
            highest=max(times),
            samples=times[::step],
            **more,
        )


class OpTime(_Part):
    """One operator of a profiled launch.

    Attributes:
        name: The kind of operator.
        time: Of all its calls in one run, in the unit of the launch.
        calls: In one run.
        delegated: Whether the delegate ran it.
        node: Its index in the graph, or within the delegate's part; None where the profile does not say.
        partition: The delegate's part; None outside the delegate, or where the profile does not say.
        module_path: The PyTorch module that it comes from, such as `features.3.conv`; None where it is not known.
        source: The line of the user's program that it comes from, as `file.py:12`.
    """

    name: str
    time: float
    calls: float
    delegated: bool
    node: int | None = None
    partition: int | None = None
    module_path: str | None = None
    source: str | None = None


class Sustained(_Part):
    """The place of a launch within a sustained run: all cells of a device in turns, without a pause.

    Attributes:
        run: When that run started; the same in all its launches.
        minutes: How long it was to take.
        at_minute: When within it the launch started.
    """

    run: str
    minutes: float
    at_minute: float

    @property
    def in_last_third(self) -> bool:
        """Whether the device had been at work for two thirds of the run."""
        return self.at_minute >= 2 / 3 * self.minutes


class Settling(_Part):
    """How the wait for a steady device before the launch ended, and why."""

    settled: bool
    waited_seconds: float
    reason: str


class Environment(_Part):
    """The machine that the measuring program ran on: not the device, unless that is this host."""

    python: str
    platform: str
    cpu: str
    versions: dict[str, str]
    git: str | None = None


class LaunchRecord(_Part):
    """One line of the store.

    `throttled` says what showed that the device slowed down during the launch: its figures do not count.
    `software_gpu`: a GPU was imitated by the processor, so the output counts and the times do not.
    `fixed_performance`: whether Android's mode of that name was held; None where there is no such mode.
    `profile`: the operators of a launch made for a profile, whose times do not count; `profile_delegate`: the delegate
    that it ran with, which need not be the cell's.
    `sustained`: the place of a launch in a sustained run.
    `launch`: what a launch made in a lab was called before it was made: two records of one are a launch done twice.
    `host`: the machine of the lab that it was made from.
    """

    schema_version: Literal[1, 2, 3, 4, 5, 6, 7] = SCHEMA_VERSION
    started: str
    wall_seconds: float
    cell: Cell
    provenance: Provenance
    round: int
    purpose: Purpose = "figure"
    ok: bool
    stage: Stage = "launch"
    error: str | None = None
    timing: Timing | None = None
    accuracy: Accuracy | None = None
    delegation: Delegation | None = None
    profile: tuple[OpTime, ...] = ()
    profile_delegate: str | None = None
    sustained: Sustained | None = None
    conversion: Conversion | None = None
    emulated: bool = False
    software_gpu: bool = False
    throttled: str | None = None
    settling: Settling | None = None
    fixed_performance: bool | None = None
    runner: str | None = None
    device_info: dict[str, Any] = Field(default_factory=dict)
    state_before: dict[str, Any] = Field(default_factory=dict)
    state_after: dict[str, Any] = Field(default_factory=dict)
    environment: Environment
    log: str | None = None
    launch: str | None = None
    host: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it was made for a figure, there is one, and the device was at its full speed."""
        return self.purpose == "figure" and self.ok and self.timing is not None and self.throttled is None

    @property
    def key(self) -> str:
        """See `launch_key`."""
        return launch_key(self.cell, self.provenance, self.round)


def as_of_today(data: Any) -> Any:
    """A record's JSON with what older versions have elsewhere put where it belongs; anything else as it is."""
    if not isinstance(data, dict) or data.get("schema_version") not in (1, 2, 3, 4):
        return data
    cell = data.get("cell")
    if isinstance(cell, dict):
        data = {**data, "cell": {**cell, "precision": FLOAT}}
    if data["schema_version"] > 2:
        return data
    provenance = data.get("subject" if "subject" in data else "provenance")
    if not isinstance(provenance, dict):
        return data
    known = {"runner": data.get("runner"), "system": system_of(data.get("device_info") or {})}
    rest = {key: value for key, value in data.items() if key != "subject"}
    return {**rest, "provenance": {**known, **provenance}}


def system_of(device_info: Mapping[str, Any]) -> str | None:
    """A device's operating system and kernel; None where neither is known."""
    return ", ".join(str(device_info[key]) for key in ("os", "kernel") if device_info.get(key)) or None


def measurement_key(cell: Cell, provenance: Provenance) -> str:
    """Equal for all launches that may be pooled into one figure."""
    text = json.dumps([cell.model_dump(), provenance.model_dump()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def launch_key(cell: Cell, provenance: Provenance, round_number: int) -> str:
    """The key by which a run that is resumed knows which launches have been done."""
    return f"{measurement_key(cell, provenance)}/{round_number}"
