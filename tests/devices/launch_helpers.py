"""What tests of launches share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import devices


def quick(model: Path, **changes: object) -> devices.LaunchRequest:
    """A request of a few runs."""
    settings = {"warmup_seconds": 0.0, "num_runs": 3, "min_seconds": 0.0, "timeout": 120.0, **changes}
    return devices.LaunchRequest(model, **settings)  # pyright: ignore[reportArgumentType]


def write_inputs(folder: Path, values: list[np.ndarray]) -> tuple[Path, ...]:
    """The values as raw files, in order."""
    paths = []
    for index, value in enumerate(values):
        paths.append(folder / f"input{index}.bin")
        paths[-1].write_bytes(value.tobytes())
    return tuple(paths)


def interpreter_outputs(model: Path, values: list[np.ndarray]) -> list[np.ndarray]:
    """What the LiteRT interpreter computes here."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(model))
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
