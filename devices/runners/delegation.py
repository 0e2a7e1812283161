"""What a GPU delegate says in the log about the nodes that it takes. The classic and the LiteRT runtime share it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_REFUSED = re.compile(r"Following operations are not supported by (?:the )?GPU delegate:")
_COUNTS = re.compile(
    r"(?P<gpu>\d+) operations will run on the GPU, and the remaining (?P<cpu>\d+) operations will run on the CPU"
)
_NOTHING_TAKEN = re.compile(
    r"No operations will run on the GPU, and all (?P<cpu>\d+) operations will run on the CPU"
)
_KERNELS = re.compile(r"Created (\d+) GPU delegate kernels")
_PART = re.compile(r"Initializing \w+-based API from graph|Initialized \w+-based API")
_PREFIX = re.compile(r"^(?:VERBOSE|INFO|WARN(?:ING)?|ERROR): ")
_REJECTION = re.compile(r"^\S+: ")


@dataclass(frozen=True)
class GpuDelegation:
    """What the delegate said of one compilation.

    The nodes left are not all refused: a delegate keeps its largest partitions only, and what it supports elsewhere
    stays with the processor, too. ``rejections`` alone says what it refused.
    """

    taken: int | None
    """Nodes on the GPU; ``None`` where the log gives no count, which is so when every node was taken."""
    left: int | None
    """Nodes on the processor; ``None`` likewise."""
    partitions: int
    """Parts of the graph that became one GPU kernel each."""
    rejections: tuple[str, ...]
    """``OP: reason``, once for each kind of node and reason, in the log's own words."""


def read_gpu_delegation(log: str) -> GpuDelegation:
    """Read the lines of one compilation; where the model was compiled twice, the first counts."""
    taken = left = None
    rejections: list[str] = []
    listing = False
    for line in (_PREFIX.sub("", line) for line in log.splitlines()):
        if _REFUSED.search(line):
            listing = not rejections
        elif counts := _COUNTS.search(line) or _NOTHING_TAKEN.search(line):
            if taken is None:
                taken, left = int(counts.groupdict().get("gpu", 0)), int(counts["cpu"])
            listing = False
        elif listing and _REJECTION.match(line):
            rejections.append(line.strip())
        elif line.strip():
            listing = False
    kernels = _KERNELS.search(log)
    partitions = int(kernels[1]) if kernels else len(_PART.findall(log))
    return GpuDelegation(taken, left, partitions, tuple(dict.fromkeys(rejections)))


def refused_at_most(rejections: tuple[str, ...], nodes_by_op: Mapping[str, int]) -> int | None:
    """How many of a model's nodes are of an op that was refused: the most that can have been.

    Args:
        rejections: ``OP: reason`` lines of one compilation.
        nodes_by_op: The number of the graph's nodes by op.

    Returns:
        The count; ``None`` where nothing was refused. Nodes of one op may differ in their arguments, and the log does
        not say which of them the reason meets.
    """
    if not rejections:
        return None
    return sum(nodes_by_op.get(op, 0) for op in {line.partition(":")[0] for line in rejections})
