"""The devices there are, and starting and stopping emulated machines: plain functions for a command line to present."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from devices.errors import DeviceError


@dataclass(frozen=True)
class DeviceEntry:
    """One device, whether it can be used now or not."""

    name: str
    """What ``open_device`` takes."""
    kind: str
    """``host``, ``adb`` or ``emulated``."""
    usable: bool
    state: str


def list_devices() -> list[DeviceEntry]:
    """This host, the devices behind adb, and the machines that can be emulated. Starts nothing."""
    from devices.adb.discover import attached_devices
    from devices.api.registry import open_device
    from devices.emulator.kinds import KINDS

    info = open_device("host").info()
    entries = [DeviceEntry("host", "host", True, f"{info.soc or info.model}, {info.cores} cores, {info.abi}")]
    for device in attached_devices():
        usable = device.state == "device"
        state = "ready" if usable else device.state
        entries.append(
            DeviceEntry(f"adb:{device.serial}", "adb", usable, f"{state}, through {device.through}")
        )
    return entries + [_machine_entry(name) for name in KINDS]


def _machine_entry(name: str) -> DeviceEntry:
    from devices.emulator.image import find_image
    from devices.emulator.kinds import parse_machine
    from devices.emulator.machine import find_running, qemu_path

    spec = parse_machine(name)
    try:
        qemu_path(spec)
    except DeviceError as error:
        return DeviceEntry(name, "emulated", False, str(error))
    if running := find_running(spec):
        return DeviceEntry(name, "emulated", True, f"running, adb on 127.0.0.1:{running.port}")
    image = find_image(spec.kind)
    state = (
        f"built (image {image.digest}), starts when used" if image else "not built; is built when first used"
    )
    return DeviceEntry(name, "emulated", True, state)


@dataclass(frozen=True)
class Description:
    """What a device is and how it is now."""

    info: dict[str, Any]
    """Fields of ``DeviceInfo``; of a machine that does not run, those that are known."""
    state: dict[str, Any] | None
    """Fields of ``DeviceState``; ``None`` for a machine that does not run."""


def describe(name: str, *, boot: bool = False) -> Description:
    """What a device is and how it is now.

    Args:
        name: What ``open_device`` takes.
        boot: Start an emulated machine that does not run, in order to ask it (some 25 seconds); without it, what is
            known of the machine beforehand is all there is.

    Raises:
        DeviceError: There is no such device, or it cannot be reached.
    """
    from devices.api.registry import open_device
    from devices.emulator.kinds import is_machine_name, parse_machine
    from devices.emulator.machine import find_running
    from devices.emulator.outline import outline

    if not boot and is_machine_name(name) and not find_running(spec := parse_machine(name)):
        return Description(outline(spec), None)
    with closing(open_device(name)) as device:
        return Description(asdict(device.info()), asdict(device.state()))


def create_machine(kind: str) -> DeviceEntry:
    """Build the image of ``arm`` or ``x86`` unless it is there (about ten seconds, from Debian's packages)."""
    from devices.emulator.image import build_image
    from devices.emulator.kinds import parse_machine

    spec = parse_machine(kind)
    build_image(spec.kind)
    return _machine_entry(spec.name)


def start_machine(name: str) -> DeviceEntry:
    """Start a machine that stays until ``stop_machine``."""
    from devices.emulator.kinds import parse_machine
    from devices.emulator.machine import start_detached

    spec = parse_machine(name)
    start_detached(spec)
    return _machine_entry(spec.name)


def stop_machine(name: str) -> bool:
    """Stop what ``start_machine`` started; false when it was not running."""
    from devices.emulator.kinds import parse_machine
    from devices.emulator.machine import stop_detached

    return stop_detached(parse_machine(name))


def clean(name: str) -> int:
    """Remove what was pushed to a device; for an emulated machine that does not run, its image. Bytes freed."""
    from devices.api.registry import open_device
    from devices.emulator.image import image_folder
    from devices.emulator.kinds import is_machine_name, parse_machine
    from devices.emulator.machine import find_running

    if is_machine_name(name) and not find_running(parse_machine(name)):
        # What is pushed to a machine ends with it, so the image is all that is left.
        folder = image_folder(parse_machine(name).kind)
        freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder, ignore_errors=True)
        return freed
    device = open_device(name)
    try:
        with device.lock():
            return device.clean()
    finally:
        device.close()
