"""The calls to be converted, in order of execution, with the values that flow between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from nobuco.contract.context import ConversionContext
from nobuco.contract.converter import Converter
from nobuco.contract.registry import is_nonnegative_op, is_op_of_varying_output
from nobuco.contract.tree import tree_leaves
from nobuco.graph.value_ranges import fits_32_bits
from nobuco.trace.calls import Call, Value
from nobuco.trace.sizes import Comparison
from nobuco.trace.state import StateChange


@dataclass(eq=False, frozen=True)
class Node:
    """A call and the converter that takes it; for a branch or a loop, `blocks` are the graphs inside it."""

    call: Call
    converter: Converter
    blocks: tuple[Graph, ...] = ()

    @property
    def inputs(self) -> list[Value]:
        """One for each tensor among the arguments, in their order; a tensor given twice stands here twice."""
        return self.call.inputs

    @property
    def outputs(self) -> list[Value]:
        return self.call.outputs

    @property
    def distinct_inputs(self) -> list[Value]:
        return list(dict.fromkeys(self.inputs))


@dataclass(repr=False)
class Graph:
    """What becomes the Keras model.

    `root` is the call of the whole model. Beside the nodes stand the calls that do not become any: those that no
    output needs, those that nothing converts (`missing`), those whose converters all refuse them (`refused`, with the
    reasons), and the places where Python read a value (`reads`) or compared a size
    (`comparisons`); what the program writes to the model's state (`changes`), and which modules but PyTorch gave it random
    numbers (`draws`)."""

    root: Call
    inputs: list[Value]
    outputs: list[Value]
    nodes: list[Node] = field(default_factory=list)
    unused: list[Call] = field(default_factory=list)
    missing: list[Call] = field(default_factory=list)
    refused: dict[Call, tuple[str, ...]] = field(default_factory=dict)
    reads: list[Call] = field(default_factory=list)
    changes: Sequence[StateChange] = ()
    comparisons: Sequence[Comparison] = ()
    draws: Sequence[str] = ()
    dynamic: bool = False  # some size differs from call to call, so that traced sizes are examples only

    def all_nodes(self) -> Iterator[Node]:
        """The nodes, and those inside them, in the order of execution."""
        for node in self.nodes:
            for block in node.blocks:
                yield from block.all_nodes()
            yield node

    def values(self) -> Iterator[Value]:
        """Every value that is an input, an output, or goes in or out of a node, each once."""
        through = (value for node in self.nodes for value in (*node.inputs, *node.outputs))
        yield from dict.fromkeys((*self.inputs, *through, *self.outputs))

    def reader_counts(self) -> Counter[Value]:
        """How many nodes read each value; the model's own outputs count as one more reader."""
        counts = Counter(value for node in self.nodes for value in node.distinct_inputs)
        counts.update(self.outputs)
        return counts

    def release_unused(self) -> None:
        """Lets go of the data of all values that neither go in or out of a node nor are outputs."""
        kept = {value for node in self.all_nodes() for value in (*node.inputs, *node.outputs)}
        kept.update(self.outputs)
        for node in self.all_nodes():
            for block in node.blocks:
                kept.update((*block.inputs, *block.outputs))
        release(self.root, kept)


def release(root: Call, kept: Container[Value] = ()) -> None:
    """Lets go of the data of every value below `root` but those in `kept`; shapes and dtypes stay."""
    for call in root.walk():
        for value in (*call.inputs, *call.outputs):
            if value not in kept:
                value.release()


def context_of(
    call: Call, dynamic: bool, given: Callable[[Value], torch.Tensor] = lambda value: value.tensor
) -> ConversionContext:
    """What the converter of `call` may ask about the tensors that it is `given` for the values."""

    def where(known: Callable[[Value], bool]) -> frozenset[int]:
        return frozenset(id(given(value)) for value in call.inputs if known(value))

    return ConversionContext(
        constants=where(lambda value: value.constant),
        nonnegative=where(_is_nonnegative),
        in_32_bits=where(fits_32_bits),
        dynamic=dynamic,
    )


def _is_nonnegative(value: Value) -> bool:
    return value.producer is not None and is_nonnegative_op(value.producer.op)


def output_varies(call: Call) -> bool:
    """Whether sizes of the call's outputs depend on values: a computed mask chooses elements, or it is the op's nature."""
    return is_op_of_varying_output(call.op) or (
        call.op is torch.Tensor.__getitem__
        and any(
            isinstance(leaf, Value) and not leaf.constant and leaf.tensor.dtype is torch.bool
            for leaf in tree_leaves(call.args[1:])
        )
    )
