"""What a worker of the lab says of itself when it joins."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from devices import CpuCluster, DeviceInfo

KEY = "lab"
"""Under which the scheduler has them."""


@dataclass(frozen=True)
class Facts:
    """What a worker says.

    Attributes:
        host: What people call its machine.
        host_id: Tells the machine's folder from others.
        program: See `bench.lab.program`.
        device: The device that it launches on; None: it converts.
        serial: What the device itself says that it is; None where it says nothing.
        megabytes: What it may use for conversions.
    """

    host: str
    host_id: str
    program: str
    device: DeviceInfo | None
    serial: str | None
    megabytes: float

    def plain(self) -> dict[str, Any]:
        """As it travels."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Facts":
        """From what travelled."""
        device = plain["device"]
        return cls(**{**plain, "device": _device(device) if device else None})


def _device(plain: Mapping[str, Any]) -> DeviceInfo:
    clusters = tuple(CpuCluster(tuple(each["cores"]), each["max_khz"]) for each in plain["clusters"])
    return DeviceInfo(**{**plain, "clusters": clusters, "delegates": tuple(plain["delegates"])})
