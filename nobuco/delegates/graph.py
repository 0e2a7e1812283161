"""The main graph of a `.tflite` file, as the rules of delegates ask for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nobuco.delegates.sizes import batch_alone_is_open, shapes_at_batch_one
from nobuco.tflite import flatbuffer as fb


@dataclass(eq=False)
class Tensor:
    """A tensor: a constant of the file, or what is computed."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool
    open: bool  # some of its sizes are only known when the file runs
    variable: bool  # keeps its value from one run to the next
    scales: int  # of its quantization: 0 for none, more than 1 for one a channel
    maker: Node | None = None
    readers: list[Node] = field(default_factory=list)
    model: Any = None

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def count(self) -> int:
        """Of elements."""
        total = 1
        for size in self.shape:
            total *= size
        return total

    @cached_property
    def value(self) -> Any:
        """Of a constant, as an array; None where it is computed or packed."""
        table, tensor = self.model
        return fb.values(table, tensor) if self.constant else None

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.shape))}{',' if self.rank == 1 else ''})"


@dataclass(eq=False)
class Node:
    """An op of the graph. `inputs` has None for an optional input that is left out."""

    index: int
    op: str
    version: int
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    options: Any

    @property
    def given(self) -> list[Tensor]:
        return [tensor for tensor in self.inputs if tensor is not None]

    @property
    def runtime(self) -> list[Tensor]:
        """The inputs that are computed."""
        return [tensor for tensor in self.given if not tensor.constant]

    @property
    def constants(self) -> list[Tensor]:
        return [tensor for tensor in self.given if tensor.constant]

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    @property
    def unpacks_weights(self) -> bool:
        """Whether it only makes a half-precision weight wide: delegates read the half-precision one."""
        return self.op == "DEQUANTIZE" and not self.runtime and self.given[0].dtype == "float16"

    def option(self, name: str, otherwise: Any = 0) -> Any:
        """A parameter of the op, by its name in the file format's schema."""
        read = getattr(self.options, name, None)
        return otherwise if read is None else read()


@dataclass(frozen=True)
class Graph:
    nodes: tuple[Node, ...]
    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    inner_ops: int  # in loops and branches, which no delegate sees
    batch_assumed: bool  # the file leaves the batch open; shapes are those of a batch of one


def read_graph(path: Path) -> Graph:
    """Raises TFLiteFileError."""
    data = fb.read_model(path)
    with fb.damage_reported(path):
        model = fb.root(data)
        fb.check_bounds(model, data)
        main, *others = fb.subgraphs(model)
        tensors = tuple(_tensor(model, main.Tensors(i), i) for i in range(main.TensorsLength()))
        nodes = tuple(_node(model, main.Operators(i), i, tensors) for i in range(main.OperatorsLength()))
        inputs = tuple(tensors[main.Inputs(i)] for i in range(main.InputsLength()))
        made = {tensor.index for node in nodes for tensor in node.outputs}
        for tensor in tensors:  # a constant without elements holds no bytes
            computed = tensor.index in made or tensor in inputs or tensor.variable
            tensor.constant = tensor.constant or (tensor.count == 0 and not computed)
        for node in nodes:
            for tensor in node.outputs:
                tensor.maker = node
                tensor.constant = tensor.constant or node.unpacks_weights
            for tensor in dict.fromkeys(node.given):
                tensor.readers.append(node)
        signatures = [fb.shape_signature(main.Tensors(tensor.index)) for tensor in inputs]
        shapes = None
        if batch_alone_is_open(signatures, [node.op for node in nodes]):
            shapes = shapes_at_batch_one(path)
        for tensor in tensors if shapes else ():
            if tensor.open:
                tensor.shape, tensor.open = (shapes or {})[tensor.index], False
        return Graph(
            nodes,
            tensors,
            inputs,
            tuple(tensors[main.Outputs(i)] for i in range(main.OutputsLength())),
            sum(graph.OperatorsLength() for graph in others),
            batch_assumed=shapes is not None,
        )


def _tensor(model: Any, tensor: Any, index: int) -> Tensor:
    quantization = tensor.Quantization()
    return Tensor(
        index,
        (tensor.Name() or b"").decode(),
        fb.shape(tensor),
        fb.type_name(tensor),
        constant=fb.constant_bytes(model, tensor) > 0,
        open=-1 in fb.shape_signature(tensor),
        variable=bool(tensor.IsVariable()),
        scales=0 if quantization is None else quantization.ScaleLength(),
        model=(model, tensor),
    )


def _node(model: Any, operator: Any, index: int, tensors: tuple[Tensor, ...]) -> Node:
    inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
    return Node(
        index,
        fb.op_name(model, operator),
        model.OperatorCodes(operator.OpcodeIndex()).Version(),
        [tensors[i] if i >= 0 else None for i in inputs],
        [tensors[operator.Outputs(i)] for i in range(operator.OutputsLength())],
        fb.options(operator),
    )
