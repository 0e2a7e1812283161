"""What travels between the program that measures and the machines of a lab."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.artifact import ModelVariant
from bench.converters.base import Converter
from bench.lab.files import Tree
from bench.measure.workload import Effort, Workload
from devices import DeviceError, DeviceInfo
from reports.record import LaunchRecord, Purpose, Sustained

BINARY = "benchmark_model"
"""The place of a user's own binary in a tree."""


@dataclass(frozen=True)
class DeviceOrder:
    """Say what a device is, and prepare the runner for it; `files` holds the user's own binary, if there is one."""

    run: str
    files: Tree


@dataclass(frozen=True)
class DeviceAnswer:
    """What a device is; `runner` as `bench.measure.launching.prepared_runner` returns it, `problem` why it is None."""

    name: str
    emulated: bool
    info: DeviceInfo
    runner: str | None
    problem: str | None


@dataclass(frozen=True)
class LaunchOrder:
    """Launch once.

    Attributes:
        run: What identifies the folder of results that the launch is for.
        launch: What identifies the launch.
        workload: What is launched; its files are named as they lie on the machine that orders.
        root: The folder there that `files` are named from.
        files: All files that are needed.
        round_number: As `Launcher.launch` takes it.
        check_output: As `Launcher.launch` takes it.
        effort: How long it runs.
        tolerance, min_alike: As `Launcher` takes them.
        purpose: What it is made for.
        profile_delegate: What a profile is taken with.
        sustained: The place in a sustained run.
    """

    run: str
    launch: str
    workload: Workload
    root: Path
    files: Tree
    round_number: int
    effort: Effort
    tolerance: float | None
    min_alike: float
    purpose: Purpose = "figure"
    check_output: bool = False
    profile_delegate: str | None = None
    sustained: Sustained | None = None


@dataclass(frozen=True)
class Launched:
    """A launch that was done; `again`: it had been done before it was ordered this time. `log` is what it printed."""

    record: LaunchRecord
    log: str | None
    again: bool = False


@dataclass(frozen=True)
class ConvertOrder:
    """Make all that is missing of one model.

    Attributes:
        run: What identifies the folder of results that it is for.
        model: The model; a user's own file is named as it lies on the machine that orders.
        model_file: Its place in `files`; None for a model of the zoo.
        converters: All of them.
        versions: Theirs, in the same order, as they are where it is ordered.
        folder_name: The model's, as it is there.
        files: The model's file, and what has been made of it before.
        timeout: Seconds for one conversion.
        retry_failed: Whether what failed is tried again.
    """

    run: str
    model: ModelVariant
    model_file: str | None
    converters: tuple[Converter, ...]
    versions: tuple[str, ...]
    folder_name: str
    files: Tree
    timeout: float
    retry_failed: bool


@dataclass(frozen=True)
class Converted:
    """What is there of a model now, where it can be read, and why converters cannot run there, by name."""

    host: str
    address: str
    files: Tree
    unusable: Mapping[str, str]


@dataclass(frozen=True)
class Missing:
    """Nothing was done: these contents are missing on the host; they can be sent to the worker of this address."""

    host: str
    address: str
    contents: tuple[str, ...]


class OtherDevice(DeviceError):
    """A device is not what it was when the run began: its launches could not be pooled with the earlier ones."""


class PhoneLost(Exception):
    """A phone stopped answering in the middle of a launch, or could not be reached for one. Another attempt may help.

    Args:
        reason: What happened.
        record: The record of the launch, if there was one.
    """

    def __init__(self, reason: str, record: LaunchRecord | None = None) -> None:
        super().__init__(reason, record)
        self.reason = reason
        self.record = record

    def __str__(self) -> str:
        return self.reason
