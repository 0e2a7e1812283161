"""What the names of delegates mean to a comparison, and which of them a device has."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from devices import Device
from devices.launches import DELEGATES

_ON_GPU_OF_HOST = "gpu-webgpu"
_SOFTWARE_ADAPTER = "adapterType=CPU"


def precision_of(delegate: str) -> str:
    """In which numbers a delegate computes."""
    return "fp16" if delegate.endswith("-fp16") else "fp32"


def ran_in_software(log: str) -> bool:
    """Whether the processor imitated the GPU, by what WebGPU says of the adapter that it took."""
    return _SOFTWARE_ADAPTER in log


def check_delegates(device: Device, delegates: Sequence[str], benchmark_binary: Path | None) -> None:
    """Raise BenchError for a delegate that nobody knows or the device lacks, before anything takes time."""
    for delegate in delegates:
        if delegate not in DELEGATES:
            near = difflib.get_close_matches(delegate, DELEGATES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(DELEGATES)}"
            raise BenchError(f"there is no delegate {delegate!r}; {hint}")
    if benchmark_binary is not None:
        from devices.runners.official.run import DELEGATES as OFFICIAL

        for delegate in delegates:
            if delegate not in OFFICIAL:
                raise BenchError(
                    f"benchmark_model has no delegate {delegate}; it has {', '.join(OFFICIAL)}. "
                    "Leave --benchmark-binary out"
                )
        return
    known = device.info().delegates
    for delegate in delegates:
        if delegate not in known:
            hint = "; it runs on Android devices" if delegate.startswith("gpu-opencl") else ""
            hint = "; it runs on this host" if delegate == _ON_GPU_OF_HOST else hint
            raise BenchError(
                f"device {device.name} has no delegate {delegate}{hint}. {device.name} has {', '.join(known)}"
            )
