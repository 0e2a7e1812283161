"""What tracing refuses, each with the source line that caused it."""

from __future__ import annotations

from nobuco.errors import NobucoError


class TraceError(NobucoError):
    """The PyTorch program does something that cannot be expressed as a graph."""
