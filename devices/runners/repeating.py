"""Repeating a launch that a broken connection interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.errors import CommandInterrupted
from devices.protocol import Device, RunResult


def run_launch(
    device: Device, argv: Sequence[str], *, timeout: float, env: Mapping[str, str] | None = None
) -> RunResult:
    """Run a launch, once more if the connection breaks. A launch leaves nothing behind, so it can be repeated; a second
    break is raised."""
    try:
        return device.run(argv, timeout=timeout, env=env)
    except CommandInterrupted:
        return device.run(argv, timeout=timeout, env=env)
