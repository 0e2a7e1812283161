"""Some ops of a `.tflite` file as a file of their own."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nobuco.tflite import flatbuffer as fb

# Ops that keep something from one run to the next, or hand on what is no array.
_NO_ARRAYS = (schema.TensorType.RESOURCE, schema.TensorType.VARIANT, schema.TensorType.STRING)


class NotCut(Exception):
    """These ops cannot stand by themselves: something that goes in or out is no array, or has not been recorded."""


@dataclass(frozen=True)
class Cut:
    """A file made of some nodes of another.

    Attributes:
        data: the file.
        nodes: their numbers in the other's main graph, in order.
        inputs, outputs: of each of its own, the number of the tensor in that graph.
    """

    data: bytes
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """A node: its op, and the numbers of its tensors, without inputs that are left out."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Cutter:
    """A file to cut ops from. Raises TFLiteFileError."""

    def __init__(self, path: Path) -> None:
        self._data = fb.read_model(path)
        with fb.damage_reported(path):
            flat = fb.root(self._data)
            fb.check_bounds(flat, self._data)
            self.ops = tuple(
                fb.op_name(flat, operator)
                for operator in map(
                    fb.subgraphs(flat)[0].Operators, range(fb.subgraphs(flat)[0].OperatorsLength())
                )
            )
            self._model: Any = schema.ModelT.InitFromPackedBuf(self._data, 0)
        self._graph = self._model.subgraphs[0]

    def __len__(self) -> int:
        return len(self.ops)

    @property
    def computed(self) -> list[int]:
        """The tensors that are no constants, as far as an op reads or makes them."""
        read = [
            index for operator in self._graph.operators for index in (*operator.inputs, *operator.outputs)
        ]
        return [
            index for index in dict.fromkeys(map(int, read)) if index >= 0 and not self.is_constant(index)
        ]

    def operation(self, number: int) -> Operation:
        """A node of the main graph."""
        operator = self._graph.operators[number]
        given = tuple(int(index) for index in operator.inputs if index >= 0)
        return Operation(self.ops[number], given, tuple(map(int, operator.outputs)))

    def scale(self, index: int) -> float | None:
        """Of a tensor that holds integers that stand for numbers: the largest step of its channels; None for others."""
        quantisation = self._graph.tensors[index].quantization
        if quantisation is None or quantisation.scale is None or not len(quantisation.scale):
            return None
        return float(max(quantisation.scale))

    def numbers(self, index: int, array: np.ndarray) -> np.ndarray:
        """What the values of a computed tensor stand for."""
        scale = self.scale(index)
        if scale is None or array.dtype.kind not in "iu":
            return array
        zero = self._graph.tensors[index].quantization.zeroPoint
        zero = int(zero[0]) if zero is not None and len(zero) else 0
        return (array.astype(np.float64) - zero) * scale

    def is_constant(self, index: int) -> bool:
        buffer = self._model.buffers[self._graph.tensors[index].buffer]
        return bool(buffer.size) or (buffer.data is not None and len(buffer.data) > 0)

    @cached_property
    def _made_of_constants(self) -> dict[int, int]:
        """Tensors that nodes make of constants alone, wide copies of weights: the node of each."""
        return {
            int(index): number
            for number, operator in enumerate(self._graph.operators)
            if all(index < 0 or self.is_constant(index) for index in operator.inputs)
            for index in operator.outputs
        }

    def cut(self, nodes: Iterable[int], recorded: Mapping[int, np.ndarray]) -> Cut:
        """A file of these nodes, and of those that make their weights of constants.

        `recorded`: a value of each tensor, whose sizes become those of the file. Raises NotCut."""
        wanted = set(nodes)
        read_by_them = {int(index) for number in wanted for index in self._graph.operators[number].inputs}
        weights = {
            index for index in read_by_them if self._made_of_constants.get(index, -1) not in {-1, *wanted}
        }
        numbers = tuple(sorted({*wanted, *(self._made_of_constants[index] for index in weights)}))
        operators = [self._graph.operators[number] for number in numbers]
        made = dict.fromkeys(int(index) for operator in operators for index in operator.outputs)
        read = dict.fromkeys(int(i) for operator in operators for i in operator.inputs if i >= 0)
        inputs = [index for index in read if index not in made and not self.is_constant(index)]
        outside = self._read_outside(numbers)
        outputs = [
            index
            for index in made
            if index not in weights and (index in outside or (index not in read and index in recorded))
        ]
        for index in (*inputs, *outputs):
            if index not in recorded or self._graph.tensors[index].type in _NO_ARRAYS:
                raise NotCut(f"tensor {index} is no array, or has no value between two runs")
        if not outputs:
            raise NotCut("nothing comes out of them")
        return Cut(self._packed(operators, inputs, outputs, recorded), numbers, tuple(inputs), tuple(outputs))

    def _read_outside(self, numbers: Sequence[int]) -> set[int]:
        """The tensors that other nodes read, or that the file returns."""
        others = [each for number, each in enumerate(self._graph.operators) if number not in numbers]
        return {int(index) for each in others for index in each.inputs} | set(map(int, self._graph.outputs))

    def _packed(
        self,
        operators: Sequence[Any],
        inputs: Sequence[int],
        outputs: Sequence[int],
        recorded: Mapping[int, np.ndarray],
    ) -> bytes:
        main = copy.copy(self._graph)
        used = dict.fromkeys(int(i) for each in operators for i in (*each.inputs, *each.outputs) if i >= 0)
        place = {index: number for number, index in enumerate(used)} | {-1: -1}
        main.tensors = []
        for index in used:
            tensor = copy.copy(self._graph.tensors[index])
            if index in recorded:
                tensor.shape, tensor.shapeSignature = list(recorded[index].shape), None
            main.tensors.append(tensor)
        main.operators = []
        for each in operators:
            operator = copy.copy(each)
            operator.inputs = [place[int(index)] for index in each.inputs]
            operator.outputs = [place[int(index)] for index in each.outputs]
            main.operators.append(operator)
        main.inputs = [place[index] for index in inputs]
        main.outputs = [place[index] for index in outputs]
        return _written(self._model, main)


