"""What tracing refuses, each with the source line that caused it."""

from __future__ import annotations


class NobucoError(Exception):
    """Base of every error that nobuco raises on purpose."""


class TraceError(NobucoError):
    """The PyTorch program does something that cannot be expressed as a graph."""
