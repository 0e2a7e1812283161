"""The kinds of machine that can be emulated, and their names."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from devices.errors import DeviceError

MEMORY_MB = 3072
"""What every machine gets."""


@dataclass(frozen=True)
class MachineKind:
    """What differs between an Arm and an x86 machine."""

    name: str
    abi: str
    debian: str
    """Debian's name of the architecture."""
    triplet: str
    """Folder of its libraries below /usr/lib."""
    loader: str
    """Where programs look for the dynamic loader."""
    qemu: str
    apt_package: str
    machine: str
    console: str
    default_cpu: str
    cpus: tuple[str, ...]


KINDS = {
    kind.name: kind
    for kind in (
        MachineKind(
            name="arm",
            abi="arm64",
            debian="arm64",
            triplet="aarch64-linux-gnu",
            loader="/lib/ld-linux-aarch64.so.1",
            qemu="qemu-system-aarch64",
            apt_package="qemu-system-arm",
            machine="virt",
            console="ttyAMA0",
            default_cpu="cortex-a76",
            cpus=("cortex-a53", "cortex-a72", "cortex-a76", "cortex-a35", "neoverse-n1", "max"),
        ),
        MachineKind(
            name="x86",
            abi="x86_64",
            debian="amd64",
            triplet="x86_64-linux-gnu",
            loader="/lib64/ld-linux-x86-64.so.2",
            qemu="qemu-system-x86_64",
            apt_package="qemu-system-x86",
            machine="q35",
            console="ttyS0",
            default_cpu="Haswell-noTSX",
            cpus=("Haswell-noTSX", "Nehalem", "max"),
        ),
    )
}


@dataclass(frozen=True)
class MachineSpec:
    """One machine: its kind, processor and number, from a name such as ``arm:cortex-a53#2``."""

    kind: MachineKind
    cpu: str
    number: int

    @property
    def name(self) -> str:
        """The shortest name that stands for this machine."""
        cpu = "" if self.cpu == self.kind.default_cpu else f":{self.cpu}"
        return f"{self.kind.name}{cpu}{f'#{self.number}' if self.number > 1 else ''}"


def is_machine_name(text: str) -> bool:
    """Whether ``text`` begins like the name of an emulated machine; the rest of it may still be wrong."""
    return re.split("[:#]", text)[0] in KINDS


def parse_machine(text: str) -> MachineSpec:
    """``KIND[:CPU][#NUMBER]``; machines of different numbers run side by side."""
    found = re.fullmatch(r"(?P<kind>[^:#]+)(:(?P<cpu>[^:#]+))?(#(?P<number>[1-9]\d?))?", text)
    if not found or found["kind"] not in KINDS:
        raise DeviceError(
            f"{text!r} names no emulated machine; names are {' and '.join(KINDS)}, optionally with a processor "
            "(arm:cortex-a53) and a number (arm#2)"
        )
    kind = KINDS[found["kind"]]
    cpu = found["cpu"] or kind.default_cpu
    if cpu not in kind.cpus:
        near = difflib.get_close_matches(cpu, kind.cpus, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DeviceError(f"{kind.name} has no processor {cpu!r}; {hint}known are {', '.join(kind.cpus)}")
    return MachineSpec(kind, cpu, int(found["number"] or 1))
