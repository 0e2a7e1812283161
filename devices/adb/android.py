"""What Android tells beyond the kernel's files: properties, thermal status, battery."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from devices.protocol import DeviceState

# PowerManager.THERMAL_STATUS_*
THERMAL_STATUSES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_DELEGATES = ("xnnpack", "xnnpack-fp16", "cpu", "gpu-opencl", "gpu-opencl-fp16")


Ask = Callable[[Sequence[str]], str]
"""Runs a command on the device and returns what it prints."""


def properties(ask: Ask) -> dict[str, str]:
    """The system properties; empty when the device does not run Android."""
    found = dict(re.findall(r"^\[(.+?)\]: \[(.*)\]\r?$", ask(["getprop"]), re.MULTILINE))
    return found if "ro.build.version.sdk" in found else {}


def identity(found: Mapping[str, str]) -> dict[str, Any]:
    """Fields of ``DeviceInfo`` that the properties know."""
    maker, chip = found.get("ro.soc.manufacturer", ""), found.get("ro.soc.model", "")
    fields: dict[str, Any] = {
        "model": f"{found.get('ro.product.manufacturer', '')} {found.get('ro.product.model', '')}".strip(),
        "os": f"Android {found.get('ro.build.version.release', '?')} (API {found['ro.build.version.sdk']})",
        "gpu": found.get("ro.hardware.egl") or found.get("ro.hardware.vulkan") or None,
        "delegates": _DELEGATES,
        "android": True,
    }
    if chip := f"{maker} {chip}".strip() or found.get("ro.board.platform", ""):
        fields["soc"] = chip
    return fields


def add_services(ask: Ask, state: DeviceState) -> DeviceState:
    """Thermal status, sensor temperatures and battery from Android's services."""
    thermal, battery = ask(["dumpsys", "thermalservice"]), ask(["dumpsys", "battery"])
    return replace(state, **thermal_fields(thermal, state), **battery_fields(battery))


def thermal_fields(text: str, state: DeviceState) -> dict[str, Any]:
    """Fields of ``DeviceState`` from ``dumpsys thermalservice``."""
    fields: dict[str, Any] = {}
    if status := re.search(r"Thermal Status: (\d+)", text):
        number = int(status[1])
        fields["thermal_status"] = THERMAL_STATUSES[number] if number < len(THERMAL_STATUSES) else status[1]
    # The service lists cached values first; those that the hardware gives now come later and win.
    sensors = re.findall(r"Temperature\{mValue=(-?[\d.]+), mType=-?\d+, mName=([^,]+), mStatus=\d+\}", text)
    if readings := {name: float(value) for value, name in sensors if 1.0 <= float(value) <= 150.0}:
        fields["temperatures_c"] = {**state.temperatures_c, **readings}
    return fields


def battery_fields(text: str) -> dict[str, Any]:
    """Fields of ``DeviceState`` from ``dumpsys battery``."""
    found = dict(re.findall(r"^\s*([\w ]+): (\S+)\s*$", text, re.MULTILINE))
    fields: dict[str, Any] = {}
    level, scale = found.get("level", ""), found.get("scale", "100")
    if level.isdigit() and scale.isdigit() and int(scale):
        fields["battery_percent"] = 100.0 * int(level) / int(scale)
    if "status" in found:
        fields["charging"] = found["status"] in {"2", "5"}  # BatteryManager: charging, full
    return fields
