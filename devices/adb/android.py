"""What Android offers beyond the kernel's files: properties, thermal status, battery, a fixed performance mode."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from devices.errors import DeviceError
from devices.launches import OFFICIAL_DELEGATES
from devices.protocol import NOMINAL_THERMAL_STATUS, DeviceState, RunResult

# PowerManager.THERMAL_STATUS_*
THERMAL_STATUSES = (
    NOMINAL_THERMAL_STATUS,
    "light",
    "moderate",
    "severe",
    "critical",
    "emergency",
    "shutdown",
)

Ask = Callable[[Sequence[str]], str]
"""Runs a command on the device and returns what it prints."""
Run = Callable[[Sequence[str]], RunResult]
"""Runs a command on the device."""


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
        "delegates": OFFICIAL_DELEGATES,
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
        # BatteryManager's numbers for charging and full.
        fields["charging"] = found["status"] in {"2", "5"}
    return fields


@contextmanager
def fixed_performance_mode(run: Run) -> Iterator[bool]:
    """Hold the fixed performance mode while the block runs; yields whether the device has one.

    It is ended however the block ends: normally, by an exception, by Ctrl-C.
    """
    offered = False
    try:
        offered = _set_fixed_performance(run, True)
        yield offered
    finally:
        if offered:
            # On a device that is gone it cannot be switched off; it ends when the device restarts.
            with suppress(DeviceError):
                _set_fixed_performance(run, False)


def _set_fixed_performance(run: Run, on: bool) -> bool:
    done = run(["cmd", "power", "set-fixed-performance-mode-enabled", "true" if on else "false"])
    # Devices without it say so in words, some of them with exit code 0.
    said = (done.stdout + done.stderr).decode(errors="replace").lower()
    refusals = ("unknown", "not supported", "fail", "error")
    return done.exit_code == 0 and not any(word in said for word in refusals)
