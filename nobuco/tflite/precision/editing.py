"""The main graph of a file, opened to be changed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.tools import flatbuffer_utils

from nobuco.tflite import flatbuffer as fb

FLOAT32, INT8, INT32 = fb.schema.TensorType.FLOAT32, fb.schema.TensorType.INT8, fb.schema.TensorType.INT32
_KINDS = {code: name for name, code in vars(fb.schema.BuiltinOperator).items() if isinstance(code, int)}


@dataclass(frozen=True)
class Scale:
    """Of a whole tensor of int8: an integer stands for ``(integer - zero) * step``."""

    step: float
    zero: int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scale):
            return False
        # the same float32 number, whatever has been computed with it
        return self.zero == other.zero and math.isclose(self.step, other.step, rel_tol=1e-6)

    def __hash__(self) -> int:
        return hash(self.zero)


class Editing:
    """Tensors are known by their indices, which stay as they are until `bytes` leaves out what is not used."""

    def __init__(self, data: bytes) -> None:
        self.model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(data))  # type: ignore[arg-type]
        self.graph: Any = self.model.subgraphs[0]
        self._names = {each.name for each in self.graph.tensors}

    @property
    def ops(self) -> list[Any]:
        return self.graph.operators

    def kind(self, op: Any) -> str:
        code = self.model.operatorCodes[op.opcodeIndex]
        if code.customCode:
            return code.customCode.decode()
        return _KINDS[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def op(self, kind: str, given: int, made: int) -> Any:
        """A new op of one input and one output, which stands nowhere yet."""
        op = fb.schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = self.code(kind), [given], [made]
        return op

    def code(self, kind: str) -> int:
        """Where the file tells of a kind of op."""
        wanted = getattr(fb.schema.BuiltinOperator, kind)
        for index, each in enumerate(self.model.operatorCodes):
            if not each.customCode and max(each.builtinCode, each.deprecatedBuiltinCode) == wanted:
                return index
        new = fb.schema.OperatorCodeT()
        new.builtinCode, new.deprecatedBuiltinCode, new.version = wanted, min(wanted, 127), 1
        self.model.operatorCodes.append(new)
        return len(self.model.operatorCodes) - 1

    def name(self, index: int) -> str:
        return self.graph.tensors[index].name.decode()

    def is_float(self, index: int) -> bool:
        return index >= 0 and self.graph.tensors[index].type == FLOAT32

    def constant(self, index: int) -> np.ndarray | None:
        """The numbers of a float tensor that stand in the file."""
        if not self.is_float(index):
            return None
        tensor = self.graph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        shape = [] if tensor.shape is None else list(tensor.shape)
        return np.frombuffer(bytes(data), np.float32).reshape(shape)

    def scale(self, index: int) -> Scale | None:
        """Of an int8 tensor with one scale."""
        tensor = self.graph.tensors[index]
        quantisation = tensor.quantization
        if tensor.type != INT8 or quantisation is None or quantisation.scale is None:
            return None
        if len(quantisation.scale) != 1:
            return None
        return Scale(float(quantisation.scale[0]), int(quantisation.zeroPoint[0]))

    def add_like(self, index: int, type: int, scale: Scale | None, ending: str) -> int:
        """A new tensor of the shape of another one, without numbers."""
        old, new = self.graph.tensors[index], fb.schema.TensorT()
        new.shape, new.shapeSignature, new.hasRank = old.shape, old.shapeSignature, old.hasRank
        new.type, new.name = type, self._new_name(old.name, ending)  # type: ignore[assignment] - bytes here
        new.buffer = self._add_buffer(None)
        if scale is not None:
            new.quantization = _quantisation([scale.step], [scale.zero], 0)
        self.graph.tensors.append(new)
        return len(self.graph.tensors) - 1

    def _new_name(self, old: bytes, ending: str) -> bytes:
        """That of another tensor with an ending, and a number where there is one of that name."""
        names = (old + f"{ending}{number or ''}".encode() for number in itertools.count())
        name = next(name for name in names if name not in self._names)
        self._names.add(name)
        return name

    def add_constant(
        self,
        like: int,
        whole: np.ndarray,
        scales: Sequence[float],
        zero: int = 0,
        axis: int = 0,
        ending: str = "",
    ) -> int:
        """A new tensor of the name of another one, with whole numbers; `scales`: one, or one for each along `axis`."""
        new = self.add_like(like, INT32 if whole.dtype == np.int32 else INT8, None, ending)
        tensor = self.graph.tensors[new]
        tensor.shape, tensor.shapeSignature = list(whole.shape), None
        tensor.buffer = self._add_buffer(np.frombuffer(whole.tobytes(), np.uint8))
        tensor.quantization = _quantisation(scales, [zero] * len(scales), axis)
        return new

    def set_constant(self, index: int, values: np.ndarray) -> None:
        """Other numbers in place of those of a tensor of this type and shape."""
        self.graph.tensors[index].buffer = self._add_buffer(np.frombuffer(values.tobytes(), np.uint8))

    def _add_buffer(self, data: np.ndarray | None) -> int:
        buffer: Any = fb.schema.BufferT()
        buffer.data = data
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def readers(self) -> dict[int, list[Any]]:
        """By tensor, the ops that read it."""
        found: dict[int, list[Any]] = {}
        for op in self.ops:
            for index in dict.fromkeys(int(each) for each in op.inputs):
                found.setdefault(index, []).append(op)
        return found

    def replace_reads(self, becomes: Callable[[int], int], but: Sequence[Any] = ()) -> None:
        """Other tensors for what ops read and the graph returns, except for the ops in `but`. An output keeps its name."""
        for op in self.ops:
            if not any(op is each for each in but):
                op.inputs = [becomes(int(index)) for index in op.inputs]
        for index in dict.fromkeys(int(each) for each in self.graph.outputs):
            if becomes(index) != index:
                self._exchange_names(index, becomes(index))
        self.graph.outputs = [becomes(int(index)) for index in self.graph.outputs]
        for signature in self._signatures():
            for each in signature.outputs:
                each.tensorIndex = becomes(int(each.tensorIndex))

    def replace_input(self, old: int, new: int) -> None:
        """Another tensor as the graph's input, under the same name."""
        self._exchange_names(old, new)
        self.graph.inputs = [new if int(index) == old else int(index) for index in self.graph.inputs]
        for signature in self._signatures():
            for each in signature.inputs:
                each.tensorIndex = new if int(each.tensorIndex) == old else int(each.tensorIndex)

    def _signatures(self) -> Iterator[Any]:
        for each in self.model.signatureDefs or []:
            if each.subgraphIndex == 0:
                yield each

    def _exchange_names(self, a: int, b: int) -> None:
        tensors = self.graph.tensors
        tensors[a].name, tensors[b].name = tensors[b].name, tensors[a].name

    def bytes(self) -> bytes:
        """The file, without the tensors and numbers that nothing uses."""
        tensors = self.graph.tensors
        used = {int(index) for op in self.ops for index in (*op.inputs, *op.outputs)}
        used |= {int(index) for op in self.ops for index in op.intermediates or ()}
        used |= {int(index) for index in (*self.graph.inputs, *self.graph.outputs)}
        kept = [index for index in range(len(tensors)) if index in used]
        place = {-1: -1, **{index: number for number, index in enumerate(kept)}}
        self.graph.tensors = [tensors[index] for index in kept]
        for op in self.ops:
            op.inputs = [place[int(index)] for index in op.inputs]
            op.outputs = [place[int(index)] for index in op.outputs]
            if op.intermediates is not None:
                op.intermediates = [place[int(index)] for index in op.intermediates]
        self.graph.inputs = [place[int(index)] for index in self.graph.inputs]
        self.graph.outputs = [place[int(index)] for index in self.graph.outputs]
        for signature in self._signatures():
            for each in (*signature.inputs, *signature.outputs):
                each.tensorIndex = place[int(each.tensorIndex)]
        read = {int(tensor.buffer) for graph in self.model.subgraphs for tensor in graph.tensors}
        read |= {int(each.buffer) for each in self.model.metadata or []}
        for index, buffer in enumerate(self.model.buffers):
            if index not in read:
                buffer.data = None
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self.model))


def _quantisation(scales: Sequence[float], zeros: Sequence[int], axis: int) -> Any:
    new: Any = fb.schema.QuantizationParametersT()
    new.scale, new.zeroPoint = np.asarray(scales, np.float32), np.asarray(zeros, np.int64)
    new.quantizedDimension = axis
    return new
