"""What a delegate's name says about a comparison, and which delegates a device has."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from devices import DeviceInfo
from devices.launches import DELEGATES, OFFICIAL_DELEGATES

_SOFTWARE_ADAPTER = "adapterType=CPU"
_HOMES = {"gpu-opencl": "Android devices", "gpu-webgpu": "this host"}
"""Where to find delegates that few devices have, by how their names begin."""


def in_half_precision(delegate: str) -> bool:
    """Whether a delegate computes what is float in half precision, whatever the file's own."""
    return delegate.endswith("-fp16")


def ran_in_software(log: str) -> bool:
    """Whether the processor imitated the GPU, according to what WebGPU logs about its adapter."""
    return _SOFTWARE_ADAPTER in log


def check_delegates(device: DeviceInfo, delegates: Sequence[str], benchmark_binary: Path | None) -> None:
    """Refuse a delegate that does not exist or that the device lacks, before anything takes time.

    Args:
        device: What is known of the device.
        delegates: Their names.
        benchmark_binary: The user's own `benchmark_model`, whose delegates then count; None: the device's.

    Raises:
        BenchError: Names the delegate and those that there are.
    """
    for delegate in delegates:
        if delegate not in DELEGATES:
            near = [each for each in DELEGATES if delegate and each.startswith(delegate)]
            near = near or difflib.get_close_matches(delegate, DELEGATES, n=1)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(DELEGATES)}"
            raise BenchError(f"there is no delegate {delegate!r}; {hint}")
    if benchmark_binary is not None:
        for delegate in delegates:
            if delegate not in OFFICIAL_DELEGATES:
                raise BenchError(
                    f"benchmark_model has no delegate {delegate}; it has {', '.join(OFFICIAL_DELEGATES)}. "
                    "Leave --benchmark-binary out"
                )
        return
    known = device.delegates
    for delegate in delegates:
        if delegate not in known:
            homes = [home for start, home in _HOMES.items() if delegate.startswith(start)]
            hint = f"; it runs on {homes[0]}" if homes else ""
            raise BenchError(
                f"device {device.name} has no delegate {delegate}{hint}. {device.name} has {', '.join(known)}"
            )
