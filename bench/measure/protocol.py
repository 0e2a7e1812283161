"""What the schedule asks of whatever launches, so that the device may be here or on another machine."""

from contextlib import AbstractContextManager
from typing import Protocol

from bench.measure.workload import Workload
from bench.progress import Reporter
from devices import DeviceInfo
from reports.record import LaunchRecord, Sustained


class Target(Protocol):
    """What is to be known of a device in order to plan its launches."""

    @property
    def name(self) -> str:
        """As in `devices.Device`."""
        ...

    @property
    def emulated(self) -> bool:
        """As in `devices.Device`."""
        ...

    def info(self) -> DeviceInfo:
        """As in `devices.Device`."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class Launching(Protocol):
    """Makes records of launches on one device, wherever that device is. `Launcher` does it for one that is here."""

    @property
    def device(self) -> Target:
        """The device."""
        ...

    def steady(self, say: Reporter) -> AbstractContextManager[None]:
        """See `Launcher.steady`."""
        ...

    def failed_conversion(self, workload: Workload) -> LaunchRecord:
        """See `Launcher.failed_conversion`."""
        ...

    def responds(self) -> bool:
        """See `Launcher.responds`."""
        ...

    def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        """See `Launcher.launch`."""
        ...

    def profile(self, workload: Workload, delegate: str) -> LaunchRecord:
        """See `Launcher.profile`."""
        ...

    def launch_warm(self, workload: Workload, round_number: int, place: Sustained) -> LaunchRecord:
        """See `Launcher.launch_warm`."""
        ...
