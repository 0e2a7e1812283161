"""Devices that run models: one protocol; this host, adb devices, emulated machines; the runners.

Names are looked up when first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devices.errors import DeviceError
    from devices.launching import LaunchRequest, LaunchResult, OpProfile, launch
    from devices.protocol import CpuCluster, Device, DeviceInfo, DeviceState, RunResult
    from devices.registry import list_devices, open_device

_HOMES = {
    "CpuCluster": "devices.protocol",
    "Device": "devices.protocol",
    "DeviceError": "devices.errors",
    "DeviceInfo": "devices.protocol",
    "DeviceState": "devices.protocol",
    "LaunchRequest": "devices.launching",
    "LaunchResult": "devices.launching",
    "OpProfile": "devices.launching",
    "RunResult": "devices.protocol",
    "launch": "devices.launching",
    "list_devices": "devices.registry",
    "open_device": "devices.registry",
}

__all__ = [
    "CpuCluster",
    "Device",
    "DeviceError",
    "DeviceInfo",
    "DeviceState",
    "LaunchRequest",
    "LaunchResult",
    "OpProfile",
    "RunResult",
    "launch",
    "list_devices",
    "open_device",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
