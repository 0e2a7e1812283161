"""What workers offer and work asks for, in the engine's terms: names with numbers."""

PROGRAM = "program"
DEVICE = "device"
CONVERT = "convert"
_PLENTY = 1e6
"""More than a worker has threads: offered to all its work at the same time."""


def of_program(program: str) -> str:
    """What all workers offer, and all work asks for."""
    return f"{PROGRAM} {program}"


def of_device(name: str, soc: str | None, abi: str, program: str) -> dict[str, float]:
    """What the worker of a device offers. Its serial is a part of its name."""
    offered = {f"{DEVICE} {name}": 1.0, f"abi {abi}": 1.0, of_program(program): _PLENTY}
    return {**offered, f"soc {soc}": 1.0} if soc else offered


def of_converter(megabytes: float, program: str) -> dict[str, float]:
    """What a worker that converts offers."""
    return {CONVERT: megabytes, of_program(program): _PLENTY}


def for_device(name: str, program: str) -> dict[str, float]:
    """What work on a device asks for."""
    return {f"{DEVICE} {name}": 1.0, of_program(program): 1.0}


def for_conversion(megabytes: float, program: str) -> dict[str, float]:
    """What a conversion asks for."""
    return {CONVERT: megabytes, of_program(program): 1.0}
