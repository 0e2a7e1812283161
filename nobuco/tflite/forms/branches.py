"""Branches on a tensor, as both ways and a choice.

    before  IF x.mean() > 0: CONV_2D, TANH; else CONV_2D, LOGISTIC
    after   CONV_2D, TANH; CONV_2D, LOGISTIC; SELECT_V2

GPU delegates have no IF: for them, every branch that both ways of can be run. A choice takes what one way computes as it
is, infinities and what is no number on the other do not reach it. A branch stays one where an op could fail on the way that
is not taken (`ways.py` says which could).

For every target, a branch whose ways are few cheap ops on few elements: computing both, and choosing, is less work than an
IF, which prepares the graph that it runs anew each time, and which no delegate looks into. A choice takes some five
instructions an element. Instructions of a run on an x86 core (LiteRT 2.3 and its XNNPACK), with the IF and with the choice:

                         16 elements       1,024 elements    2,048 elements
    ways of one op       14,929  10,245    15,590  11,001    15,106  12,660
    ways of four ops     19,540  11,943    22,205  16,954    24,187  21,661"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.aim import Aim
from nobuco.tflite.forms.form import Tensor, readers, source
from nobuco.tflite.forms.joining import MOST, reshaped
from nobuco.tflite.forms.ways import BRANCHES, Way, obstacle, ways_of
from nobuco.tflite.lowering.copying import copied
from nobuco.tflite.lowering.rewrite import Walk, inner_graphs, rewritten

_COMPARISONS = ("Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual")
_CHEAP = ("Abs", "Add", "AddV2", "Maximum", "Minimum", "Mul", "Neg", "Relu", "Relu6", "Square", "Sub")
_FREE = ("Const", "Identity", "NoOp", "Placeholder", "ReadVariableOp")
_MOST_OPS = 4  # on each way
_MOST_ELEMENTS = 1024  # of an op, and of all that is chosen


@dataclass
class Chosen:
    """A function with choices in place of branches.

    Attributes:
        function: takes and returns what the original does.
        kept: the branches that a GPU was to have no more of: the name of the op, and why it is there.
    """

    function: Any
    kept: list[tuple[str, str]] = field(default_factory=list)


def without_branches(function: Any, aim: Aim) -> Chosen:
    """`function`, a ConcreteFunction, with a choice for each branch that is better one where the file is to run; itself
    where there is none."""
    chosen = Chosen(function)
    found: set[Any] = set()
    _find(Way(function.graph), aim.target == "gpu", found, chosen.kept)
    if found:
        chosen.function = rewritten(function, lambda known: _Choosing(known, found, aim.target == "gpu"))
    return chosen


def _find(way: Way, for_gpu: bool, found: set[Any], kept: list[tuple[str, str]]) -> None:
    for op in way.operations():
        if op.type not in BRANCHES:
            for graph in inner_graphs(op).values():
                _find(Way(graph), for_gpu and op.type.endswith("PartitionedCall"), found, kept)
            continue
        ways = ways_of(op, way)
        reason = obstacle(op, way)
        if reason is None and (for_gpu or _is_little(op, ways)):
            found.update([op, *_branches_in(ways)])
            continue
        if for_gpu:
            kept.append((op.name, reason or ""))
        for each in ways:  # no delegate looks into what stays a branch
            _find(each, False, found, kept)


def _branches_in(ways: Sequence[Way]) -> list[Any]:
    """All of them, those of functions that are called as well."""
    waiting, found = [way.graph for way in ways], []
    while waiting:
        for op in waiting.pop().get_operations():
            waiting += inner_graphs(op).values()
            found += [op] if op.type in BRANCHES else []
    return found


def _is_little(op: Any, ways: Sequence[Way]) -> bool:
    """Whether both ways and the choice are less work than running a graph."""
    work = [each for way in ways for each in way.graph.get_operations() if each.type not in _FREE]
    if any(each.type not in _CHEAP for each in work):
        return False
    if any(sum(each.graph is way.graph for each in work) > _MOST_OPS for way in ways):
        return False
    computed = [tensor.shape.num_elements() for each in (*work, op) for tensor in each.outputs]
    chosen = computed[-len(op.outputs) :]
    return None not in computed and sum(chosen) <= _MOST_ELEMENTS and max(computed) <= _MOST_ELEMENTS


class _Choosing(Walk):
    def __init__(self, known: dict[Any, Any], branches: set[Any], for_gpu: bool) -> None:
        super().__init__(known)
        self._branches, self._for_gpu = branches, for_gpu

    def inside(self, known: dict[Any, Any]) -> Walk:
        return _Choosing(known, self._branches, self._for_gpu)

    def wants(self, op: Any) -> bool:
        return op in self._branches

    def replaces(self, op: Any) -> bool:
        return op in self._branches

    def made(self, op: Any, inputs: Sequence[Any]) -> Any:
        if op not in self._branches:
            return copied(op, inputs)
        condition, *given = inputs
        pairs = list(
            zip(*(self.run_inside(graph, given) for graph in inner_graphs(op).values()), strict=True)
        )
        if self._for_gpu:
            return _for_gpu(condition, pairs, _is_read_once(op.inputs[0]))
        condition = reshaped(condition, [])
        return [yes if yes is no else tf.where(condition, yes, no) for yes, no in pairs]


# -- as both GPU delegates take it


def _is_read_once(tensor: Tensor) -> bool:
    return sum(1 for _ in readers(source(tensor))) == 1


def _for_gpu(condition: Tensor, pairs: Sequence[tuple[Tensor, Tensor]], read_once: bool) -> list[Tensor]:
    """In four dims, the first of them 1 where there is room: computed branches of two are refused, and constants read only
    so. The classic delegate has one op read a comparison, and that has to make floats: each choice has one of its own."""
    several = [pair for pair in pairs if pair[0] is not pair[1]]
    plain = read_once and len(several) == 1 and source(condition).op.type in _COMPARISONS
    truth = None if plain else _truth(condition)
    if truth is not None and len(several) > 1:
        truth = tf.nn.relu(truth)  # the classic delegate has one op read a truth value that was cast
    made = []
    for number, (yes, no) in enumerate(pairs):
        if yes is no:
            made.append(yes)
            continue
        # TFLite's converter would make one comparison of those with the same number.
        one = condition if truth is None else truth > (number + 1) / (len(pairs) + 1)
        if source(no) is source(condition):  # as Python's `and` is recorded
            chosen = tf.logical_and(condition, yes)
        elif source(yes) is source(condition):
            chosen = tf.logical_or(condition, no)
        elif yes.dtype == tf.bool:
            chosen = _chosen(one, _cast(yes), _cast(no)) > 0.5
        else:
            chosen = _chosen(one, yes, no)
        made.append(chosen)
    return made


def _chosen(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    sizes = yes.shape.as_list()
    if sizes.count(None) > 1:  # no reshape can be written, and GPU delegates ask for sizes that are known
        return tf.where(reshaped(condition, [1] * len(sizes)), yes, no)
    wide = [1] * (MOST - len(sizes)) + sizes
    condition = reshaped(condition, [1] * len(wide))
    return reshaped(tf.where(condition, reshaped(yes, wide), reshaped(no, wide)), sizes)


def _cast(tensor: Tensor) -> Tensor:
    return tf.cast(tensor, tf.float32)


def _truth(tensor: Tensor) -> Tensor:
    """A truth value as a number of four dims, 1 or 0: the classic delegate computes with no others."""
    op = source(tensor).op
    if op.type == "LogicalAnd":
        return _truth(op.inputs[0]) * _truth(op.inputs[1])
    if op.type == "LogicalOr":
        return tf.maximum(_truth(op.inputs[0]), _truth(op.inputs[1]))
    if op.type == "LogicalNot":
        return _truth(op.inputs[0]) * -1.0 + 1.0
    return _cast(reshaped(tensor, [1] * MOST))
