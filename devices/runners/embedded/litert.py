"""Finding libLiteRt.so: in the installed ai-edge-litert, or for other machines in that version's wheel."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

from devices.cache import build_once, cache_folder
from devices.errors import DeviceError

PACKAGE = "ai-edge-litert"
_LOWEST, _BELOW = (2, 2), (2, 4)
_INSTALLATION = f"run: pip install '{PACKAGE}>=2.2,<2.4'"
_LIBRARY = "libLiteRt.so"
# Platform tags of wheels' names; pip takes only those that it is given.
_WHEEL_PLATFORMS = ("manylinux_2_27", "manylinux_2_28", "manylinux_2_31", "manylinux_2_34", "manylinux_2_35")
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}


@cache
def litert_version() -> str:
    """Version of the installed ai-edge-litert; ``DeviceError`` unless the runner knows its C API."""
    try:
        version = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise DeviceError(f"the package {PACKAGE} is not installed", _INSTALLATION) from error
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if not numbers or not _LOWEST <= (int(numbers[1]), int(numbers[2])) < _BELOW:
        raise DeviceError(
            f"{PACKAGE} {version} is installed, but the embedded runner knows the C API of 2.2 and 2.3 only",
            _INSTALLATION,
        )
    return version


def litert_library(abi: str) -> Path:
    """Path on this machine of libLiteRt.so for ``abi`` (``x86_64`` or ``arm64``), fetched on first use."""
    version = litert_version()
    if abi not in _MACHINES:
        raise DeviceError(f"{PACKAGE} has no build for {abi}; it has {' and '.join(_MACHINES)}")
    if _MACHINES[abi] == platform.machine():
        return _installed_library()
    target = cache_folder("litert", version) / f"{_LIBRARY}-{abi}" / _LIBRARY
    return build_once(target, lambda folder: _download(version, abi, folder))


def plugins_folder() -> Path:
    """Folder of the installed wheel, which has the GPU accelerator."""
    return _installed_library().parent


def _installed_library() -> Path:
    spec = importlib.util.find_spec("ai_edge_litert")
    library = Path(spec.origin).parent / _LIBRARY if spec and spec.origin else None
    if library is None or not library.exists():
        raise DeviceError(
            f"{PACKAGE} is installed without {_LIBRARY}", f"run: pip install --force-reinstall {PACKAGE}"
        )
    return library


def _download(version: str, abi: str, folder: Path) -> Path:
    platforms = [part for tag in _WHEEL_PLATFORMS for part in ("--platform", f"{tag}_{_MACHINES[abi]}")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", *platforms, "--dest", str(folder), f"{PACKAGE}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["pip gave no reason"]
        raise DeviceError(
            f"cannot fetch {PACKAGE} {version} for {abi}: {reason[0]}; "
            "check the network and run the command again"
        )
    with zipfile.ZipFile(wheels[0]) as wheel:
        name = next((name for name in wheel.namelist() if name.endswith("/" + _LIBRARY)), None)
        if name is None:
            raise DeviceError(f"{wheels[0].name} has no {_LIBRARY}")
        return Path(wheel.extract(name, folder))
