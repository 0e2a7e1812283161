"""What is known of an emulated machine without starting it."""

from __future__ import annotations

import json
import re
from typing import Any

from devices.debian import RELEASE
from devices.emulator.image import Image, find_image
from devices.emulator.kinds import MEMORY_MB, MachineSpec
from devices.launches import EMBEDDED_DELEGATES
from devices.protocol import EMULATED_MARK


def outline(spec: MachineSpec) -> dict[str, Any]:
    """Facts that follow from the machine's recipe and its image, by the names of ``DeviceInfo`` where it has one.

    Returns:
        Name, kind, model, processor (QEMU's name of it), abi, cores, memory (what QEMU gives the machine, in bytes),
        system, delegates; and the kernel where the image is built.
    """
    image = find_image(spec.kind)
    built = f"image {image.digest}" if image else "image not built yet"
    facts: dict[str, Any] = {
        "name": spec.name,
        "kind": "emulated",
        "model": f"QEMU {spec.kind.machine} ({built})",
        "processor": spec.cpu,
        "abi": spec.kind.abi,
        "cores": 1,
        "memory_bytes": MEMORY_MB << 20,
        "os": f"Debian {RELEASE} ({EMULATED_MARK})",
        "delegates": EMBEDDED_DELEGATES,
    }
    if image:
        facts["kernel"] = _kernel(image)
    return facts


def _kernel(image: Image) -> str:
    """The release that the kernel's package is named after."""
    packages: dict[str, str] = json.loads(image.manifest.read_text(encoding="utf-8"))["packages"]
    names = (re.match(r"linux-image-([^_]+)_", package) for package in packages)
    return next(name[1] for name in names if name)
