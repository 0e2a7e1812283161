"""Converts single PyTorch calls with dims of unknown size, and compares them with PyTorch at other sizes.

The program is traced at its own sizes and at others. Each call is converted from the first trace, in a graph where the
dims that differ have no size, and run on what PyTorch's own call got and gave in the other traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch.utils import _pytree as pytree

from nobuco.contract.channel_order import inverse, set_layout
from nobuco.contract.context import ConversionContext, converting
from nobuco.contract.dtypes import to_numpy
from nobuco.errors import NobucoError
from nobuco.graph.choose import choose
from nobuco.graph.graph import Node
from nobuco.keras_model.nodes import NodeFactory
from nobuco.layout.planner import Mode
from nobuco.program import Program
from nobuco.trace.calls import Call, Value, map_values
from nobuco.validate.compare import relative_error
from tests.converters.harness import NOT_FILLED, modes_of_call

Dims = frozenset[tuple[int, int]]  # (which of the input tensors, which of its dims)
_MOST_MODES = 2
_MOST_ELEMENTS = 4000
_LEAST_TOLERANCE = 1e-3  # larger tensors add up more rounding; a size taken wrong shows in the first digits


@dataclass(frozen=True)
class Found:
    """What became of one call with some dims of unknown size."""

    outcome: str  # "right", "refused", "wrong"
    where: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.outcome}: {self.where}: {self.what}"


def found_with_unknown_sizes(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    tolerance: float,
    graph_tensors: int | None = None,
    singly: int | None = None,
) -> Iterator[Found]:
    """All dims of the inputs at once; then each by itself (with those that must go along with it), or so many of them as
    `singly` says; all of them if PyTorch does not take all at once, or the converter refuses it.

    `graph_tensors`: only so many of the tensors among the arguments are inputs, the others are constants."""
    leaves, structure = pytree.tree_flatten((tuple(args), kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)][:graph_tensors]

    def program(*tensors: torch.Tensor) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        args, kwargs = pytree.tree_unflatten(filled, structure)
        return function(*args, **kwargs)

    inputs = tuple(leaves[place] for place in places)
    if any(tensor.numel() == 0 for tensor in inputs):
        return
    own = _nodes(program, inputs)
    changes = dict(_changes(program, inputs))
    every = frozenset().union(*changes)
    together = _at_other_sizes(program, inputs, every) if every else []
    found = []
    if together:
        others = [_nodes(program, each) for each in together]
        found = list(_compared(own, others, tolerance, _named(every), _MOST_MODES))
        yield from found
    if not any(each.outcome == "right" for each in found):
        singly = None
    for dims, others in list(changes.items())[:singly]:
        if dims != every or not together:
            yield from _compared(own, [_nodes(program, each) for each in others], tolerance, _named(dims), 1)


def _named(dims: Dims) -> str:
    return ", ".join(f"dim {dim} of x{index}" for index, dim in sorted(dims))


def _nodes(program: Callable[..., Any], inputs: Sequence[torch.Tensor]) -> list[Node]:
    # of unknown sizes, so that none counts as one that never changes
    given = Program.of(program, inputs, input_shapes={each: [None] * each.dim() for each in inputs})
    try:
        traced = given.trace(trace_shape=True)
    except TypeError:  # PyTorch's own Python code checks a size with functions that take no tensor
        traced = given.trace()
    return choose(traced).nodes


# -- other sizes


def _changes(
    program: Callable[..., Any], inputs: Sequence[torch.Tensor]
) -> Iterator[tuple[Dims, list[tuple[torch.Tensor, ...]]]]:
    for index, tensor in enumerate(inputs):
        for dim in range(tensor.dim()):
            together = frozenset(
                (i, d) for i, t in enumerate(inputs) for d, size in enumerate(t.shape) if size == tensor.shape[dim]
            )  # fmt: skip
            for dims in (frozenset({(index, dim)}), together):
                others = _at_other_sizes(program, inputs, dims)
                if others:
                    yield dims, others
                    break


def _at_other_sizes(
    program: Callable[..., Any], inputs: Sequence[torch.Tensor], dims: Dims
) -> list[tuple[torch.Tensor, ...]]:
    """A smaller size, an odd one and a much larger one, as far as PyTorch takes them."""
    found = []
    for change in (
        lambda n: (n - 1, n // 2, n - 2),
        lambda n: (n + 1 + n % 2, 2 * n + 1, 3 * n, 2 * n),
        lambda n: (4 * n + 1, 4 * n, 3 * n, 2 * n + 2),
    ):
        for turn in range(len(change(1))):
            other = _resized(inputs, dims, lambda n, change=change, turn=turn: change(n)[turn])
            if other is not None and _runs(program, other):
                found.append(other)
                break
    return found


def _resized(
    inputs: Sequence[torch.Tensor], dims: Dims, change: Callable[[int], int]
) -> tuple[torch.Tensor, ...] | None:
    """Inputs of other sizes, of elements picked from the given ones."""
    generator = torch.Generator().manual_seed(3)
    changed = []
    for index, tensor in enumerate(inputs):
        shape = [change(n) if (index, dim) in dims else n for dim, n in enumerate(tensor.shape)]
        repeated = any(
            n == 1 < size - 1 for n, size in zip(shape, tensor.shape, strict=True)
        )  # a broadcast instead
        if repeated or min(shape, default=1) < 1 or torch.Size(shape).numel() > _MOST_ELEMENTS:
            return None
        picks = torch.randint(tensor.numel(), (torch.Size(shape).numel(),), generator=generator)
        other = tensor.flatten()[picks].reshape(shape)
        if tensor.is_floating_point():  # no two alike, and none beyond those that are given
            other = other * (1 - 0.01 * torch.rand(shape, generator=generator))
        if tensor.dim() and not tensor.is_complex() and torch.equal(tensor.sort(-1).values, tensor):
            other = other.sort(-1).values
        changed.append(other)
    return tuple(changed)


def _runs(program: Callable[..., Any], inputs: Sequence[torch.Tensor]) -> bool:
    try:
        result = program(*(tensor.clone() for tensor in inputs))
    except Exception:  # whatever PyTorch has against these sizes
        return False
    return all(leaf.numel() for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor))


# -- one call


def _compared(
    own: list[Node], others: list[list[Node]], tolerance: float, where: str, modes: int
) -> Iterator[Found]:
    if any(len(each) != len(own) for each in others):
        return  # which calls there are depends on the sizes: Python has read them
    for number, node in enumerate(own):
        call = node.call
        same = [each[number].call for each in others]
        if any(_options(each) != _options(call) for each in same):
            continue  # a number that Python has read from a shape
        yield from _call_compared(node, same, tolerance, f"{call.name}, {where}", modes)


def _options(call: Call) -> str:
    """All but the tensors."""
    return call.name + repr(map_values((call.args, call.kwargs), lambda value: value.rank))


def _call_compared(
    node: Node, others: list[Call], tolerance: float, where: str, modes: int
) -> Iterator[Found]:
    call = node.call
    shapes = {
        value: tuple(
            size if all(other.inputs[i].shape[dim] == size for other in others) else None
            for dim, size in enumerate(value.shape)
        )
        for i, value in enumerate(call.inputs)
    }
    if all(None not in shape for shape in shapes.values()):
        return
    for mode in _modes(node)[:modes]:
        what = f"{_options(call)}, {[(v.shape, v.tensor.dtype, v.constant, shapes[v]) for v in call.inputs]}, {mode}"
        if what not in _outcomes:
            _outcomes[what] = _outcome(node, others, mode, shapes, tolerance, where)
        yield _outcomes[what]


_outcomes: dict[str, Found] = {}  # programs have calls in common


def _outcome(
    node: Node,
    others: list[Call],
    mode: Mode,
    shapes: dict[Value, tuple[int | None, ...]],
    tolerance: float,
    where: str,
) -> Found:
    where = f"{where}, {[shapes[value] for value in node.inputs]} in {list(mode.inputs)}"
    try:
        run = _graph(node, mode, shapes)
    except NobucoError as error:
        return Found("refused", where, str(error))
    except Exception as error:  # raised raw: a finding about the converter
        return Found("wrong", where, f"{type(error).__name__}: {error}")
    wrong = [text for each in (node.call, *others) for text in _wrong(run, each, mode, tolerance)]
    return Found("wrong", where, "; ".join(wrong)) if wrong else Found("right", where)


def _modes(node: Node) -> list[Mode]:
    with converting(ConversionContext(dynamic=True)):
        return modes_of_call(node.call, node.converter)


def _graph(node: Node, mode: Mode, shapes: dict[Value, tuple[int | None, ...]]) -> Callable[..., Any]:
    """The converted call as a TensorFlow graph for inputs of unknown sizes."""
    factory = NodeFactory(True, True, shapes.__getitem__)
    converted = factory.convert(node, mode)
    specs = [
        tf.TensorSpec([shapes[value][dim] for dim in layout], to_numpy(value.tensor).dtype)
        for value, layout in converted.graph_inputs
    ]
    layouts = [layout for _, layout in converted.graph_inputs]

    def apply(*tensors: Any) -> list[Any]:
        return converted.apply([set_layout(t, layout) for t, layout in zip(tensors, layouts, strict=True)])

    return tf.function(apply, input_signature=specs, autograph=False).get_concrete_function()


def _wrong(run: Callable[..., Any], call: Call, mode: Mode, tolerance: float) -> Iterator[str]:
    pairs = zip(call.inputs, mode.inputs, strict=True)
    given = {(_place(call, v), layout): (v, layout) for v, layout in pairs if not v.constant}
    tensors = [tf.constant(to_numpy(value.tensor).transpose(layout)) for value, layout in given.values()]
    sizes = [value.shape for value, _ in given.values()]
    try:
        outputs = run(*tensors)
    except Exception as error:  # at run time: no converter may leave it to TensorFlow to find out
        yield f"at {sizes} {type(error).__name__}: {str(error)[:300]}"
        return
    for output, value, layout in zip(outputs, call.outputs, mode.outputs, strict=True):
        actual = np.asarray(output)
        if actual.ndim != len(layout) or actual.transpose(inverse(layout)).shape != value.shape:
            yield f"at {sizes} shape {actual.shape} in {layout}, PyTorch has {value.shape}"
        elif call.name not in NOT_FILLED:
            error = relative_error(actual.transpose(inverse(layout)), to_numpy(value.tensor))
            if not error <= max(tolerance, _LEAST_TOLERANCE):
                yield f"at {sizes} relative error {error:.3g}"


def _place(call: Call, value: Value) -> int:
    return next(i for i, each in enumerate(call.inputs) if each is value)
