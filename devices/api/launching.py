"""One launch, by the runner that the device and the request want."""

from __future__ import annotations

from pathlib import Path

from devices.cache import sha256_of
from devices.errors import DeviceError
from devices.launches import DELEGATES, LaunchFailed, LaunchRequest, LaunchResult, failed_launch
from devices.protocol import Device
from devices.runners.embedded.build import build_runner
from devices.runners.embedded.run import launch_embedded, runner_name
from devices.runners.official.download import official_binary, platform_of
from devices.runners.official.run import launch_official


def launch(device: Device, request: LaunchRequest) -> LaunchResult:
    """Run ``request`` on ``device``.

    Returns:
        What came of it. A launch that fails (bad model, crash, another delegate than the one asked for, time-out) is a
        result, too.

    Raises:
        DeviceError: The device cannot be reached or lacks the delegate, or this machine lacks what the runner needs.
    """
    try:
        return _launch(device, request)
    except LaunchFailed as failure:
        return failed_launch(device, request, failure)


def prepare_runner(device: Device, benchmark_binary: Path | None = None) -> str:
    """Build or download the runner that ``launch`` uses on ``device``, so that no launch has to.

    Args:
        device: Where it is to run.
        benchmark_binary: The official binary that launches are going to name.

    Returns:
        What identifies the runner: its digest, and its runtime's version where that is a part of its own.

    Raises:
        DeviceError: It cannot be built or downloaded, or there is none for the device.
    """
    info = device.info()
    if benchmark_binary is None and not info.android:
        build_runner(info.abi)
        return runner_name()
    binary = benchmark_binary or official_binary(platform_of(info))
    return f"benchmark_model {sha256_of(binary)[:12]}"


def _launch(device: Device, request: LaunchRequest) -> LaunchResult:
    for path in (request.model, *request.inputs):
        if not Path(path).is_file():
            raise LaunchFailed(f"there is no file {path}", runner="none")
    if request.delegate not in DELEGATES:
        raise DeviceError(
            f"there is no delegate called {request.delegate!r}; known are {', '.join(DELEGATES)}"
        )
    if request.benchmark_binary is not None:
        return launch_official(device, request)
    info = device.info()
    if request.delegate not in info.delegates:
        raise DeviceError(
            f"{device.name} has no delegate {request.delegate}; it has {', '.join(info.delegates) or 'none'}"
        )
    return launch_official(device, request) if info.android else launch_embedded(device, request)
