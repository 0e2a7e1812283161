"""What GPU delegates take of a `.tflite` file, said without one: each op held against the delegate's own rules."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from nobuco.delegates.classic import CLASSIC
from nobuco.delegates.graph import Graph, Node, read_graph
from nobuco.delegates.ml_drift import ML_DRIFT
from nobuco.delegates.partitions import partitions
from nobuco.delegates.rule import Breach, Delegate
from nobuco.tflite.inspection import TFLiteOp, inspect_tflite

DELEGATES = {delegate.name: delegate for delegate in (CLASSIC, ML_DRIFT)}


class State(Enum):
    TAKEN = "taken"
    REFUSED = "refused"
    FATAL = "fails"  # accepted, and then the delegate fails as a whole
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """What a delegate does with one node.

    Attributes:
        op: the node, with the PyTorch calls that it comes from where they are known.
        node: its number in the main graph.
        state: whether it is taken.
        rule: the rule that it breaks, in a few words; empty where it is taken.
        reason: what is wrong with it.
        mend: what to do about it.
        source: where the rule is from.
        on_gpu: whether it runs on the GPU: what is taken does not where it lies in a part that the delegate leaves.
    """

    op: TFLiteOp
    node: int
    state: State
    rule: str = ""
    reason: str = ""
    mend: str = ""
    source: str = ""
    on_gpu: bool = False


@dataclass(frozen=True)
class Danger:
    """What a delegate takes and computes otherwise than the CPU, or may: `wrong` says that it is known to."""

    op: TFLiteOp
    node: int
    name: str
    reason: str
    mend: str
    source: str
    wrong: bool


@dataclass(frozen=True)
class DelegateCheck:
    """What one delegate does with a file.

    Attributes:
        path: the file.
        delegate: its name, title, rules and the runtime that these were read from.
        verdicts: one a node of the main graph, in order.
        dangers: what it may compute otherwise.
        partitions: how many parts of the graph it runs.
        inner_ops: ops inside loops and branches, which no delegate runs.
        batch_assumed: whether the file leaves its batch open: what is said is of a batch of one.
    """

    path: Path
    delegate: Delegate
    verdicts: tuple[Verdict, ...]
    dangers: tuple[Danger, ...]
    partitions: int
    inner_ops: int
    batch_assumed: bool = False

    @property
    def counts(self) -> dict[State, int]:
        found = Counter(verdict.state for verdict in self.verdicts)
        return {state: found[state] for state in State}

    @property
    def on_gpu(self) -> int:
        """Nodes that run on the GPU."""
        return sum(verdict.on_gpu for verdict in self.verdicts)

    @property
    def whole(self) -> bool:
        """Whether it takes all of the file."""
        return bool(self.verdicts) and self.on_gpu == len(self.verdicts)

    @property
    def right(self) -> bool:
        """Whether nothing of the file is known to be computed wrongly."""
        return not any(danger.wrong for danger in self.dangers)

    def __str__(self) -> str:
        from nobuco.delegates.show import summary

        return summary(self)


def check_delegates(
    path: str | os.PathLike[str],
    keras_model: Any = None,
    *,
    delegates: Sequence[str] = tuple(DELEGATES),
    max_partitions: int = 1,
) -> tuple[DelegateCheck, ...]:
    """Says what GPU delegates take of a `.tflite` file, op by op, from tables of their rules. No GPU is needed, neither
    PyTorch nor TensorFlow.

    The rules are those that the delegates' sources state and that trials have shown; each verdict names its own. What
    neither tells is unknown. A node that is taken may still be slow, or wrong in half precision, see `dangers`.

    Args:
        path: the file.
        keras_model: the model from `pytorch_to_keras` that the file was exported from: verdicts then name PyTorch calls.
        delegates: which of "gpu-opencl" (the classic delegate, of `benchmark_model --use_gpu`) and "gpu-webgpu" (ML Drift,
            of LiteRT 2.x, on every GPU interface).
        max_partitions: so many parts of the graph may a delegate run: one, the largest, unless the classic one's user
            says otherwise, and ML Drift with the CPU to fall back on; without, it takes a file whole or not at all.

    Returns:
        One check a delegate, in the order asked for.

    Raises:
        TFLiteFileError: the file is missing, is no TFLite model, or is truncated.
        ValueError: a delegate that there are no rules for, or a `keras_model` that the file was not made from.
    """
    unknown = [name for name in delegates if name not in DELEGATES]
    if unknown:
        raise ValueError(
            f"there are no rules for the delegate {unknown[0]!r}: choose of {', '.join(DELEGATES)}"
        )
    path = Path(path)
    rows = [row for row in inspect_tflite(path, keras_model).rows if row.subgraph == 0]
    graph = read_graph(path)
    return tuple(_checked(path, graph, rows, DELEGATES[name], max_partitions) for name in delegates)


def _checked(
    path: Path, graph: Graph, rows: Sequence[TFLiteOp], delegate: Delegate, most: int
) -> DelegateCheck:
    verdicts = [_verdict(delegate, node, row) for node, row in zip(graph.nodes, rows, strict=True)]
    taken = _on_gpu(graph, verdicts, delegate, most)
    dangers = [
        Danger(verdict.op, verdict.node, each.name, reason, each.mend, each.source, each.wrong)
        for node, verdict in zip(graph.nodes, verdicts, strict=True)
        if verdict.state in (State.TAKEN, State.FATAL)
        for each in delegate.cautions
        if node.op in each.ops and (reason := each.found(node)) is not None
    ]
    on_gpu = {node.index for part in taken for node in part}
    return DelegateCheck(
        path,
        delegate,
        tuple(replace(verdict, on_gpu=verdict.node in on_gpu) for verdict in verdicts),
        tuple(dangers),
        len(taken),
        graph.inner_ops,
        graph.batch_assumed,
    )


def _on_gpu(graph: Graph, verdicts: Sequence[Verdict], delegate: Delegate, most: int) -> list[list[Node]]:
    """The parts that run on the GPU. What is unknown counts as refused."""
    accepted = {verdict.node for verdict in verdicts if verdict.state in (State.TAKEN, State.FATAL)}
    if len(accepted) == len(graph.nodes):
        parts = [list(graph.nodes)] if graph.nodes else []
    else:
        # The wide copies of half-precision weights are made on the CPU where the CPU reads any of them.
        parts = partitions(graph.nodes, lambda node: node.index in accepted and not node.unpacks_weights)
        parts = sorted(parts, key=len, reverse=True)[:most]
    fatal = {verdict.node for verdict in verdicts if verdict.state is State.FATAL}
    return [] if any(node.index in fatal for part in parts for node in part) else parts


_STATES = {Breach.REFUSED: State.REFUSED, Breach.FATAL: State.FATAL, Breach.UNKNOWN: State.UNKNOWN}


def _verdict(delegate: Delegate, node: Node, row: TFLiteOp) -> Verdict:
    if node.op not in delegate.versions:
        return Verdict(
            row,
            node.index,
            State.REFUSED,
            "no such op",
            "the delegate does not have it",
            _instead(node.op),
            delegate.runtime,
        )
    if node.unpacks_weights:
        return Verdict(row, node.index, State.TAKEN)
    newest = delegate.versions[node.op]
    if newest is not None and node.version > newest:
        return Verdict(
            row,
            node.index,
            State.REFUSED,
            "version of the op",
            f"version {node.version}, {newest} is the newest that is taken",
            "export the file with target='gpu': high ranks and integers need newer versions",
            delegate.runtime,
        )
    for rule in delegate.rules_for(node):
        reason = rule.broken(node)
        if reason is not None:
            return Verdict(row, node.index, _STATES[rule.breach], rule.name, reason, rule.mend, rule.source)
    return Verdict(row, node.index, State.TAKEN)


_INSTEAD = {
    "BROADCAST_TO": "export the file with target='gpu': TILE is taken",
    "EXPAND_DIMS": "export the file with target='gpu': RESHAPE is taken",
    "SQUEEZE": "export the file with target='gpu': RESHAPE is taken",
    "SHAPE": "fix all sizes before the export",
    "RANGE": "make it a constant",
    "FILL": "make it a constant",
    "IF": "export the file with target='gpu': both ways are computed and one is chosen, where that is safe",
    "WHILE": "write the steps out, where their number is known",
}


def _instead(op: str) -> str:
    if op.startswith("Flex"):
        return "export the file without allow_flex"
    return _INSTEAD.get(op, "leave it to the CPU, before or behind the rest, or compute it otherwise")
