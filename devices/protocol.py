"""What every device can do. ``HostDevice`` and ``AdbDevice`` do it; ``bench`` asks for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

TIMEOUT_EXIT_CODE = 124
"""Exit code of a command that was ended for running past its limit; the one ``timeout(1)`` uses."""


@dataclass(frozen=True)
class CpuCluster:
    """Cores that share a design and a clock."""

    cores: tuple[int, ...]
    max_khz: int | None


@dataclass(frozen=True)
class DeviceInfo:
    """What a device is. Nothing here changes while the device runs."""

    name: str
    kind: str
    """``host``, ``adb`` or ``emulated``."""
    model: str
    soc: str | None
    abi: str
    """``x86_64``, ``arm64``, ``arm`` or what the kernel calls it."""
    cores: int
    memory_bytes: int
    os: str
    kernel: str
    gpu: str | None = None
    clusters: tuple[CpuCluster, ...] = ()
    delegates: tuple[str, ...] = ()
    """Delegates for which a runner exists on this device."""
    android: bool = False


@dataclass(frozen=True)
class DeviceState:
    """How a device is at one moment. ``None`` and empty mean that the device does not tell."""

    taken_at: float
    """Seconds since the epoch, on the clock of the machine that asks."""
    temperatures_c: dict[str, float] = field(default_factory=dict)
    thermal_status: str | None = None
    """Android's word, from ``none`` over ``light``, ``moderate`` and ``severe`` to ``shutdown``."""
    battery_percent: float | None = None
    charging: bool | None = None
    governors: dict[str, str] = field(default_factory=dict)
    """Frequency governor by cpufreq policy."""
    frequencies_khz: dict[str, int] = field(default_factory=dict)
    load_1min: float | None = None
    free_memory_bytes: int | None = None


@dataclass(frozen=True)
class RunResult:
    """A command that ran on a device."""

    exit_code: int
    """128 + N when signal N ended it, 124 when it ran past its limit."""
    stdout: bytes
    stderr: bytes
    seconds: float
    """Wall time as seen from here; on an emulated device this is no measure of the command."""
    timed_out: bool = False


EMULATED_MARK = "emulated machine"  # in the name of an emulated machine's system


@runtime_checkable
class Device(Protocol):
    """A machine that takes files, runs commands and tells its state.

    A device that cannot be reached raises ``DeviceError`` from any method. A command that fails does not.
    """

    name: str
    """The spec that opens it again: ``host``, ``arm``, ``adb:SERIAL``, ``adb:HOST:PORT``."""

    @property
    def emulated(self) -> bool:
        """Its clock counts instructions: one microsecond is a thousand of them."""
        ...

    scratch: str
    """Folder on the device where whatever is written is ours to remove."""

    def info(self) -> DeviceInfo: ...

    def push(self, local: Path) -> str:
        """Bring a file to the device and return its path there. A file of the same content is sent once;
        the copy on the device is checked by SHA-256."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> RunResult: ...

    def pull(self, remote: str, local: Path) -> None: ...

    def state(self) -> DeviceState: ...

    def lock(self) -> AbstractContextManager[None]:
        """Hold the device for this process alone. ``DeviceError`` names the holder when it is taken."""
        ...

    def clean(self) -> int:
        """Remove everything that ``push`` and the runners left on the device; returns the bytes freed."""
        ...

    def close(self) -> None: ...