def _written(original: Any, main: Any) -> bytes:
    """The file with another main graph, and without what that does not need."""
    model = copy.copy(original)
    model.signatureDefs, model.metadata, model.metadataBuffer = None, None, None
    graphs = [main]
    for graph in graphs:  # grows
        graph.operators = [_of_graphs(operator, original.subgraphs, graphs) for operator in graph.operators]
    model.subgraphs = graphs
    codes = list(dict.fromkeys(operator.opcodeIndex for graph in graphs for operator in graph.operators))
    model.operatorCodes = [original.operatorCodes[code] for code in codes]
    buffers = [0]
    for graph in graphs:
        tensors = []
        for tensor in map(copy.copy, graph.tensors):
            if tensor.buffer not in buffers:
                buffers.append(tensor.buffer)
            tensor.buffer = buffers.index(tensor.buffer)
            tensors.append(tensor)
        graph.tensors = tensors
        for operator in graph.operators:
            operator.opcodeIndex = codes.index(operator.opcodeIndex)
    model.buffers = [original.buffers[index] for index in buffers]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


# Where ops keep the numbers of the graphs that they run.
_GRAPHS = (
    "thenSubgraphIndex",
    "elseSubgraphIndex",
    "condSubgraphIndex",
    "bodySubgraphIndex",
    "initSubgraphIndex",
)


def _of_graphs(operator: Any, originals: Sequence[Any], graphs: list[Any]) -> Any:
    """A copy of an op; the graphs that it runs are put behind those that there are."""
    operator = copy.copy(operator)
    options = copy.copy(operator.builtinOptions)
    for name in _GRAPHS:
        if hasattr(options, name):
            graphs.append(copy.copy(originals[getattr(options, name)]))
            setattr(options, name, len(graphs) - 1)
    operator.builtinOptions = options
    return operator
