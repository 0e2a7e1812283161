"""What is in a `.tflite` file: which ops, how many transposes, where the weights are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.origins import with_origins

if TYPE_CHECKING:
    from nobuco.keras_model.origins import Origin


@dataclass(frozen=True)
class TFLiteTensor:
    """An input or output. `name` is the one in the file's signature, or else the tensor's own.

    Where `scale` is not None its integers stand for (integer - zero_point) * scale.
    """

    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]  # -1 for a dynamic axis
    dtype: str
    scale: float | None = None
    zero_point: int = 0

    def __str__(self) -> str:
        sizes = ", ".join("?" if size < 0 else str(size) for size in self.shape_signature)
        return f"{self.name}: {self.dtype} ({sizes})"


@dataclass(frozen=True)
class TFLiteOp:
    """One op.

    Attributes:
        op: its kind, `CONV_2D`.
        name: of its first output tensor; carries the names of the Keras layers it was made from.
        activation: the one that is fused into it.
        input_shapes, output_shapes: as the file states them.
        weight_bytes: of the constants among its inputs.
        subgraph: which of the file's graphs it stands in; 0 is the main one.
        inputs, outputs: indices of its tensors in that graph.
        branches: the graphs that it runs itself (loops and branches).
        origins: the PyTorch calls it was made from; several where the converter has fused ops. Empty unless
            `inspect_tflite` was given the Keras model.
        output_names: of all its output tensors.
        output_types: "float32", "int8", ...
    """

    op: str
    name: str
    activation: str | None
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    weight_bytes: int
    subgraph: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    branches: tuple[int, ...] = ()
    origins: tuple[Origin, ...] = ()
    output_names: tuple[str, ...] = ()
    output_types: tuple[str, ...] = ()

    @property
    def module_path(self) -> str:
        """Of the innermost PyTorch module that holds all its origins; empty for the model itself."""
        paths = [origin.module_path.split(".") for origin in self.origins]
        shared = []
        for parts in zip(*paths, strict=False):
            if len(set(parts)) > 1:
                break
            shared.append(parts[0])
        return ".".join(shared)


@dataclass(frozen=True)
class TFLiteInfo:
    """Contents of a `.tflite` file; ops of all its subgraphs (branches of control flow) are counted."""

    path: Path
    size_bytes: int
    inputs: tuple[TFLiteTensor, ...]
    outputs: tuple[TFLiteTensor, ...]
    rows: tuple[TFLiteOp, ...] = field(repr=False)

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
        table = Table("op", "name", "inputs", "outputs", title=Text(title))
        table.add_column("weight bytes", justify="right")
        for row in self.rows:
            op = row.op if row.activation is None else f"{row.op} + {row.activation}"
            weights = f"{row.weight_bytes:,}" if row.weight_bytes else ""
            cells = op, row.name, _shapes(row.input_shapes), _shapes(row.output_shapes), weights
            table.add_row(*map(Text, cells))  # a name may hold what rich takes for markup or an emoji
        return table


def inspect_tflite(path: str | os.PathLike[str], keras_model: Any = None) -> TFLiteInfo:
    """Reads a `.tflite` file; takes neither PyTorch nor TensorFlow.

    Args:
        path: the file.
        keras_model: the model from `pytorch_to_keras` that the file was exported from. With it, each op is given its
            `origins`: the module path and the source line of the PyTorch calls it was made from.

    Raises:
        TFLiteFileError: the file is missing, is no TFLite model, or is truncated.
        ValueError: `keras_model` does not come from `pytorch_to_keras`, or the file is not one of it.
    """
    path = Path(path)
    data = fb.read_model(path)
    with fb.damage_reported(path):
        model = fb.root(data)
        fb.check_bounds(model, data)
        graphs = fb.subgraphs(model)
        named_inputs, named_outputs = fb.signature_indices(model)
        main = graphs[0]
        made = tuple(main.Outputs(i) for i in range(main.OutputsLength()))
        info = TFLiteInfo(
            path=path,
            size_bytes=len(data),
            inputs=_tensors(main, [main.Inputs(i) for i in range(main.InputsLength())], named_inputs),
            outputs=_tensors(main, list(made), named_outputs),
            rows=tuple(_rows(model, graphs)),
        )
    return info if keras_model is None else replace(info, rows=with_origins(info.rows, made, keras_model))


def _tensors(graph: Any, indices: list[int], named: dict[str, int]) -> tuple[TFLiteTensor, ...]:
    names: dict[int, list[str]] = {}
    for name, index in named.items():
        names.setdefault(index, []).append(name)
    found = []
    for index in indices:
        tensor = graph.Tensors(index)
        # One tensor may be two outputs: then it has two names, given in turn.
        name = names[index].pop(0) if names.get(index) else tensor.Name().decode()
        scale, zero_point = fb.quantisation(tensor)
        found.append(
            TFLiteTensor(
                name, fb.shape(tensor), fb.shape_signature(tensor), fb.type_name(tensor), scale, zero_point
            )
        )
    return tuple(found)


def _rows(model: Any, graphs: list[Any]) -> Iterator[TFLiteOp]:
    for number, graph in enumerate(graphs):
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            indices = [operator.Inputs(j) for j in range(operator.InputsLength())]
            given = tuple(index for index in indices if index >= 0)  # -1: an optional input left out
            made = tuple(operator.Outputs(j) for j in range(operator.OutputsLength()))
            inputs, outputs = ([graph.Tensors(index) for index in each] for each in (given, made))
            yield TFLiteOp(
                op=fb.op_name(model, operator),
                name=outputs[0].Name().decode() if outputs else "",
                activation=fb.activation(operator),
                input_shapes=tuple(fb.shape(t) for t in inputs),
                output_shapes=tuple(fb.shape(t) for t in outputs),
                weight_bytes=sum(fb.constant_bytes(model, t) for t in inputs),
                subgraph=number,
                inputs=given,
                outputs=made,
                branches=fb.branches(operator),
                output_names=tuple(t.Name().decode() for t in outputs),
                output_types=tuple(fb.type_name(t) for t in outputs),
            )


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return " ".join("×".join(map(str, shape)) or "scalar" for shape in shapes)
