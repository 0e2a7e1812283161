"""One converted call: the converter is run, and its outcome becomes something that can be applied to tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch
from torch import nn

from nobuco.contract.channel_order import Layout, identity, set_layout
from nobuco.contract.context import converting
from nobuco.contract.converter import Converter
from nobuco.contract.dtypes import tf_dtype, to_numpy
from nobuco.contract.registry import saved_name
from nobuco.contract.results import LayerChain
from nobuco.contract.tree import tree_leaves
from nobuco.contract.unknown_sizes import ExampleTensor
from nobuco.errors import ConversionError, NobucoError
from nobuco.graph.graph import Node, context_of
from nobuco.keras_model.codec import Slot, Weight
from nobuco.keras_model.op_layer import CallSpec, TensorFlowOp
from nobuco.keras_model.sharing import sharing_key
from nobuco.layout.planner import Mode
from nobuco.trace.calls import Call, Kind, Value, map_values


@dataclass
class ConvertedNode:
    """A node, how it is laid out, and what it became. `apply` takes its graph tensors and returns its outputs, flat."""

    node: Node
    mode: Mode
    apply: Callable[[Sequence[Any]], list[Any]]
    layers: list[keras.layers.Layer]
    reused: bool = False  # another call made its layers
    notes: tuple[str, ...] = ()  # what the converter says of the call

    @property
    def call(self) -> Call:
        return self.node.call

    @property
    def converter(self) -> Converter:
        return self.node.converter

    @property
    def graph_inputs(self) -> list[tuple[Value, Layout]]:
        """The inputs that are not constants, each once, with the layout they are wanted in."""
        return graph_inputs(self.node, self.mode)

    def failure(self, message: str) -> ConversionError:
        return ConversionError(
            f"the conversion of {self.call} (converter: {self.converter.location}) failed: {message}"
        )


@contextmanager
def _layers_of(call: Call) -> Iterator[None]:
    """Keras layers that are made inside compute in the float type of the call: by themselves they would compute in float32,
    and the functions behind them would meet another type than PyTorch's."""
    dtypes = [value.tensor.dtype for value in call.inputs if value.tensor.is_floating_point()]
    if not dtypes or dtypes[0] not in (torch.float16, torch.bfloat16, torch.float64):
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(tf_dtype(dtypes[0]).name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def graph_inputs(node: Node, mode: Mode) -> list[tuple[Value, Layout]]:
    pairs = zip(node.inputs, mode.inputs, strict=True)
    return list(dict.fromkeys((value, layout) for value, layout in pairs if not value.constant))


class NodeFactory:
    """Runs node converters. A module that is called again with the same kind of arguments keeps its layers.

    `static_shape` tells the sizes of a value of the graph, in PyTorch's order, None for those that may change; without
    it all are as they were traced."""

    def __init__(
        self,
        dynamic: bool = False,
        constants_to_variables: bool = True,
        static_shape: Callable[[Value], tuple[int | None, ...]] | None = None,
    ) -> None:
        self._dynamic = dynamic
        self._constants_to_variables = constants_to_variables
        self.static_shape = static_shape
        self._reusable: dict[Any, ConvertedNode] = {}
        self._built: dict[Any, keras.layers.Layer] = {}  # Keras layers by what makes them the same
        self._names: dict[str, int] = {}

    def convert(self, node: Node, mode: Mode) -> ConvertedNode:
        """Raises ConversionError, which names the call, when the converter raises or returns what cannot stand in a
        Keras model."""
        key = sharing_key(node.call, mode, self._shape_of) if node.converter.reusable else None
        shared = self._reusable.get(key) if key is not None else None
        if shared is not None:
            return ConvertedNode(node, mode, shared.apply, shared.layers, True, shared.notes)
        converted = self._converted(node, mode)
        if key is not None:
            self._reusable[key] = converted
        return converted

    def _converted(self, node: Node, mode: Mode) -> ConvertedNode:
        call, converter = node.call, node.converter
        given = {value: self._given(value) for value in call.inputs}
        args, kwargs = map_values((call.args, call.kwargs), given.__getitem__)
        if isinstance(call.op, nn.Module):
            args = (call.op, *args)
        context = context_of(call, self._dynamic, given.__getitem__)
        with converting(context), _layers_of(call):
            try:
                result = converter.function(*args, **kwargs)
            except NobucoError as error:
                raise type(error)(f"{call}: {error}") from error
            except Exception as error:
                raise ConversionError(
                    f"the converter of {call} ({converter.location}) raised {type(error).__name__}: {error}"
                ) from error
        if isinstance(result, LayerChain):
            result.build(lambda suffix: self.name_of(call, suffix), self._built if converter.reusable else {})
            return ConvertedNode(node, mode, lambda tensors: _flat(result(tensors)), list(result.layers))
        if isinstance(result, keras.layers.Layer):
            return ConvertedNode(node, mode, _like_pytorch(node, mode, result), [result])
        if not callable(result):
            raise ConversionError(
                f"the converter of {call} ({converter.location}) returned {type(result).__name__}; it must return a "
                "function or a Keras layer that takes the call's arguments"
            )
        layer = self._function_layer(node, mode, result)
        return ConvertedNode(
            node,
            mode,
            lambda tensors: _flat(layer(_one_or_list(tensors))),
            [layer],
            notes=tuple(context.notes),
        )

    def _given(self, value: Value) -> torch.Tensor:
        """What the converter sees of a value: the traced tensor, without the sizes that may change."""
        static = self._shape_of(value)
        return ExampleTensor.of(value.tensor, static) if None in static else value.tensor

    def _shape_of(self, value: Value) -> tuple[int | None, ...]:
        return value.shape if value.constant or self.static_shape is None else self.static_shape(value)

    def _function_layer(self, node: Node, mode: Mode, function: Any) -> TensorFlowOp:
        call = node.call
        inputs = graph_inputs(node, mode)
        places = {pair: Slot(index) for index, pair in enumerate(inputs)}
        weights: list[tuple[str, np.ndarray, bool]] = []
        weight_layouts: list[Layout] = []
        layouts = iter(mode.inputs)
        rank = max((value.rank for value in call.outputs), default=0)
        align = rank if node.converter.any_layout else None

        def place(value: Value) -> Any:
            layout = next(layouts)
            if not value.constant:
                return places[value, layout]
            array = np.asarray(to_numpy(value.tensor).transpose(layout), order="C")  # 0-d stays 0-d
            if align is not None and 0 < value.rank < rank:
                # a constant of lower rank is expanded here, where it costs nothing
                target = mode.outputs[0]
                array = array.reshape((1,) * (rank - value.rank) + array.shape).transpose(target)
                layout = target
            variable = self._constants_to_variables and value.tensor.is_floating_point() and value.rank > 0
            if not variable and layout == identity(array.ndim):
                return array
            trainable = variable and value.tensor.requires_grad
            weights.append((_weight_name(value, len(weights)), array, trainable))
            weight_layouts.append(layout)
            return Weight(len(weights) - 1)

        args, kwargs = map_values((call.args, call.kwargs), place)
        spec = CallSpec(
            op=saved_name(call.op),
            of_module=isinstance(call.op, nn.Module),
            args=args,
            kwargs=kwargs,
            slots=[(value.shape, value.tensor.dtype) for value, _ in inputs],
            static_shapes=[self._shape_of(value) for value, _ in inputs],
            input_layouts=[layout for _, layout in inputs],
            output_layouts=list(mode.outputs),
            outputs=None
            if self._dynamic
            else [_spec(value, layout) for value, layout in zip(call.outputs, mode.outputs, strict=True)],
            weight_layouts=weight_layouts,
            align_rank=align,
            dynamic=self._dynamic,
        )
        return TensorFlowOp(function, spec, weights, name=self.name_of(call))

    def name_of(self, call: Call, suffix: str = "") -> str:
        """The path of the PyTorch module, then the op; unique in the model."""
        op = "" if call.kind is Kind.MODULE else call.name.rsplit(".", 1)[-1].strip("_")
        path = call.module_path.replace("/", ".")
        name = ".".join(part for part in (path, op, suffix) if part) or call.name
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)  # what TensorFlow takes for the name of a scope
        name = name if name[0].isalnum() else f"x{name}"
        count = self._names.get(name, 0)
        self._names[name] = count + 1
        return f"{name}_{count}" if count else name


def _weight_name(value: Value, index: int) -> str:
    return value.path.rsplit(".", 1)[-1] if value.path else f"constant_{index}"


def _spec(value: Value, layout: Layout) -> tuple[tuple[int | None, ...], str]:
    return tuple(value.shape[dim] for dim in layout), tf_dtype(value.tensor.dtype).name


def _one_or_list(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)


def _flat(result: Any) -> list[Any]:
    return [leaf for leaf in tree_leaves(result) if leaf is not None]


def _like_pytorch(node: Node, mode: Mode, layer: keras.layers.Layer) -> Callable[[Sequence[Any]], list[Any]]:
    """A user's Keras layer is called with the arguments of the PyTorch call."""
    order = {pair: index for index, pair in enumerate(graph_inputs(node, mode))}

    def apply(tensors: Sequence[Any]) -> list[Any]:
        layouts = iter(mode.inputs)

        def fill(value: Value) -> Any:
            layout = next(layouts)
            if value.constant:
                return tf.constant(to_numpy(value.tensor).transpose(layout))
            return set_layout(tensors[order[value, layout]], layout)

        args, kwargs = map_values((node.call.args, node.call.kwargs), fill)
        return _flat(layer(*args, **kwargs))

    return apply
