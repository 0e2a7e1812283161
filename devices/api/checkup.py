"""What works on this machine, what is missing, and how to get it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from devices.errors import DeviceError


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    what: str
    ok: bool
    detail: str
    fix: str | None = None
    """The command or step that puts it right; not repeated in ``detail``."""


def doctor() -> list[Check]:
    """Look at everything that devices and runners need. Changes nothing, fetches nothing."""
    looks: list[tuple[str, Callable[[], str]]] = [
        ("cache folder", _cache),
        ("LiteRT runtime", _runtime),
        ("compiler for the embedded runner", _compiler),
        ("emulated arm machine", lambda: _machine("arm")),
        ("emulated x86 machine", lambda: _machine("x86")),
        ("Debian packages for machines", _debian),
        ("adb key", _key),
        ("devices behind adb", _attached),
        ("adb over USB", _usb),
        ("Vulkan for gpu-webgpu", _vulkan),
    ]
    return [_check(what, look) for what, look in looks]


def _check(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, True, look())
    except DeviceError as error:
        return Check(what, False, error.problem, error.remedy and error.remedy.removeprefix("run: "))


def _cache() -> str:
    from devices.cache import CACHE_VARIABLE, cache_folder

    folder = cache_folder()
    if not os.access(folder, os.W_OK):
        raise DeviceError(
            f"the cache folder {folder} is not writable", f"set {CACHE_VARIABLE} to a writable folder"
        )
    return f"{folder}, {shutil.disk_usage(folder).free / 1e9:.0f} GB free"


def _runtime() -> str:
    from devices.runners.embedded.litert import litert_library, litert_version
    from devices.sysfs import abi_of

    library = litert_library(abi_of(os.uname().machine))
    return f"{litert_version()} ({library})"


def _compiler() -> str:
    from devices.runners.embedded.build import check_compiler, runner_hash

    check_compiler()
    return f"ziglang; runner {runner_hash()} is built when first used"


def _machine(name: str) -> str:
    from devices.emulator.image import find_image
    from devices.emulator.kinds import parse_machine
    from devices.emulator.machine import qemu_path

    spec = parse_machine(name)
    image = find_image(spec.kind)
    return f"{qemu_path(spec)}, {f'image {image.digest}' if image else 'image not built yet'}"


def _debian() -> str:
    from devices.debian import check_tools

    return f"apt-get, dpkg-deb, mirror {check_tools()}"


def _key() -> str:
    from devices.adb.keys import key_path

    path = key_path()
    return f"{path}" if path.exists() else f"{path} is made when first used"


def _attached() -> str:
    from devices.adb.discover import attached_devices

    attached = attached_devices()
    if not attached:
        raise DeviceError("none", "attach one with USB debugging on, or name it by adb:HOST:PORT")
    return ", ".join(f"adb:{device.serial} ({device.state}, through {device.through})" for device in attached)


def _usb() -> str:
    from devices.adb.connect import usb_transport

    usb_transport()
    return "libusb is there"


def _vulkan() -> str:
    from devices.runners.embedded.vulkan import find_software_driver, has_gpu

    if has_gpu():
        return "this machine's GPU"
    folder = find_software_driver()
    if folder is None and shutil.which("apt-get") is None:
        raise DeviceError(
            "no GPU, and SwiftShader is neither installed nor can be fetched",
            "run: sudo apt-get install chromium-common",
        )
    return f"SwiftShader in {folder}" if folder else "no GPU; SwiftShader is fetched when first used"
