"""What every device can do. ``HostDevice`` and ``AdbDevice`` implement it; ``bench`` uses nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

TIMEOUT_EXIT_CODE = 124
"""Exit code of a command that was ended for running past its limit; the one ``timeout(1)`` uses."""

NOMINAL_THERMAL_STATUS = "none"
"""The thermal status of a device that throttles nothing."""

# In the name of an emulated machine's system.
EMULATED_MARK = "emulated machine"


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
    """How a device is at one moment. ``None`` and empty mean that the device does not report it."""

    taken_at: float
    """Seconds since the epoch, on the clock of this machine, not the device's."""
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


@runtime_checkable
class Device(Protocol):
    """A machine that takes files, runs commands and reports its state.

    Every method raises ``DeviceError`` when the device cannot be reached. A command that fails raises nothing.
    """

    name: str
    """The spec that opens it again: ``host``, ``arm``, ``adb:SERIAL``, ``adb:HOST:PORT``."""

    @property
    def emulated(self) -> bool:
        """Whether its clock counts instructions: one microsecond is then a thousand of them."""
        ...

    scratch: str
    """Folder on the device whose content is ours to remove."""

    def info(self) -> DeviceInfo:
        """What the device is; the same at every call."""
        ...

    def push(self, local: Path) -> str:
        """Bring a file to the device and return its path there.

        A file of the same content is sent once; the copy on the device is checked by SHA-256.
        """
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> RunResult:
        """Run a command and wait for it.

        Args:
            argv: The program and its arguments; no shell reads them.
            timeout: Seconds after which it is killed with all its children.
            env: Variables on top of the device's own.
            cwd: Folder on the device to run it in.
        """
        ...

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from the device. ``DeviceError`` when it is not there."""
        ...

    def state(self) -> DeviceState:
        """How the device is now."""
        ...

    def hold_performance(self) -> AbstractContextManager[bool]:
        """Keep the clock from varying while the block runs, as far as the device offers that without root.

        Yields whether it does. The clock is released however the block ends.
        """
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Reserve the device for this process. ``DeviceError`` names the holder when it is taken."""
        ...

    def clean(self) -> int:
        """Remove everything that ``push`` and the runners left on the device; returns the bytes freed."""
        ...

    def close(self) -> None:
        """Let go of the device; what was started for it is stopped."""
        ...
