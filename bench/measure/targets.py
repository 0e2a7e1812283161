"""From the names given to --device to opened devices: `arm` is the attached phone, if there is one."""

from bench.errors import BenchError
from bench.progress import Reporter
from devices import Device, list_devices, open_device

ARM = "arm"
EMULATED_ARM = "arm-emulated"
_ARM_ABIS = ("arm64", "arm")


def open_target(name: str, say: Reporter) -> Device:
    """Open the device that a name stands for.

    Args:
        name: `arm` is the only Arm device behind adb, or the emulated machine where there is none;
            `arm-emulated` is always that machine. All other names are those of `devices`.
        say: Where it is said what `arm` stands for.

    Raises:
        BenchError: `arm` stands for several devices.
        DeviceError: There is no device of this name, or it cannot be opened.
    """
    if name == ARM:
        return _attached_arm(say) or open_device(ARM)
    return open_device(ARM if name == EMULATED_ARM else name)


def _attached_arm(say: Reporter) -> Device | None:
    """The one device to use; None, with the reason said, where there is none."""
    attached = [entry for entry in list_devices() if entry.kind == "adb"]
    usable = [entry for entry in attached if entry.usable]
    if len(usable) > 1:
        names = ", ".join(entry.name for entry in usable)
        raise BenchError(
            f"--device {ARM}: {len(usable)} devices are attached; name those to use: {names}. "
            f"{EMULATED_ARM} is the emulated machine"
        )
    if not usable:
        unusable = "; ".join(f"{entry.name} is {entry.state}" for entry in attached)
        reason = f"no device is ready ({unusable})" if unusable else "no device is attached through adb"
        say.line(f"--device {ARM}: {reason}; taking the emulated machine, which counts instructions")
        return None
    device = open_device(usable[0].name)
    try:
        info = device.info()
    except BaseException:
        device.close()
        raise
    if info.abi not in _ARM_ABIS:
        device.close()
        say.line(
            f"--device {ARM}: {device.name} is {info.abi}; taking the emulated machine, which counts "
            "instructions"
        )
        return None
    say.line(f"--device {ARM}: taking {device.name} ({info.soc or info.model}), real times")
    return device
