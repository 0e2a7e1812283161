"""Profiles: where the time of a cell goes, op by op, from launches of their own that nothing is judged by."""

from collections.abc import Callable

from bench.measure.launching import require_response
from bench.measure.protocol import Launching
from bench.measure.schedule import Schedule
from bench.measure.workload import Workload
from bench.progress import Reporter
from devices import DeviceInfo
from reports.figures import number
from reports.record import LaunchRecord

_CPU_DELEGATES = ("xnnpack", "xnnpack-fp16")
_WITHOUT = "cpu"
"""The runtime's own kernels, which run the ops of the file one by one."""


def profile_delegates(workload: Workload, info: DeviceInfo) -> list[str]:
    """What a cell is profiled with: its own delegate; then without one, where that tells of modules what it does not.

    XNNPACK fuses and reorders nodes and names them its own way, so nothing leads back from there to the user's program. A
    GPU's costs cannot be learned on the CPU.
    """
    second = (
        workload.delegate in _CPU_DELEGATES
        and workload.artifact.origins is not None
        and _WITHOUT in info.delegates
    )
    return [workload.delegate, _WITHOUT] if second else [workload.delegate]


def take_profiles(
    schedule: Schedule, launcher: Launching, keep: Callable[[LaunchRecord], None], say: Reporter
) -> None:
    """Profile every cell that has a figure and no profile yet.

    Args:
        schedule: The cells, with what has been done of them.
        launcher: Launches on the device.
        keep: Called with every record as soon as there is one.
        say: Where progress is reported.

    Raises:
        DeviceError: The device no longer responds.
    """
    info = launcher.device.info()
    missing = [
        (workload, delegate)
        for workload in schedule.with_figure()
        for delegate in profile_delegates(workload, info)
        if not schedule.history.profiled(workload, delegate)
    ]
    if not missing:
        return
    with say.track(f"{launcher.device.name}, profiles", len(missing)) as track:
        for workload, delegate in missing:
            words = str(workload) if delegate == workload.delegate else f"{workload}, without the delegate"
            track.now(words)
            record = launcher.profile(workload, delegate)
            keep(record)
            schedule.history.add(record)
            if record.ok:
                whole = sum(op.time for op in record.profile)
                unit = "Minstr (emulated)" if record.emulated else "ms"
                track.step(f"{words}: {len(record.profile)} ops, {number(whole / 1000)} {unit}")
            else:
                track.step(f"{words}: no profile: {record.error}", line=True)
            require_response(launcher, record)
