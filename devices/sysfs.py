"""Reading what Linux exposes of a machine, from the text of files.

The text is a mapping from path to content, so that the host (which reads the files) and a device behind adb (which
prints them with one command) share every rule below.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import PurePosixPath

from devices.protocol import CpuCluster, DeviceState

STATE_GLOBS = (
    "/sys/class/thermal/thermal_zone*/type",
    "/sys/class/thermal/thermal_zone*/temp",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq",
    "/sys/class/power_supply/*/capacity",
    "/sys/class/power_supply/*/status",
    "/proc/loadavg",
    "/proc/meminfo",
)
INFO_GLOBS = (
    "/sys/devices/system/cpu/cpufreq/policy*/related_cpus",
    "/sys/devices/system/cpu/cpufreq/policy*/cpuinfo_max_freq",
    "/sys/class/dmi/id/product_name",
    "/proc/device-tree/model",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/etc/os-release",
)

Files = Mapping[str, str]

_ABIS = {"aarch64": "arm64", "amd64": "x86_64", "armv7l": "arm", "armv8l": "arm"}


def abi_of(machine: str) -> str:
    """The name used here for what ``uname -m`` calls the processor."""
    return _ABIS.get(machine, machine)


def _named(files: Files, leaf: str, within: str) -> dict[str, str]:
    """Content of the files called ``leaf`` below ``within``, by the name of their folder."""
    return {
        PurePosixPath(path).parent.name: text.strip()
        for path, text in files.items()
        if path.startswith(within) and PurePosixPath(path).name == leaf
    }


def _whole_numbers(texts: Mapping[str, str]) -> dict[str, int]:
    return {name: int(text) for name, text in texts.items() if re.fullmatch(r"-?\d+", text)}


def memory_kb(files: Files, key: str) -> int | None:
    """A line of ``/proc/meminfo``, in KiB."""
    found = re.search(rf"^{key}:\s+(\d+)", files.get("/proc/meminfo", ""), re.MULTILINE)
    return int(found[1]) if found else None


def state_from(files: Files) -> DeviceState:
    """The device's state as far as its files show it; Android's services may know more."""
    zones = _named(files, "type", "/sys/class/thermal/")
    temperatures: dict[str, float] = {}
    for zone, millidegrees in _whole_numbers(_named(files, "temp", "/sys/class/thermal/")).items():
        # Sensors that are off read 0, far below zero or absurdly high; a real one lies between.
        if 1_000 <= millidegrees <= 150_000:
            temperatures[f"{zones.get(zone, '?')} ({zone})"] = millidegrees / 1000
    batteries = _whole_numbers(_named(files, "capacity", "/sys/class/power_supply/"))
    statuses = _named(files, "status", "/sys/class/power_supply/")
    battery = next(iter(batteries), None)
    load = files.get("/proc/loadavg", "").split()
    free = memory_kb(files, "MemAvailable")
    policies = "/sys/devices/system/cpu/cpufreq/"
    return DeviceState(
        taken_at=time.time(),
        temperatures_c=temperatures,
        battery_percent=float(batteries[battery]) if battery else None,
        charging=statuses[battery] in {"Charging", "Full"} if battery in statuses else None,
        governors=_named(files, "scaling_governor", policies),
        frequencies_khz=_whole_numbers(_named(files, "scaling_cur_freq", policies)),
        load_1min=float(load[0]) if load else None,
        free_memory_bytes=free * 1024 if free is not None else None,
    )


def clusters_from(files: Files) -> tuple[CpuCluster, ...]:
    """Clusters of cores, slowest first. Empty when the kernel has no frequency policies, as in most VMs."""
    policies = "/sys/devices/system/cpu/cpufreq/"
    cores = _named(files, "related_cpus", policies)
    maxima = _whole_numbers(_named(files, "cpuinfo_max_freq", policies))
    clusters = [
        CpuCluster(cores=tuple(int(core) for core in text.split()), max_khz=maxima.get(policy))
        for policy, text in cores.items()
    ]
    return tuple(sorted(clusters, key=lambda cluster: (cluster.max_khz or 0, cluster.cores)))


def processor_name(files: Files) -> str | None:
    """The processor's name from ``/proc/cpuinfo``, where Arm kernels give a number that is looked up here."""
    text = files.get("/proc/cpuinfo", "")
    for key in ("model name", "Hardware"):
        if found := re.search(rf"^{key}\s*:\s*(.+)$", text, re.MULTILINE):
            return found[1].strip()
    part = re.search(r"^CPU part\s*:\s*(0x[0-9a-f]+)", text, re.MULTILINE)
    return ARM_PARTS.get(part[1], f"Arm part {part[1]}") if part else None


ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
    "0xd48": "Cortex-X2",
    "0xd49": "Neoverse-N2",
    "0xd4d": "Cortex-A715",
    "0xd4e": "Cortex-X3",
}


def core_count(files: Files) -> int:
    """Processors that ``/proc/cpuinfo`` lists."""
    return len(re.findall(r"^processor\s*:", files.get("/proc/cpuinfo", ""), re.MULTILINE))


def os_name(files: Files) -> str:
    """The distribution's name from ``/etc/os-release``."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', files.get("/etc/os-release", ""), re.MULTILINE)
    return found[1] if found else "Linux"
