"""The Vulkan driver for LiteRT's WebGPU accelerator on this host: the GPU's own, or one in software.

SwiftShader shows which nodes a GPU takes and whether the numbers are right. Its times mean nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from devices.cache import build_once, cache_folder
from devices.debian import download_for_this_system, unpack
from devices.errors import DeviceError

_PACKAGE = "chromium-common"
_INSTALLED = Path("/usr/lib/chromium")
_DRIVER, _MANIFEST, _LOADER = "libvk_swiftshader.so", "vk_swiftshader_icd.json", "libvulkan.so.1"
_USERS_CHOICE = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")


def has_gpu() -> bool:
    """Whether this machine has a GPU with a Vulkan driver."""
    drivers = [*Path("/usr/share/vulkan/icd.d").glob("*.json"), *Path("/etc/vulkan/icd.d").glob("*.json")]
    return any(Path("/dev/dri").glob("renderD*")) and bool(drivers)


def find_software_driver() -> Path | None:
    """Folder of SwiftShader, installed or fetched before."""
    for folder in (_INSTALLED, cache_folder("swiftshader") / "driver"):
        if (folder / _DRIVER).exists() and (folder / _MANIFEST).exists():
            return folder
    return None


def vulkan_environment() -> dict[str, str]:
    """Environment in which a process finds a Vulkan driver: the user's choice, the GPU's, or SwiftShader."""
    if any(os.environ.get(name) for name in _USERS_CHOICE) or has_gpu():
        return {}
    folder = find_software_driver() or build_once(cache_folder("swiftshader") / "driver", _fetch)
    return {"VK_ICD_FILENAMES": str(folder / _MANIFEST), "LD_LIBRARY_PATH": str(folder)}


def _fetch(folder: Path) -> Path:
    try:
        archive = download_for_this_system(_PACKAGE, folder)
    except DeviceError as error:
        raise DeviceError(
            f"gpu-webgpu needs a Vulkan driver, and this machine has no GPU: {error}; "
            f"or run: sudo apt-get install {_PACKAGE}"
        ) from error
    source, target = unpack(archive, folder / "unpacked") / "usr/lib/chromium", folder / "driver"
    target.mkdir()
    for name in (_DRIVER, _MANIFEST, _LOADER):
        if not (source / name).exists():
            raise DeviceError(
                f"Debian's {_PACKAGE} has no {name} any more; set {_USERS_CHOICE[0]} to a Vulkan driver"
            )
        (source / name).replace(target / name)
    return target
