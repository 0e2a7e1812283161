"""A file on ML Drift itself, through WebGPU: what it takes, and how far its outputs are from the CPU's."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import devices
from nobuco.validate.compare import relative_error
from tests.devices.launch_helpers import interpreter_outputs, write_inputs


@dataclass(frozen=True)
class OnWebGPU:
    """What came of a launch.

    Attributes:
        nodes: of the file's main graph.
        taken: of them, by the delegate.
        left: `OP: reason` of those that it refused, in its own words.
        error: the largest relative error of an output where the CPU's is a number; None where nothing was returned.
        failed: why there is no result; empty where there is one.
    """

    nodes: int
    taken: int
    left: tuple[str, ...]
    error: float | None
    failed: str = ""


def on_webgpu(
    file: Path, inputs: Sequence[np.ndarray] | None = None, timeout: float = 120.0, half: bool = False
) -> OnWebGPU:
    """Runs a file once. `inputs`: seeded noise when not given. `half`: in half precision."""
    given = list(made_up(file) if inputs is None else inputs)
    with tempfile.TemporaryDirectory() as folder:
        request = devices.LaunchRequest(
            file,
            delegate="gpu-webgpu-fp16" if half else "gpu-webgpu",
            warmup_runs=0,
            warmup_seconds=0.0,
            num_runs=1,
            min_seconds=0.0,
            inputs=write_inputs(Path(folder), given),
            want_outputs=True,
            timeout=timeout,
        )
        result = devices.launch(devices.open_device("host"), request)
    error = None
    if result.ok:
        pairs = zip(result.outputs, interpreter_outputs(file, given), strict=True)
        error = max((_error(ours, theirs) for ours, theirs in pairs), default=0.0)
    return OnWebGPU(
        result.total_nodes or 0,
        result.delegated_nodes or 0,
        tuple(result.left or ()),
        error,
        result.error or "",
    )


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """NaN and infinity are not compared: GPUs are free to make something else of them."""
    known = np.isfinite(theirs) if theirs.dtype.kind == "f" else np.ones(theirs.shape, bool)
    return relative_error(ours[known], theirs[known]) if known.any() else 0.0


def made_up(file: Path) -> list[np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    random = np.random.default_rng(0)
    made = []
    for detail in Interpreter(str(file)).get_input_details():
        kind = np.dtype(detail["dtype"])
        noise = random.standard_normal(detail["shape"])
        made.append(noise.astype(kind) if kind.kind == "f" else (noise > 0).astype(kind))
    return made
