"""What a launch is asked, and what comes of it. A launch is one process on a device that loads one model and times it."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devices.protocol import Device

if TYPE_CHECKING:
    import numpy

DELEGATES = ("xnnpack", "xnnpack-fp16", "cpu", "cpu-reference", "gpu-webgpu", "gpu-opencl", "gpu-opencl-fp16")
Unit = Literal["us", "kinstr"]


@dataclass(frozen=True)
class LaunchRequest:
    """What to run and how."""

    model: Path
    delegate: str = "xnnpack"
    """``xnnpack``, ``xnnpack-fp16`` (half precision forced), ``cpu`` (the runtime's own kernels, no
    delegate), ``cpu-reference`` (its slow, plain ones), ``gpu-webgpu``."""
    threads: int = 1
    warmup_runs: int = 1
    warmup_seconds: float = 0.5
    num_runs: int = 20
    min_seconds: float = 1.0
    """Runs go on until there are ``num_runs`` of them and this much time has passed; an emulated device,
    whose figures do not scatter, makes do with the runs."""
    max_seconds: float = 60.0
    inputs: tuple[Path, ...] = ()
    """Raw little-endian files in the order of the model's graph inputs; none: made-up inputs."""
    want_outputs: bool = False
    profile: bool = False
    timeout: float = 300.0
    """Wall time after which the launch is ended and counts as failed."""
    cores: str | None = None
    """Where to run: ``big``, ``little``, or core numbers such as ``4-7``; ``None`` leaves it to the device."""
    benchmark_binary: Path | None = None
    """An official ``benchmark_model`` to use instead of the embedded runner or the published binary."""


@dataclass(frozen=True)
class OpProfile:
    """One operator of the running graph, averaged over the profiled runs."""

    name: str
    node: int
    """Index in the graph, or within the delegate's part of it."""
    partition: int | None
    """Which part of the graph that the delegate took; ``None``: run by the runtime's own kernel."""
    time: float
    """In the unit of the launch."""
    calls: float


@dataclass(frozen=True)
class LaunchResult:
    """What came of a launch. When ``ok`` is false, figures are 0 or empty and ``error`` says why."""

    ok: bool
    error: str | None
    delegate_asked: str
    delegate_applied: str | None
    fully_delegated: bool | None
    partitions: int | None
    delegated_nodes: int | None
    total_nodes: int | None
    init_us: float
    first_us: float
    times_us: list[float]
    """One figure a run. On an emulated device a microsecond is a thousand instructions (``unit`` says so),
    and a figure of a small model is the mean of several runs."""
    unit: Unit
    peak_rss_kb: int
    ops: list[OpProfile] = field(repr=False)
    outputs: list[numpy.ndarray] = field(repr=False)
    log: str = field(repr=False)
    runner: str
    """The runner's name and what identifies its version."""
    left: tuple[str, ...] = ()
    """The kinds of nodes that the delegate left to the runtime's own kernels; a GPU delegate tells the reason, too."""


def unit_of(device: Device) -> Unit:
    """What one count of a figure from this device is."""
    return "kinstr" if device.emulated else "us"


def failed_launch(
    device: Device,
    request: LaunchRequest,
    error: str,
    *,
    log: str = "",
    runner: str,
    applied: str | None = None,
) -> LaunchResult:
    """The result of a launch that came to nothing."""
    return LaunchResult(
        ok=False,
        error=error,
        delegate_asked=request.delegate,
        delegate_applied=applied,
        fully_delegated=None,
        partitions=None,
        delegated_nodes=None,
        total_nodes=None,
        init_us=0.0,
        first_us=0.0,
        times_us=[],
        unit=unit_of(device),
        peak_rss_kb=0,
        ops=[],
        outputs=[],
        log=log,
        runner=runner,
    )


def scratch_name(request: LaunchRequest, suffix: str) -> str:
    """A file name for one launch that no other launch of this or another process uses at the same time."""
    seed = f"{os.getpid()} {threading.get_ident()} {time.monotonic_ns()} {request.model}"
    return f"launch-{hashlib.sha256(seed.encode()).hexdigest()[:16]}{suffix}"
