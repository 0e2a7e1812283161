"""Waiting for a device to be in the same state before each launch, noticing when it was not, and choosing its cores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devices.errors import DeviceError
from devices.interruption import look_for_interruption
from devices.protocol import NOMINAL_THERMAL_STATUS, Device, DeviceInfo, DeviceState

# A core that runs under a load at less than this share of the speed it had before has been throttled.
_SLOWED_SHARE = 0.8


@dataclass(frozen=True)
class Settled:
    """How waiting for a steady device ended."""

    settled: bool
    waited_seconds: float
    state: DeviceState
    reason: str
    """Why it counts as settled, or what still changed."""


def wait_until_settled(
    device: Device,
    *,
    timeout: float = 300.0,
    interval: float = 5.0,
    tolerance_c: float = 0.5,
    readings: int = 3,
    sleep: Callable[[float], None] = time.sleep,
) -> Settled:
    """Wait until the device is neither throttled nor warming up or cooling down.

    A device without sensors is settled at once, and so is an emulated one.

    Args:
        device: What to wait for.
        timeout: Seconds after which to give up.
        interval: Seconds between readings.
        tolerance_c: Most degrees by which a sensor may change over the last readings.
        readings: How many readings have to agree.
        sleep: Waits for some seconds.

    Returns:
        Whether it settled, how long that took, and the last state.
    """
    start = time.monotonic()
    state = device.state()
    if device.emulated:
        return Settled(True, 0.0, state, "an emulated device has no temperature")
    history = [state]
    while True:
        look_for_interruption()
        waited = time.monotonic() - start
        if not state.temperatures_c and state.thermal_status is None:
            return Settled(True, waited, state, "the device reports no temperature")
        problem = _unsettled(history[-readings:], readings, tolerance_c)
        if problem is None:
            return Settled(True, waited, state, "the temperature is steady")
        if waited >= timeout:
            return Settled(False, waited, state, problem)
        sleep(interval)
        state = device.state()
        history.append(state)


def _unsettled(recent: Sequence[DeviceState], readings: int, tolerance_c: float) -> str | None:
    status = recent[-1].thermal_status
    if status not in (None, NOMINAL_THERMAL_STATUS):
        return f"the thermal status is {status}"
    if not recent[-1].temperatures_c:
        return None
    if len(recent) < readings:
        return f"{len(recent)} of {readings} readings were taken"
    for sensor in recent[-1].temperatures_c:
        values = [state.temperatures_c[sensor] for state in recent if sensor in state.temperatures_c]
        if max(values) - min(values) > tolerance_c:
            return f"{sensor} goes from {values[0]:.1f} to {values[-1]:.1f} °C"
    return None


def throttling(before: DeviceState, after: DeviceState) -> str | None:
    """What shows that the device slowed down between two states; ``None`` when nothing does."""
    for state in (after, before):
        if state.thermal_status not in (None, NOMINAL_THERMAL_STATUS):
            return f"the thermal status was {state.thermal_status}"
    for policy, khz in before.frequencies_khz.items():
        now = after.frequencies_khz.get(policy)
        # Only a governor that holds the clock makes two readings comparable; others idle down at once.
        if before.governors.get(policy) == "performance" and now is not None and now < _SLOWED_SHARE * khz:
            return f"{policy} fell from {khz // 1000} to {now // 1000} MHz"
    return None


def affinity_prefix(info: DeviceInfo, cores: str | None) -> list[str]:
    """The words to put before a command so that it runs on certain cores.

    Args:
        info: The device.
        cores: ``big``, ``little``, or numbers such as ``4-7`` or ``0,2``; ``None`` and ``all`` leave it to the device.

    Raises:
        DeviceError: The device has no such cores.
    """
    if cores in (None, "all"):
        return []
    chosen = _named_cluster(info, cores) if cores in ("big", "little") else _numbers(info, str(cores))
    mask = sum(1 << core for core in chosen)
    return ["taskset", f"{mask:x}"]


def _named_cluster(info: DeviceInfo, name: str) -> tuple[int, ...]:
    if len(info.clusters) < 2:
        raise DeviceError(
            f"{info.name} has one kind of core, so there is none to call {name}; "
            f"name cores by number, 0 to {info.cores - 1}"
        )
    return info.clusters[-1 if name == "big" else 0].cores


def _numbers(info: DeviceInfo, text: str) -> set[int]:
    cores: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise DeviceError(f"{text!r} names no cores; say big, little, all, or numbers such as 4-7 or 0,2")
        cores.update(range(int(first), int(last or first) + 1))
    if not cores or max(cores) >= info.cores:
        raise DeviceError(f"{info.name} has the cores 0 to {info.cores - 1}; {text!r} goes beyond")
    return cores
