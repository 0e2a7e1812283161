"""Rules for where an op's output stands that several families share: see `Converter.output_layout`."""

from __future__ import annotations

from typing import Any

from nobuco.contract.channel_order import Layout, identity
from nobuco.layout.shapes import dropped


def same_layout(layout: Layout, *args: Any, **kwargs: Any) -> Layout:
    return layout


def without_dim(layout: Layout, input: Any, dim: int = 0, *args: Any, **kwargs: Any) -> Layout:
    return dropped(layout, [dim])


def only_pytorch(layout: Layout, *args: Any, **kwargs: Any) -> Layout | None:
    """For some arguments of an op that otherwise has more choice."""
    return layout if layout == identity(len(layout)) else None
