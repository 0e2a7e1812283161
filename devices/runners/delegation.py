"""What a GPU delegate says in the log about the nodes that it takes. The classic and the LiteRT runtime share it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REFUSED = re.compile(r"Following operations are not supported by (?:the )?GPU delegate:")
_COUNTS = re.compile(
    r"(?P<gpu>\d+) operations will run on the GPU, and the remaining (?P<cpu>\d+) operations will run on the CPU"
)
_PART = re.compile(r"Initializing \w+-based API from graph|Initialized \w+-based API")


@dataclass(frozen=True)
class GpuDelegation:
    """Counts are ``None`` where the log gives none, which is so when the delegate took everything or nothing."""

    taken: int | None
    left: int | None
    partitions: int
    rejections: tuple[str, ...]
    """Reasons, one for each kind of node that was left, in the log's own words."""


def read_gpu_delegation(log: str) -> GpuDelegation:
    """Read the lines of one compilation; where the model was compiled twice, the first counts."""
    taken = left = None
    rejections: list[str] = []
    listing = False
    for line in map(_without_prefix, log.splitlines()):
        if _REFUSED.search(line):
            listing = not rejections
        elif counts := _COUNTS.search(line):
            taken, left, listing = int(counts["gpu"]), int(counts["cpu"]), False
        elif listing and line.strip():
            rejections.append(line.strip())
    return GpuDelegation(taken, left, len(_PART.findall(log)), tuple(dict.fromkeys(rejections)))


def _without_prefix(line: str) -> str:
    return re.sub(r"^(INFO|WARN(ING)?|ERROR): ", "", line)
