"""What a form is, and what forms ask of the ops around theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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
    seen, waiting = set(), [tensor.op]
    while waiting:
        op = waiting.pop()
        if op in seen:
            continue
        seen.add(op)
        if op.type not in ("Const", "ReadVariableOp") and not _is_held(op):
            if not op.inputs:
                return False
            waiting += [each.op for each in op.inputs]
    return True


def _is_held(op: Any) -> bool:
    """Whether an input of a function stands for an array that the function holds, which becomes a constant of the file."""
    if op.type != "Placeholder":
        return False
    outer = next((outer for outer, inner in op.graph.captures if inner is op.outputs[0]), None)
    return outer is not None and outer.dtype != tf.resource and not tf.is_symbolic_tensor(outer)
