"""One way through a branch, or one turn of a loop: recorded for itself, and taken back."""

from __future__ import annotations

from collections.abc import Iterator

from nobuco.trace.aliases import Aliases, Checkpoint, Known
from nobuco.trace.calls import Call, Trace, Value


class Block:
    """`frame` holds its calls. What it reads from outside is found when it has ended (`captured`), and so is what it has
    changed in place there (`written`: the tensors that own the memory, with the value they were given)."""

    def __init__(self, frame: Call, aliases: Aliases, checkpoint: Checkpoint) -> None:
        self.frame = frame
        self.written: dict[Known, Value] = {}
        self.outputs: list[Value] = []
        self._aliases, self._checkpoint = aliases, checkpoint

    def end(self) -> None:
        """What the block has done is known; tensors are put back."""
        self.written = dict(self._aliases.written_since(self._checkpoint))
        self._aliases.go_back(self._checkpoint)

    def captured(self, own: list[Value]) -> list[Value]:
        """What it reads that is neither constant, nor made by its calls, nor among its `own` inputs."""
        calls = set(_walk(self.frame))
        read = [value for call in _walk(self.frame) for value in call.inputs] + self.outputs
        return [
            value
            for value in dict.fromkeys(read)
            if not value.constant and value.producer not in calls and value not in own
        ]

    def as_trace(self, inputs: list[Value]) -> Trace:
        self.frame.args, self.frame.output = tuple(inputs), list(self.outputs)
        return Trace(self.frame, inputs)


def _walk(call: Call) -> Iterator[Call]:
    """The calls of a block, less those inside the blocks of others, whose operands they are given."""
    yield call
    for child in () if call.blocks else call.children:
        yield from _walk(child)
