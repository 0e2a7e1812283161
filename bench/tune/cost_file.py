"""Layers and what they take, as a cost file that `nobuco.export_tflite` reads."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.tune.layers import Layer
from devices import Device

_FORMAT = 1


def save(path: Path, layers: Sequence[Layer], device: Device, runtime: str, facts: dict[str, Any]) -> None:
    """Write the file, and add what an earlier one of the same place says of other layers.

    Args:
        path: Where.
        layers: With their figures.
        device: Where they were measured.
        runtime: What timed them.
        facts: `delegate`, `threads`, `optimize` and the `command`.

    Raises:
        BenchError: It cannot be written, or what is there is no cost file.
    """
    head = {
        "format": _FORMAT,
        "device": f"{device.name} ({device.info().soc or device.info().model})",
        "delegate": facts["delegate"],
        "threads": facts["threads"],
        "runtime": runtime,
        "unit": "kinstr" if device.emulated else "us",
        "target": "arm" if device.info().abi.startswith("arm") else "x86",
        "optimize": facts["optimize"],
    }
    costs, measured = _earlier(path, head)
    measured = [
        *(each for each in measured if each.partition(", ")[2] != facts["command"]),
        _now(facts["command"]),
    ]
    for layer in layers:
        plain, formed = layer.cost("plain"), layer.cost("formed")
        if layer.failure is None and plain is not None and formed is not None:
            costs.setdefault(layer.form, {})[layer.layer] = {
                "plain": round(plain, 3),
                "formed": round(formed, 3),
                "cheaper": layer.cheaper(device.emulated),
            }
    content = {**head, "measured": "; ".join(measured), "layers": costs}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path}: cannot be written: {error.strerror}; give another --costs") from error


def _now(command: str) -> str:
    return f"{date.today().isoformat()}, {command}"


def _earlier(path: Path, head: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The layers of the file that is there, if it was made in the same place, and the commands that measured them."""
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        same = all(there[key] == value for key, value in head.items())
        return (there["layers"], there["measured"].split("; ")) if same else ({}, [])
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"{path}: is there and is no cost file ({error}); give another --costs") from error
