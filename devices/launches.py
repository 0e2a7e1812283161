"""What a launch is asked to do, and what comes of it.

A launch is one process on a device that loads one model and times it.
"""

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

EMBEDDED_DELEGATES = ("xnnpack", "xnnpack-fp16", "cpu", "cpu-reference")
"""Those of the embedded runner wherever it runs."""
HOST_GPU_DELEGATES = ("gpu-webgpu", "gpu-webgpu-fp16")
"""Those that it has on this host besides."""
OFFICIAL_DELEGATES = ("xnnpack", "xnnpack-fp16", "cpu", "gpu-opencl", "gpu-opencl-fp16")
"""Those of the official ``benchmark_model``."""
DELEGATES = tuple(dict.fromkeys((*EMBEDDED_DELEGATES, *HOST_GPU_DELEGATES, *OFFICIAL_DELEGATES)))
Unit = Literal["us", "kinstr"]


@dataclass(frozen=True)
class LaunchRequest:
    """What to run and how."""

    model: Path
    delegate: str = "xnnpack"
    """``xnnpack``, ``xnnpack-fp16`` (half precision forced), ``cpu`` (the runtime's own kernels, no
    delegate), ``cpu-reference`` (its slow, plain ones), ``gpu-webgpu``, ``gpu-webgpu-fp16`` (in half precision)."""
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
    """Its kind: ``CONV_2D``, or what the delegate calls it."""
    node: int | None
    """Index in the graph, or within the delegate's part of it; ``None`` where the profile does not say."""
    partition: int | None
    """Which of the parts that the delegate took; ``None`` for an operator outside the delegate, and where the profile
    does not say."""
    time: float
    """Of all its calls in one run, in the unit of the launch."""
    calls: float
    """In one run."""
    delegated: bool
    """Run by the delegate, not by the runtime's own kernel."""


@dataclass(frozen=True)
class LaunchResult:
    """What came of a launch. When ``ok`` is false, figures are 0 or empty and ``error`` says why."""

    ok: bool
    error: str | None
    delegate_asked: str
    delegate_applied: str | None
    """The delegate that ran; ``None`` when nothing ran, which is so when a delegate could not be applied."""
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
    """The kinds of nodes that the delegate refused; a GPU delegate gives the reason, too. Of the nodes that were not
    delegated the others are supported and lie outside the partitions that the delegate kept."""
    refused_at_most: int | None = None
    """Nodes of the refused kinds, where the delegate gives kinds and no count: no more than these were refused. ``None``
    when it refused nothing, or when every node that was not delegated was refused."""
    profile_error: str | None = None
    """Why a profile that was asked for could not be taken; the launch itself went well."""


class LaunchFailed(Exception):
    """A launch came to nothing. Caught in one place, which makes a ``LaunchResult`` of it."""

    def __init__(
        self,
        reason: str,
        *,
        runner: str,
        log: str = "",
        applied: str | None = None,
        delegated_nodes: int | None = None,
        total_nodes: int | None = None,
        left: tuple[str, ...] = (),
        refused_at_most: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.runner = runner
        self.log = log
        self.applied = applied
        self.delegated_nodes = delegated_nodes
        self.total_nodes = total_nodes
        self.left = left
        self.refused_at_most = refused_at_most


def unit_of(device: Device) -> Unit:
    """What one count of a figure from this device is."""
    return "kinstr" if device.emulated else "us"


def failed_launch(device: Device, request: LaunchRequest, failure: LaunchFailed) -> LaunchResult:
    """The result of a launch that came to nothing."""
    return LaunchResult(
        ok=False,
        error=str(failure),
        delegate_asked=request.delegate,
        delegate_applied=failure.applied,
        fully_delegated=None,
        partitions=None,
        delegated_nodes=failure.delegated_nodes,
        total_nodes=failure.total_nodes,
        init_us=0.0,
        first_us=0.0,
        times_us=[],
        unit=unit_of(device),
        peak_rss_kb=0,
        ops=[],
        outputs=[],
        log=failure.log,
        runner=failure.runner,
        left=failure.left,
        refused_at_most=failure.refused_at_most,
    )


def scratch_name(request: LaunchRequest, suffix: str) -> str:
    """A file name for one launch that no other launch of this or another process uses at the same time."""
    seed = f"{os.getpid()} {threading.get_ident()} {time.monotonic_ns()} {request.model}"
    return f"launch-{hashlib.sha256(seed.encode()).hexdigest()[:16]}{suffix}"
