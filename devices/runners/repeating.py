"""Launching once more where a connection broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.errors import CommandInterrupted
from devices.protocol import Device, RunResult


def run_launch(
    device: Device, argv: Sequence[str], *, timeout: float, env: Mapping[str, str] | None = None
) -> RunResult:
    """Run a launch. Nothing of it outlives it, so it may simply be done again; a second break is the device's fault."""
    try:
        return device.run(argv, timeout=timeout, env=env)
    except CommandInterrupted:
        return device.run(argv, timeout=timeout, env=env)
