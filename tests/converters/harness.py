"""Converts single PyTorch calls and compares them with PyTorch, without a Keras model around them.

Every way of laying out its inputs that a converter offers the planner is tried, for tensors of the graph and for
constants, as it is converted and as a saved model would build it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
import torch
from torch.utils import _pytree as pytree

import nobuco.node_converters  # noqa: F401 - registers them
from nobuco.contract.channel_order import Layout, channel_last, identity, inverse, set_layout
from nobuco.contract.converter import Converter
from nobuco.contract.dtypes import tf_dtype, to_numpy
from nobuco.graph.choose import choose
from nobuco.graph.graph import Node
from nobuco.keras_model.nodes import ConvertedNode, NodeFactory
from nobuco.keras_model.op_layer import TensorFlowOp
from nobuco.layout.modes import modes_of
from nobuco.layout.planner import Mode
from nobuco.program import Program
from nobuco.trace.calls import Call, Value
from nobuco.validate.compare import relative_error
from nobuco.validate.findings import raise_unconverted

MOST_MODES = 3
NOT_FILLED = {"torch.empty_like", "Tensor.new_empty"}  # hold what memory held


def problems(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    tolerance: float,
    graph_tensors: int | None = None,
    used: set[Converter] | None = None,
    only_trace: bool = False,
    most_modes: int = MOST_MODES,
) -> Iterator[str]:
    """What is wrong with the conversion of `function(*args, **kwargs)`; nothing, if all is well.

    `graph_tensors`: only so many of the tensors among the arguments are inputs, the others are constants. `used`
    collects the converters that take part; with `only_trace` nothing is converted. `most_modes`: ways of laying out the
    inputs that are tried."""
    leaves, structure = pytree.tree_flatten((tuple(args), kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)][:graph_tensors]

    def program(*tensors: torch.Tensor) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        args, kwargs = pytree.tree_unflatten(filled, structure)
        return function(*args, **kwargs)

    inputs = tuple(leaves[place] for place in places)
    # some of PyTorch's ops take no tensor, which no whole model may
    traced = (Program.of(program, inputs) if inputs else Program(program, (), {}, [])).trace()
    graph = choose(traced)
    if graph.missing:
        yield f"no converter for {', '.join(sorted({call.name for call in graph.missing}))}"
        return
    raise_unconverted(graph)
    for node in graph.nodes:
        if used is not None:
            used.add(node.converter)
        if not only_trace:
            yield from _node_problems(node, tolerance, most_modes)


def graph_tensors_of(args: Sequence[Any], kwargs: dict[str, Any]) -> list[int | None]:
    """All tensors as inputs; then, where there are several, the first alone, with the others as constants."""
    count = sum(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves((tuple(args), kwargs)))
    return [None, 1] if count > 1 else [None]


def _node_problems(node: Node, tolerance: float, most_modes: int) -> Iterator[str]:
    for number, mode in enumerate(modes_of_call(node.call, node.converter)[:most_modes]):
        where = f"{node.call.name}{_shapes(node.call)} in {list(mode.inputs)}"
        converted = NodeFactory().convert(node, mode)
        for found in _compared(converted, converted.apply, tolerance):
            yield f"{where}: {found}"
        if number == 0 and len(converted.layers) == 1 and isinstance(converted.layers[0], TensorFlowOp):
            again = TensorFlowOp.from_config(converted.layers[0].get_config())
            again.set_weights(converted.layers[0].get_weights())
            for found in _compared(
                converted, lambda x, again=again: _flat(again(x[0] if len(x) == 1 else list(x))), tolerance
            ):
                yield f"{where}, saved and loaded: {found}"


def modes_of_call(call: Call, converter: Converter) -> list[Mode]:
    offered = modes_of(call, converter)([_layouts(value.rank) for value in call.inputs])
    return list(offered)[:MOST_MODES]


def _layouts(rank: int) -> list[Layout]:
    odd = (*range(1, rank), 0)[-rank:] if rank else ()  # neither channel order
    return [identity(rank), channel_last(rank), odd]


def _compared(
    node: ConvertedNode, apply: Callable[[Sequence[Any]], list[Any]], tolerance: float
) -> Iterator[str]:
    inputs = [_laid_out(value, layout) for value, layout in node.graph_inputs]
    outputs = apply(inputs)
    if len(outputs) != len(node.call.outputs):
        yield f"{len(outputs)} outputs, PyTorch has {len(node.call.outputs)}"
        return
    for output, value, layout in zip(outputs, node.call.outputs, node.mode.outputs, strict=True):
        if output.dtype != tf_dtype(value.tensor.dtype).name and output.dtype != tf_dtype(value.tensor.dtype):
            yield f"dtype {output.dtype}, PyTorch has {value.tensor.dtype}"
        actual = output.numpy()
        if actual.ndim != len(layout) or actual.transpose(inverse(layout)).shape != value.shape:
            yield f"shape {actual.shape} in {layout}, PyTorch has {value.shape}"
            continue
        if node.call.name in NOT_FILLED:
            continue
        error = relative_error(actual.transpose(inverse(layout)), to_numpy(value.tensor))
        if not error <= tolerance:
            yield f"relative error {error:.3g}"


def _laid_out(value: Value, layout: Layout) -> Any:
    return set_layout(tf.constant(to_numpy(value.tensor).transpose(layout)), layout)


def _flat(result: Any) -> list[Any]:
    return pytree.tree_leaves(result)


def _shapes(call: Call) -> str:
    return str([("const " if v.constant else "") + str(tuple(v.shape)) for v in call.inputs])
