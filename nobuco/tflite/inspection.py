"""What is in a `.tflite` file: which ops, how many transposes, where the weights are."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from nobuco.tflite import flatbuffer as fb


@dataclass(frozen=True)
class TFLiteTensor:
    """An input or output. `name` is the one in the file's signature, or else the tensor's own."""

    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]  # -1 for a dynamic axis
    dtype: str

    def __str__(self) -> str:
        sizes = ", ".join("?" if size < 0 else str(size) for size in self.shape_signature)
        return f"{self.name}: {self.dtype} ({sizes})"


@dataclass(frozen=True)
class TFLiteOp:
    """One op: `name` is its first output tensor's, which carries the names of the layers it was made from."""

    op: str
    name: str
    activation: str | None
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    weight_bytes: int
    subgraph: int


@dataclass(frozen=True)
class TFLiteInfo:
    """Contents of a `.tflite` file; ops of all its subgraphs (branches of control flow) are counted."""

    path: Path
    size_bytes: int
    inputs: tuple[TFLiteTensor, ...]
    outputs: tuple[TFLiteTensor, ...]
    rows: tuple[TFLiteOp, ...]

    @property
    def ops(self) -> dict[str, int]:
        """Op name -> how many, the most frequent first."""
        counts = Counter(row.op for row in self.rows)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def n_ops(self) -> int:
        return len(self.rows)

    @property
    def transposes(self) -> int:
        return self.ops.get("TRANSPOSE", 0)

    @property
    def flex_ops(self) -> tuple[str, ...]:
        """TensorFlow ops that need the Flex delegate, which phones and most runtimes lack."""
        return tuple(op for op in self.ops if op.startswith("Flex"))

    @property
    def custom_ops(self) -> tuple[str, ...]:
        """Ops that the runtime must be given an implementation of."""
        return tuple(op for op in self.ops if not op.isupper() and not op.startswith("Flex"))

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.size_bytes:,} bytes, {self.n_ops} ops, {self.transposes} transposes"]
        lines += [f"  in   {tensor}" for tensor in self.inputs]
        lines += [f"  out  {tensor}" for tensor in self.outputs]
        lines += [f"  {count:4d} {op}" for op, count in self.ops.items()]
        return "\n".join(lines)

    def __rich__(self) -> Table:
        title = f"{self.path.name}: {self.n_ops} ops, {self.transposes} transposes, {self.size_bytes:,} bytes"
        table = Table("op", "name", "inputs", "outputs", title=title)
        table.add_column("weight bytes", justify="right")
        for row in self.rows:
            op = row.op if row.activation is None else f"{row.op} + {row.activation}"
            weights = f"{row.weight_bytes:,}" if row.weight_bytes else ""
            table.add_row(op, row.name, _shapes(row.input_shapes), _shapes(row.output_shapes), weights)
        return table


def inspect_tflite(path: str | os.PathLike[str]) -> TFLiteInfo:
    """Read a `.tflite` file.

    Raises TFLiteFileError when it is missing, is not a TFLite model, or is truncated.
    """
    path = Path(path)
    data = fb.read_model(path)
    with fb.damage_reported(path):
        model = fb.root(data)
        fb.check_bounds(model, data)
        graphs = fb.subgraphs(model)
        named_inputs, named_outputs = fb.signature_indices(model)
        main = graphs[0]
        return TFLiteInfo(
            path=path,
            size_bytes=len(data),
            inputs=_tensors(main, [main.Inputs(i) for i in range(main.InputsLength())], named_inputs),
            outputs=_tensors(main, [main.Outputs(i) for i in range(main.OutputsLength())], named_outputs),
            rows=tuple(_rows(model, graphs)),
        )


def _tensors(graph: Any, indices: list[int], named: dict[str, int]) -> tuple[TFLiteTensor, ...]:
    names: dict[int, list[str]] = {}
    for name, index in named.items():
        names.setdefault(index, []).append(name)
    found = []
    for index in indices:
        tensor = graph.Tensors(index)
        # One tensor may be two outputs: then it has two names, given in turn.
        name = names[index].pop(0) if names.get(index) else tensor.Name().decode()
        found.append(TFLiteTensor(name, fb.shape(tensor), fb.shape_signature(tensor), fb.type_name(tensor)))
    return tuple(found)


def _rows(model: Any, graphs: list[Any]) -> Iterator[TFLiteOp]:
    for number, graph in enumerate(graphs):
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            indices = [operator.Inputs(j) for j in range(operator.InputsLength())]
            inputs = [
                graph.Tensors(index) for index in indices if index >= 0
            ]  # -1: an optional input left out
            outputs = [graph.Tensors(operator.Outputs(j)) for j in range(operator.OutputsLength())]
            yield TFLiteOp(
                op=fb.op_name(model, operator),
                name=outputs[0].Name().decode() if outputs else "",
                activation=fb.activation(operator),
                input_shapes=tuple(fb.shape(t) for t in inputs),
                output_shapes=tuple(fb.shape(t) for t in outputs),
                weight_bytes=sum(fb.constant_bytes(model, t) for t in inputs),
                subgraph=number,
            )


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return " ".join("×".join(map(str, shape)) or "scalar" for shape in shapes)
