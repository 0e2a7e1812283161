"""What a form is, and what forms ask of the ops around theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import tensorflow as tf

Tensor = Any  # a symbolic tensor of TensorFlow, whose own stubs take it for less than it is

# A tensor of the original function -> the tensor that stands for it now.
Now = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Form:
    """Another way to compute what an op does.

    Attributes:
        op_types: the TensorFlow ops that it is for.
        fits: whether it is for this one.
        make: its outputs, in the form; given the op of the original function and what stands for tensors of that.
    """

    op_types: tuple[str, ...]
    fits: Callable[[Any], bool]
    make: Callable[[Any, Now], Tensor | list[Tensor]]


def named_as(op: Any) -> Any:
    """Within, ops are named as made by `op`, which is how one of the file leads back to a PyTorch call. Without, they are
    named as made by the op that is put into a form."""
    return tf.name_scope(f"{op.name}/")


def source(tensor: Tensor) -> Tensor:
    """The tensor that this one is another name of."""
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor


def readers(tensor: Tensor) -> Iterator[Any]:
    """The ops that read a tensor, under whatever name; None stands for the caller of the function."""
    if any(tensor is output for output in tensor.graph.outputs):
        yield None
    for op in tensor.consumers():
        if op.type == "Identity":
            yield from readers(op.outputs[0])
        else:
            yield op


def static(tensor: Tensor) -> Any:
    """The value of a tensor as an array, where it is a constant of the function; else None."""
    return tf.get_static_value(tensor)


def sizes(tensor: Tensor) -> list[int] | None:
    """The shape, where all of it is known."""
    return tensor.shape.as_list() if tensor.shape.is_fully_defined() else None


def is_constant(tensor: Tensor) -> bool:
    """Whether a tensor is made of weights and constants alone: TFLite's converter computes it."""
    graph = tensor.graph
    version, names = _CONSTANT.get(graph, (None, frozenset()))
    if version != graph.version:
        names = frozenset(_constant_ops(graph))
        _CONSTANT[graph] = graph.version, names
    return tensor.op.name in names


# The names of a function's constant ops, and how far it had been made when they were looked up.
_CONSTANT: WeakKeyDictionary[Any, tuple[int, frozenset[str]]] = WeakKeyDictionary()


def _constant_ops(graph: Any) -> Iterator[str]:
    """The names of the ops whose outputs are constants."""
    # inputs that stand for arrays which the function holds, and which become constants of the file
    found = {
        inner.op.name
        for outer, inner in graph.captures
        if outer.dtype != tf.resource and not tf.is_symbolic_tensor(outer)
    }
    yield from found
    for op in graph.get_operations():  # in the order they were made in, so after what they read
        read = [each.op.name for each in op.inputs]
        if op.type in ("Const", "ReadVariableOp") or (read and found.issuperset(read)):
            found.add(op.name)
            yield op.name
