"""Large weights that TFLite's converter does not get to see.

It copies weights several times over and turns them round number by number, which takes most of the time and memory of a
large model's export. It is given a constant of one number instead, another for each weight, and where that number stands in
the finished file the weight is put. The converter does compute with weights: it scales them by what follows. As the number
is known, so is what it was scaled by. Where anything else has become of it, the model is converted with its weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from nobuco.tflite import flatbuffer as fb

# Bytes of a weight that is worth it.
_LARGE = 65_536

# The numbers lie from 2**110 to 2**111, where no weight does: what the converter computes with one is large too, unless it
# is so little of it that the sum is none the wiser. Larger ones still are masks of attention.
_FROM = 2.0**110
_SUSPICIOUS = 2.0**40, 2.0**127

# How an op's weights stand in a file: by the op in TensorFlow and the op in the file the order of their dims, and which of
# those are its output channels. Of a product the dims depend on how TensorFlow reads them.
_CONVOLUTIONS = {
    ("Conv2D", "CONV_2D"): ((3, 0, 1, 2), 0),
    ("DepthwiseConv2dNative", "DEPTHWISE_CONV_2D"): ((3, 0, 1, 2), 3),
}
_PRODUCTS = ("MatMul", "BatchMatMulV2")
_ADDITIONS = ("Add", "AddV2", "BiasAdd")
_DRAWN_IN = ("Mul", *_ADDITIONS)
_DRAWN_IN_FROM_AFAR = ("Mul",)  # also where a reshape lies between
_OPS = {op for op, _ in _CONVOLUTIONS} | set(_PRODUCTS)


@dataclass(frozen=True)
class StandIn:
    """A weight, and what stands for it.

    Attributes:
        number: the one number of the constant.
        weight: as TensorFlow has it.
        op: what reads it, as its second input.
        turned: whether that reads the last two dims the other way round.
        scales: of the output channels, by what follows, the nearest first.
    """

    number: np.float32
    weight: np.ndarray
    op: str
    turned: bool
    scales: tuple[np.ndarray, ...]

    @property
    def constant(self) -> Any:
        """The TensorProto of the constant: it holds one number, whatever the shape."""
        return tf.make_tensor_proto(float(self.number), tf.float32, self.weight.shape)

    def in_file(self, op: str) -> tuple[np.ndarray, int] | None:
        """The weight as `op` of a file reads it, and the dim of the output channels; None where that is not known."""
        if self.op in _PRODUCTS and op == "FULLY_CONNECTED":
            return self.weight if self.turned else self.weight.T, 0
        if (self.op, op) not in _CONVOLUTIONS:
            return None
        dims, channels = _CONVOLUTIONS[self.op, op]
        return self.weight.transpose(dims), channels

    def put(self, constant: np.ndarray, op: str) -> bool:
        """Writes the weight in the place of what stands for it; False where something else is there."""
        arranged = self.in_file(op)
        if arranged is None or arranged[0].shape != constant.shape:
            return False
        weight, channels = arranged
        shape = [-1 if dim == channels else 1 for dim in range(weight.ndim)]
        standing = np.full(weight.shape[channels], self.number)
        folded: list[np.ndarray] = []
        while not (constant == standing.reshape(shape)).all():
            if len(folded) == len(self.scales) or self.scales[len(folded)].size not in (1, standing.size):
                return False
            folded.append(self.scales[len(folded)])
            standing = standing * folded[-1]
            if not np.isfinite(standing).all():
                return False  # an infinity does not tell what made it
        constant[...] = weight
        for scale in folded:  # one after the other, as the converter does
            constant *= scale.reshape(shape)
        return True


def stand_ins(definition: Any, values: Mapping[str, np.ndarray]) -> dict[str, StandIn]:
    """For the large weights of layers that it is known of how a file has them; by the name of the node that yields them.

    definition: a GraphDef.
    values: of the nodes in it that stand for a variable, or for something captured."""
    graph = _Graph(definition, values)
    layers = {_node(layer.input[1]): layer for layer in definition.node if layer.op in _OPS}
    layers = {name: layer for name, layer in layers.items() if graph.belongs_to(name, layer)}
    scales = {name: graph.scales(layer) for name, layer in layers.items()}
    known = graph.evaluated([*layers, *(name for names in scales.values() for name in names)])
    random = np.random.default_rng(0)
    found = {}
    for name, layer in layers.items():
        number = np.float32(_FROM * (1 + random.random(dtype=np.float32)))
        turned = any(layer.attr[flag].b for flag in ("transpose_b", "adj_y") if flag in layer.attr)
        factors = tuple(known[each].reshape(-1) for each in scales[name])
        if _is_known(layer.op, known[name]) and known[name].nbytes >= _LARGE:
            found[name] = StandIn(number, known[name], layer.op, turned, factors)
    return found


@np.errstate(over="ignore", invalid="ignore")
def put_back(data: bytearray, given: Sequence[StandIn]) -> bool:
    """Write the weights into a file in the places of what stands for them; False where one is not found, or has been
    computed with, and the file is of no use."""
    model = fb.root(data)
    waiting: dict[np.float32, StandIn] = {}
    for each in given:
        number = each.number
        for scale in (None, *each.scales):
            number = number if scale is None else number * scale[0]
            if waiting.setdefault(number, each) is not each:
                return False
    found = set()
    for constant, op in _constants(model):
        standing = waiting.get(constant.flat[0])
        if standing is not None and id(standing) not in found and standing.put(constant, op):
            found.add(id(standing))
        elif ((np.abs(constant) > _SUSPICIOUS[0]) & (np.abs(constant) < _SUSPICIOUS[1])).any():
            return False
    return len(found) == len(given)


class _Graph:
    """A GraphDef, and the questions asked of it."""

    def __init__(self, definition: Any, values: Mapping[str, np.ndarray]) -> None:
        self._values = values
        self._nodes = {node.name: node for node in definition.node}
        self._versions = definition.versions
        self._readers: dict[str, list[Any]] = defaultdict(list)
        self._constant = set(values)  # what is computed from constants and variables alone
        for node in definition.node:
            for name in node.input:
                if not name.startswith("^"):  # which waits for a node, and does not read it
                    self._readers[_node(name)].append(node)
            if node.op == "Const" or (node.input and not _draws(node) and self._all_constant(node.input)):
                self._constant.add(node.name)

    def belongs_to(self, name: str, layer: Any) -> bool:
        """Whether a node yields what does not depend on the inputs, to one layer alone, where TFLite's converter is not
        expected to compute with it: it draws what is done to a layer's input into its weights."""
        given = self._whole(layer.input[0])
        drawn_in = _DRAWN_IN
        while given.op == "Reshape":
            given, drawn_in = self._whole(given.input[0]), _DRAWN_IN_FROM_AFAR
        changed = given.op in drawn_in and not self._constant.isdisjoint(map(_node, given.input))
        return self._readers[name] == [layer] and name in self._constant and not changed

    def scales(self, layer: Any) -> list[str]:
        """The constants that a layer's result is multiplied by, before anything but a constant is added to it."""
        found = []
        while len(self._readers[layer.name]) == 1:
            before, layer = layer.name, self._readers[layer.name][0]
            if layer.op in ("Identity", "Reshape", "Transpose"):
                continue
            others = [_node(name) for name in layer.input if _node(name) != before]
            if layer.op not in ("Mul", *_ADDITIONS) or not self._all_constant(others):
                break
            if layer.op == "Mul":
                found += others
        return found

    def evaluated(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The values of constants: views where they are there as they are."""
        stored = {name: self._stored(name) for name in names}
        computed = [name for name, value in stored.items() if value is None]
        return {name: value for name, value in stored.items() if value is not None} | self._computed(computed)

    def _stored(self, name: str) -> np.ndarray | None:
        node = self._whole(name)
        if node.name in self._values:
            return self._values[node.name]
        return tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None

    def _computed(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        if not names:
            return {}
        part = tf.compat.v1.GraphDef(versions=self._versions)
        given = {}
        waiting, seen = list(names), set(names)
        while waiting:
            name = waiting.pop()
            node, value = self._nodes[name], self._stored(name)
            if value is not None and node.op != "Const":
                given[f"{name}:0"] = value
                continue
            part.node.append(node)
            inputs = set(map(_node, node.input)) - seen
            seen |= inputs
            waiting += inputs

        def call(*tensors: tf.Tensor) -> Any:
            results = [f"{name}:0" for name in names]
            return tf.graph_util.import_graph_def(
                part, dict(zip(given, tensors, strict=True)), results, name=""
            )

        found = tf.function(call, autograph=False)(*map(tf.constant, given.values()))
        return {name: value.numpy() for name, value in zip(names, found, strict=True)}

    def _whole(self, name: str) -> Any:
        """The node that a value comes from, through what hands it on as it is."""
        node = self._nodes[_node(name)]
        return self._whole(node.input[0]) if node.op in ("ReadVariableOp", "Identity") else node

    def _all_constant(self, inputs: Iterable[str]) -> bool:
        return self._constant.issuperset(map(_node, inputs))


def _is_known(op: str, weight: np.ndarray) -> bool:
    """Whether it is known how a file has such a weight."""
    if op in _PRODUCTS:
        return weight.dtype == np.float32 and weight.ndim == 2
    return weight.dtype == np.float32 and (op == "Conv2D" or weight.shape[3] == 1)


def _draws(node: Any) -> bool:
    """Whether an op may yield something else another time."""
    known = op_def_registry.get(node.op)
    return node.op != "ReadVariableOp" and (known is None or known.is_stateful)


def _node(name: str) -> str:
    """The node of an input, `name:1` or, of one that is only waited for, `^name`."""
    return name.partition(":")[0].lstrip("^")


def _constants(model: Any) -> Iterator[tuple[np.ndarray, str]]:
    """The float32 constants of a file as views into it, each as often as it is read, and the op that reads it."""
    for graph in fb.subgraphs(model):
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            for place in range(operator.InputsLength()):
                index = operator.Inputs(place)
                tensor = graph.Tensors(index) if index >= 0 else None
                if tensor is None or fb.type_name(tensor) != "float32":
                    continue
                constant = fb.values(model, tensor)
                if constant is not None and constant.size:
                    yield constant, fb.op_name(model, operator)
