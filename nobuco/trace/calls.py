"""What tracing records: values (a tensor at a version) and the tree of calls that made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch

from nobuco.contract.sites import Site, name_of
from nobuco.contract.traceable import shape
from nobuco.contract.tree import tree_leaves, tree_map
from nobuco.trace.sizes import Comparison
from nobuco.trace.state import StateChange


@dataclass(eq=False, repr=False)
class Value:
    """One tensor at one version: an in-place op makes a new value of the same tensor.

    `tensor` holds this version's data for good: before an in-place op changes it, it is replaced by a copy.
    """

    tensor: torch.Tensor
    producer: Call | None = None
    constant: bool = False
    path: str = ""  # of a parameter or buffer in the model ("backbone.conv1.weight"), of an input its name

    def __repr__(self) -> str:  # values and calls hold each other: to show all would not end
        return f"<{'constant ' if self.constant else ''}value {self.path} of shape {self.shape}>"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def rank(self) -> int:
        return self.tensor.dim()

    def release(self) -> None:
        """Lets go of the data; a report that is kept should not keep every activation alive."""
        numbers = self.tensor.dequantize() if self.tensor.is_quantized else self.tensor
        self.tensor = numbers.to("meta")

    @property
    def nbytes(self) -> int:
        return self.tensor.numel() * self.tensor.element_size()


class Kind(Enum):
    FUNCTION = "function"
    MODULE = "module"
    READ = "read"  # a tensor's value became a Python number or branch
    # written by the tracer: an in-place change carried over to the tensors that share its memory
    ALIAS = "alias"


@dataclass(eq=False, repr=False)
class Call:
    """One call of a PyTorch function, method or module.

    `args`, `kwargs` and `output` have the shape they have in the program, with a `Value` for each tensor."""

    op: Any
    kind: Kind
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    invoked: Site | None
    module_path: str
    parent: Call | None = None
    output: Any = None
    children: list[Call] = field(default_factory=list)
    inplace: bool = False
    folded: bool = False  # depends on no input: its outputs are constants
    native: bool = False  # written in C++: its children are what it asked of the dispatcher
    read: Any = None  # the Python value that a READ took
    why: str = ""  # why a branch on what a READ took could not be lifted
    blocks: list[Trace] = field(
        default_factory=list
    )  # of a branch or a loop; their roots are among the children

    @property
    def name(self) -> str:
        return type(self.op).__name__ if isinstance(self.op, torch.nn.Module) else name_of(self.op)

    @property
    def inputs(self) -> list[Value]:
        return values_in((self.args, self.kwargs))

    @property
    def outputs(self) -> list[Value]:
        return values_in(self.output)

    def walk(self) -> Iterator[Call]:
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def user_line(self) -> Site | None:
        """The line of the program that led to this call: the one that called the module, when it is PyTorch's own."""
        call: Call | None = self
        while call is not None:
            if call.invoked is not None and not call.invoked.in_torch:
                return call.invoked
            call = call.parent
        return self.invoked

    def __repr__(self) -> str:
        return f"<call {self}>"

    def __str__(self) -> str:
        where = f" at {self.user_line}" if self.user_line else ""
        return f"{self.name}{where}"


@dataclass(eq=False, repr=False)
class Trace:
    """A traced program: `root` is the call of the whole model, `inputs` its tensors, in the order of its arguments."""

    root: Call
    inputs: list[Value]
    changes: list[StateChange] = field(default_factory=list)  # of the model's state
    comparisons: list[Comparison] = field(default_factory=list)  # of sizes, by Python
    draws: list[str] = field(default_factory=list)  # modules other than PyTorch that gave random numbers

    @property
    def outputs(self) -> list[Value]:
        return self.root.outputs


_PLAIN = (int, float, bool, str, complex, torch.dtype, torch.device)  # what arguments are besides tensors


def values_in(tree: Any) -> list[Value]:
    found: list[Value] = []
    _find_values(tree, found)
    return found


def _find_values(tree: Any, found: list[Value]) -> None:
    """What `tree_leaves` would find, which takes ten times as long for what arguments mostly are."""
    kind = type(tree)
    if kind is Value:
        found.append(tree)
    elif kind is tuple or kind is list:
        for each in tree:
            _find_values(each, found)
    elif kind is dict:
        for each in tree.values():
            _find_values(each, found)
    elif tree is not None and kind not in _PLAIN:
        found += [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Value)]


def map_values(tree: Any, function: Callable[[Value], Any]) -> Any:
    """A copy of `tree` with each `Value` replaced."""
    return tree_map(lambda leaf: function(leaf) if isinstance(leaf, Value) else leaf, tree)


def is_of_sizes(value: Value) -> bool:
    """Whether a value is a size that is traced as a tensor, or computed from such sizes and constants alone."""
    if value.constant:
        return True
    maker = value.producer
    return maker is not None and (
        maker.op is shape or (bool(maker.inputs) and all(map(is_of_sizes, maker.inputs)))
    )
