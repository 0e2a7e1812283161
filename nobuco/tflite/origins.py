"""From a TFLite op back to the PyTorch calls it was made from.

TensorFlow names a tensor by the scopes it was made in, `Model_1/features.0.conv2d_1/convolution`, TFLite joins the
names of fused ops by semicolons. A scope is the name of a Keras layer and a number, and the report knows the call of
each layer. Ops that bear no layer's name are traced through the graph: what makes an output of the model through the
layer that yields it, what stands in a loop through the op that runs the loop, the rest through the ops around it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nobuco.keras_model.origins import Origin
    from nobuco.tflite.inspection import TFLiteOp

_NUMBER = re.compile(r"_\d+$")


def with_origins(
    rows: Sequence[TFLiteOp], model_outputs: Sequence[int], keras_model: Any
) -> tuple[TFLiteOp, ...]:
    """The rows with their origins. `model_outputs`: the tensors, in graph 0, that are the model's outputs, in order.

    Raises ValueError for a Keras model or a file that does not fit."""
    layers: Mapping[str, Origin] | None = getattr(getattr(keras_model, "report", None), "origins", None)
    if layers is None:
        raise ValueError("keras_model has no report: give the very model that pytorch_to_keras returned")
    from nobuco.keras_model.output_names import computed_outputs  # needs Keras, which the model has imported

    tensors = computed_outputs(keras_model)
    if len(tensors) != len(model_outputs):
        raise ValueError(
            f"the file has {len(model_outputs)} outputs and keras_model {len(tensors)}: it was made from another model"
        )
    borne = [list(layers_named(row.name, layers)) for row in rows]
    elsewhere = {layer for names in borne for layer in names}
    makers: dict[int, list[str]] = {}
    for index, tensor in zip(model_outputs, tensors, strict=True):
        makers.setdefault(index, []).extend(_makers(tensor, elsewhere))
    named = [distinct(layers[layer] for layer in names) for names in borne]
    own = {
        layer.name for layer in keras_model.layers
    }  # those of its transposes, too, which no call is the origin of
    if any("/" in row.name for row in rows) and not any(any(layers_named(row.name, own)) for row in rows):
        raise ValueError(
            "no op of the file bears the name of a layer of keras_model: it was made from another model"
        )

    def outputs_of(row: TFLiteOp) -> Iterable[int]:
        return row.outputs if row.subgraph == 0 else ()

    found = [
        origins or distinct(layers.get(name) for index in outputs_of(row) for name in makers.get(index, ()))
        for row, origins in zip(rows, named, strict=True)
    ]
    _from_around(rows, found)
    return tuple(replace(row, origins=origins) for row, origins in zip(rows, found, strict=True))


def layers_in(name: str, layers: Mapping[str, Origin]) -> Iterable[Origin]:
    """The origins of the layers that a tensor's name tells."""
    return (layers[layer] for layer in layers_named(name, layers))


def layers_named(name: str, layers: Container[str]) -> Iterable[str]:
    """The layers whose scopes stand in a tensor's name, behind the scope of the whole model."""
    for part in name.split(";"):
        for scope in part.split("/")[1:]:
            for layer in (_NUMBER.sub("", scope), scope):
                if layer in layers:
                    yield layer
                    break


def _makers(tensor: Any, elsewhere: set[str]) -> Iterable[str]:
    """The layer that yields an output of the model, and before it those that no op bears the name of: they are fused into
    the op that does."""
    # Only private attributes tell which layer a Keras tensor comes from, and what that layer was given.
    seen, waiting = set(), [tensor._keras_history]
    while waiting:
        history = waiting.pop()
        name = history.operation.name
        if name in seen or (seen and name in elsewhere):
            continue
        seen.add(name)
        yield name
        given = history.operation._inbound_nodes[history.node_index].input_tensors
        waiting += [before._keras_history for before in given]


def _from_around(rows: Sequence[TFLiteOp], found: list[tuple[Origin, ...]]) -> None:
    """Fills in the origins of ops without any: of the op whose loop or branch they stand in, else of the nearest op
    that reads what they make, else of the nearest that makes what they read."""
    callers = {graph: number for number, row in enumerate(rows) for graph in row.branches}
    makers = {(row.subgraph, index): number for number, row in enumerate(rows) for index in row.outputs}
    readers: dict[tuple[int, int], list[int]] = {}
    for number, row in enumerate(rows):
        for index in row.inputs:
            readers.setdefault((row.subgraph, index), []).append(number)

    def after(row: TFLiteOp) -> Iterable[int]:
        return (number for index in row.outputs for number in readers.get((row.subgraph, index), ()))

    def before(row: TFLiteOp) -> Iterable[int]:
        keys = ((row.subgraph, index) for index in row.inputs)
        return (makers[key] for key in keys if key in makers)

    def caller(row: TFLiteOp) -> Iterable[int]:
        return [callers[row.subgraph]] if row.subgraph in callers else []

    for neighbours, order in ((caller, 1), (after, -1), (before, 1)):
        for number, row in list(enumerate(rows))[::order]:
            if not found[number]:
                found[number] = distinct(origin for other in neighbours(row) for origin in found[other])


def distinct(origins: Iterable[Origin | None]) -> tuple[Origin, ...]:
    return tuple(dict.fromkeys(origin for origin in origins if origin is not None))
