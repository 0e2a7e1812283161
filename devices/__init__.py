"""Devices that run models: one protocol for this host, adb devices and emulated machines; and the runners.

Names are imported when first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devices.api.checkup import Check, doctor
    from devices.api.launching import launch, prepare_runner
    from devices.api.overview import (
        Description,
        DeviceEntry,
        clean,
        create_machine,
        describe,
        list_devices,
        start_machine,
        stop_machine,
    )
    from devices.api.registry import open_device
    from devices.errors import DeviceError
    from devices.fairness import Settled, affinity_prefix, throttling, wait_until_settled
    from devices.launches import LaunchRequest, LaunchResult, OpProfile
    from devices.protocol import CpuCluster, Device, DeviceInfo, DeviceState, RunResult

_HOMES = {
    "Check": "devices.api.checkup",
    "CpuCluster": "devices.protocol",
    "Description": "devices.api.overview",
    "Device": "devices.protocol",
    "DeviceEntry": "devices.api.overview",
    "DeviceError": "devices.errors",
    "DeviceInfo": "devices.protocol",
    "DeviceState": "devices.protocol",
    "LaunchRequest": "devices.launches",
    "LaunchResult": "devices.launches",
    "OpProfile": "devices.launches",
    "RunResult": "devices.protocol",
    "Settled": "devices.fairness",
    "affinity_prefix": "devices.fairness",
    "clean": "devices.api.overview",
    "create_machine": "devices.api.overview",
    "describe": "devices.api.overview",
    "doctor": "devices.api.checkup",
    "launch": "devices.api.launching",
    "list_devices": "devices.api.overview",
    "open_device": "devices.api.registry",
    "prepare_runner": "devices.api.launching",
    "start_machine": "devices.api.overview",
    "stop_machine": "devices.api.overview",
    "throttling": "devices.fairness",
    "wait_until_settled": "devices.fairness",
}

__all__ = [
    "Check",
    "CpuCluster",
    "Description",
    "Device",
    "DeviceEntry",
    "DeviceError",
    "DeviceInfo",
    "DeviceState",
    "LaunchRequest",
    "LaunchResult",
    "OpProfile",
    "RunResult",
    "Settled",
    "affinity_prefix",
    "clean",
    "create_machine",
    "describe",
    "doctor",
    "launch",
    "list_devices",
    "open_device",
    "prepare_runner",
    "start_machine",
    "stop_machine",
    "throttling",
    "wait_until_settled",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
