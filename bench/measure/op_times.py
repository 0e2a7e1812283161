"""From the operators that a runner lists to those of a record, which know where they come from in the user's program."""

import json
from collections.abc import Sequence
from pathlib import Path

from devices.launches import OpProfile
from reports.record import OpTime


def op_times(ops: Sequence[OpProfile], origins: Path | None) -> tuple[OpTime, ...]:
    """The operators of a profile, each with where it comes from in the PyTorch program, where that is known.

    Args:
        ops: What the runner says.
        origins: What `bench.jobs.origins` wrote of the file's nodes.
    """
    nodes = json.loads(origins.read_text(encoding="utf-8")) if origins else []
    times = []
    for op in ops:
        known = nodes[op.node] if not op.delegated and op.node is not None and op.node < len(nodes) else None
        # The kind is compared too: should the runtime number its nodes another way, nothing is said.
        origin = known if known is not None and known["op"] == op.name else {}
        times.append(
            OpTime(
                name=op.name,
                time=op.time,
                calls=op.calls,
                delegated=op.delegated,
                node=op.node,
                partition=op.partition,
                module_path=origin.get("module"),
                source=origin.get("source"),
            )
        )
    return tuple(times)
