"""The Keras layer that holds the TensorFlow function of one node converter."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch

from nobuco.contract.channel_order import (
    Layout,
    get_layout,
    has_layout,
    identity,
    relaid,
    set_layout,
    transposition,
)
from nobuco.contract.context import ConversionContext, converting
from nobuco.contract.registry import match, op_named
from nobuco.contract.tree import tree_leaves, tree_map
from nobuco.contract.unknown_sizes import ExampleTensor
from nobuco.errors import NobucoError
from nobuco.keras_model.codec import Slot, Weight, decode, encode

PACKAGE = "nobuco"


@dataclass
class CallSpec:
    """One converted call, without its weights' values.

    `args` and `kwargs` hold a `Slot` for each graph tensor and a `Weight` for each constant; `slots` are the graph
    tensors as traced, `static_shapes` what is known of their sizes (None where they may change); `outputs` are the shapes
    (in TensorFlow's axes, None where unknown) and dtypes of the results; `align_rank` says to what rank inputs of lower
    rank are expanded first (element-wise ops), `of_module` that the op is a module, which no saved model holds."""

    op: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    slots: list[tuple[tuple[int, ...], torch.dtype]]
    static_shapes: list[tuple[int | None, ...]]
    input_layouts: list[Layout]
    output_layouts: list[Layout]
    outputs: list[tuple[tuple[int | None, ...], str]] | None
    weight_layouts: list[Layout] = field(default_factory=list)
    align_rank: int | None = None
    dynamic: bool = False
    of_module: bool = False

    def encoded(self) -> dict[str, Any]:
        return {name: encode(_plain(value)) for name, value in self.__dict__.items()}

    @classmethod
    def decoded(cls, config: dict[str, Any]) -> CallSpec:
        spec = cls(**{name: decode(value) for name, value in config.items()})
        for name in ("slots", "static_shapes", "input_layouts", "output_layouts", "weight_layouts"):
            setattr(spec, name, list(getattr(spec, name)))
        return spec


def _plain(item: Any) -> Any:
    if isinstance(item, torch.Size):
        return tuple(item)
    if isinstance(item, list | tuple):
        return (
            type(item)(_plain(each) for each in item)
            if type(item) in (list, tuple)
            else tuple(map(_plain, item))
        )
    return {key: _plain(value) for key, value in item.items()} if isinstance(item, dict) else item


@keras.saving.register_keras_serializable(PACKAGE)
class TensorFlowOp(keras.layers.Layer):
    """Runs `function`, the outcome of a node converter, on TensorFlow tensors annotated with their channel order.

    A saved model finds the converter again by the name of the PyTorch function; the converter of a function of the
    user's own must be registered before the model is loaded."""

    def __init__(
        self,
        function: Callable[..., Any],
        spec: CallSpec,
        weights: Sequence[tuple[str, np.ndarray, bool]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self._function = function
        self._spec = spec
        self._inner = _layers_in(function)
        self._constants = []
        for name, array, trainable in weights:
            variable = self.add_weight(
                shape=array.shape, dtype=str(array.dtype), name=name, trainable=trainable, initializer="zeros"
            )
            variable.assign(array)
            self._constants.append(variable)
        self.built = True

    def call(self, inputs: Any) -> Any:
        spec = self._spec
        tensors = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        tensors = [
            _expanded(set_layout(tensor, layout), spec.align_rank, spec.output_layouts)
            for tensor, layout in zip(tensors, spec.input_layouts, strict=True)
        ]

        def fill(leaf: Any) -> Any:
            if isinstance(leaf, Slot):
                return tensors[leaf.index]
            if isinstance(leaf, Weight):
                weight = tf.convert_to_tensor(self._constants[leaf.index].value)
                return set_layout(weight, spec.weight_layouts[leaf.index])
            if isinstance(leaf, np.ndarray):
                return set_layout(tf.constant(leaf), identity(leaf.ndim))
            return leaf

        args, kwargs = tree_map(fill, (spec.args, spec.kwargs))
        try:
            result = self._function(*args, **kwargs)
        except tf.errors.OperatorNotAllowedInGraphError as error:
            raise NobucoError(
                f"the converter of {spec.op} decides in Python by a value that only the graph computes (from a size that is "
                "not known, say): let it use tf.where or tf.cond, or give the size in input_shapes"
            ) from error
        flat = [leaf for leaf in tree_leaves(result) if leaf is not None]
        if len(flat) != len(spec.output_layouts):
            raise NobucoError(
                f"the converter of {spec.op} returned {len(flat)} tensors; "
                f"PyTorch's function returns {len(spec.output_layouts)}"
            )
        for tensor, layout in zip(flat, spec.output_layouts, strict=True):
            rank = tensor.shape.rank if tf.is_tensor(tensor) else len(layout)
            if rank not in (None, len(layout)):
                raise NobucoError(
                    f"the converter of {spec.op} returned a tensor of rank {rank}, PyTorch's function one of {len(layout)}"
                )
        flat = [_in_layout(tensor, layout) for tensor, layout in zip(flat, spec.output_layouts, strict=True)]
        return flat[0] if len(flat) == 1 else flat

    def compute_output_spec(self, inputs: Any) -> Any:
        if self._spec.outputs is None:
            return super().compute_output_spec(inputs)
        specs = [keras.KerasTensor(shape, dtype=dtype) for shape, dtype in self._spec.outputs]
        return specs[0] if len(specs) == 1 else specs

    def get_config(self) -> dict[str, Any]:
        if self._spec.of_module:
            raise NobucoError(
                f"layer {self.name!r} cannot be saved: the converter of the module {self._spec.op} returned a function, "
                "which needs the PyTorch module, and a saved model does not hold it. Let the converter return a Keras "
                "layer, or move the computation into a function of tensors marked with nobuco.traceable and convert that; "
                "export_tflite and keras_model.export work as it is"
            )
        weights = [
            [_weight_name(each), list(each.shape), each.dtype, each.trainable] for each in self._constants
        ]
        return {**super().get_config(), "spec": self._spec.encoded(), "constants": weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TensorFlowOp:
        config = dict(config)
        spec = CallSpec.decoded(config.pop("spec"))
        weights = [
            (name, np.zeros(shape, dtype), trainable)
            for name, shape, dtype, trainable in config.pop("constants")
        ]
        config.pop("dtype", None)
        return cls(_convert_again(spec, weights), spec, weights, **config)


def _weight_name(variable: Any) -> str:
    return variable.name


def _convert_again(spec: CallSpec, weights: Sequence[tuple[str, np.ndarray, bool]]) -> Callable[..., Any]:
    """The converter's function once more, from tensors of the shapes that it saw in the traced run."""
    constants = []

    def fill(leaf: Any) -> Any:
        if isinstance(leaf, Slot):
            shape, dtype = spec.slots[leaf.index]
            static = spec.static_shapes[leaf.index]
            example = torch.zeros(shape, dtype=dtype)
            return ExampleTensor.of(example, static) if None in static else example
        if isinstance(leaf, Weight):
            layout = spec.weight_layouts[leaf.index]
            array = (
                np.transpose(weights[leaf.index][1], np.argsort(layout)) if layout else weights[leaf.index][1]
            )
            constants.append(torch.from_numpy(np.array(array)))
            return constants[-1]
        if isinstance(leaf, np.ndarray):
            constants.append(torch.from_numpy(leaf))
            return constants[-1]
        return leaf

    args, kwargs = tree_map(fill, (spec.args, spec.kwargs))
    with converting(ConversionContext(constants=frozenset(map(id, constants)), dynamic=spec.dynamic)):
        found = match(op_named(spec.op), args, kwargs)
        if found.converter is None:
            raise NobucoError(
                f"the converters registered here for {spec.op} do not take the call that was saved: "
                + "; ".join(found.refusals)
            )
        return found.converter.function(*args, **kwargs)


def _expanded(tensor: Any, rank: int | None, output_layouts: list[Layout]) -> Any:
    """An input of lower rank, as broadcasting sees it: with dims of size 1 in front, in the layout of the others."""
    own = len(get_layout(tensor))
    if rank is None or own in (0, rank):
        return tensor
    layout = next((each for each in output_layouts if len(each) == rank), identity(rank))
    if layout == identity(rank):
        return tensor
    shape = tf.concat([tf.ones([rank - own], tf.int32), tf.shape(tensor)], 0)
    static = tensor.shape
    if static.is_fully_defined():
        shape = [1] * (rank - own) + static.as_list()
    return set_layout(relaid(tf.reshape(tensor, shape), layout), layout)


def _in_layout(tensor: Any, planned: Layout) -> Any:
    """The output in the layout that the plan counts on; a converter that annotates another one is put right."""
    if not tf.is_tensor(tensor):
        tensor = tf.convert_to_tensor(tensor)
    if has_layout(tensor) and len(get_layout(tensor)) == len(planned) and get_layout(tensor) != planned:
        tensor = relaid(tensor, transposition(get_layout(tensor), planned))
    return set_layout(tensor, planned)


@keras.saving.register_keras_serializable(PACKAGE)
class ChannelTranspose(keras.layers.Layer):
    """The step from one channel order to another that the planner has placed."""

    def __init__(self, perm: Sequence[int], **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.perm = tuple(perm)
        self.built = True

    def call(self, inputs: Any) -> Any:
        return relaid(inputs, self.perm)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor([inputs.shape[axis] for axis in self.perm], dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "perm": list(self.perm)}


def _layers_in(function: Any, depth: int = 0) -> list[Any]:
    """Keras layers and models that a converter's function holds in its closure: Keras must know of their weights."""
    if isinstance(function, keras.layers.Layer):
        return [function]
    if isinstance(function, functools.partial):
        return [each for part in (function.func, *function.args) for each in _layers_in(part, depth)]
    if not isinstance(function, types.FunctionType) or depth > 3:
        return []
    found = []
    for cell in function.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:  # a name that was never bound
            continue
        for item in tree_leaves(held):
            found += _layers_in(item, depth + 1)
    return found
