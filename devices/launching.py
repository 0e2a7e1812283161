"""One launch, by the runner that the device and the request want."""

from __future__ import annotations

from pathlib import Path

from devices.errors import DeviceError
from devices.launches import DELEGATES, LaunchRequest, LaunchResult, failed_launch
from devices.protocol import Device
from devices.runners.embedded.run import launch_embedded
from devices.runners.official.run import launch_official


def launch(device: Device, request: LaunchRequest) -> LaunchResult:
    """Run ``request`` on ``device``.

    A launch that fails (bad model, crash, another delegate than the one asked for, time-out) is a result.
    A device that cannot be reached, and a machine that lacks what the runner needs, raise ``DeviceError``.
    """
    for path in (request.model, *request.inputs):
        if not Path(path).is_file():
            return failed_launch(device, request, f"there is no file {path}", runner="none")
    if request.delegate not in DELEGATES:
        raise DeviceError(
            f"there is no delegate called {request.delegate!r}; known are {', '.join(DELEGATES)}"
        )
    info = device.info()
    if request.benchmark_binary is not None:
        return launch_official(device, request)
    if request.delegate not in info.delegates:
        raise DeviceError(
            f"{device.name} has no delegate {request.delegate}; it has {', '.join(info.delegates) or 'none'}"
        )
    if info.android:
        return launch_official(device, request)
    return launch_embedded(device, request)
