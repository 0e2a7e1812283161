"""What the graphs of branches and loops return, each in memory of its own.

LiteRT leaves an output of a branch whose graph returns one tensor twice without memory, so that it holds whatever was
there; and it copies what a turn of a loop returns over what the turn was given, one after the other, so that an output which
is another one's input hands on what has just been overwritten. TFLite's converter makes one tensor of whatever computes the
same, so it is only in the finished file that this can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ai_edge_litert.tools import flatbuffer_utils

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.precision.editing import Editing


def with_own_outputs(data: bytes | bytearray) -> bytes | bytearray:
    """The file with a copy wherever an output of a block shares its memory; most files have none, and stay as they are."""
    model = fb.root(data)
    found = {number: list(_sharing(fb.subgraphs(model)[number])) for number in sorted(_blocks(model))}
    if not any(found.values()):
        return data
    editing = Editing(bytes(data))
    for number, places in found.items():
        editing.graph = editing.model.subgraphs[number]
        for place in places:
            _copy(editing, place)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(editing.model))


def _blocks(model: Any) -> set[int]:
    """The graphs that branches and loops run."""
    return {
        number
        for graph in fb.subgraphs(model)
        for place in range(graph.OperatorsLength())
        for number in fb.branches(graph.Operators(place))
    }


def _sharing(graph: Any) -> Iterator[int]:
    """The places of the outputs that are also an earlier output, or an input of another place."""
    inputs = {int(graph.Inputs(place)): place for place in range(graph.InputsLength())}
    seen: set[int] = set()
    for place in range(graph.OutputsLength()):
        tensor = int(graph.Outputs(place))
        if tensor in seen or inputs.get(tensor, place) != place:
            yield place
        seen.add(tensor)


def _copy(editing: Editing, place: int) -> None:
    """An op that yields what it is given: the larger of a number and itself. A reshape would share its input's memory."""
    graph = editing.graph
    source = int(graph.outputs[place])
    tensor = graph.tensors[source]
    kind = "LOGICAL_OR" if tensor.type == fb.schema.TensorType.BOOL else "MAXIMUM"
    new = editing.add_like(source, tensor.type, None, f";copy_{place}")
    graph.tensors[new].quantization = tensor.quantization
    op = editing.op(kind, source, new)
    op.inputs = [source, source]
    _set_options(op, kind)
    graph.operators = [*(graph.operators or []), op]
    graph.outputs = [new if each == place else int(old) for each, old in enumerate(graph.outputs)]


def _set_options(op: Any, kind: str) -> None:
    name = "LogicalOrOptions" if kind == "LOGICAL_OR" else "MaximumMinimumOptions"
    op.builtinOptionsType = getattr(fb.schema.BuiltinOptions, name)
    op.builtinOptions = getattr(fb.schema, f"{name}T")()
