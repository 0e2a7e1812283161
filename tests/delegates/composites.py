"""Composites: an op that names a function and holds the ops that it is made of, for delegates that know the name.

`python -m tests.delegates.composites` writes one of each kind that ML Drift is said to take and tries it with each way to
run a file that there is here; docs/gpu.md tells what came of it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from torch import Tensor
from torch.nn import functional as F

import devices
import nobuco
from nobuco.validate.compare import relative_error
from tests.delegates.webgpu import made_up
from tests.devices.launch_helpers import write_inputs

_DELEGATES = ("cpu", "xnnpack", "gpu-webgpu")


def wrapped(
    plain: Path,
    file: Path,
    name: str,
    attributes: Mapping[str, Any],
    constants: Sequence[np.ndarray] = (),
) -> Path:
    """Writes a file whose only op is a composite that holds the ops of `plain`; the last inputs of that become constants."""
    model: Any = schema.ModelT.InitFromPackedBuf(plain.read_bytes(), 0)
    (inner,) = model.subgraphs
    code: Any = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.STABLEHLO_COMPOSITE, 127
    model.operatorCodes.append(code)
    main: Any = schema.SubGraphT()
    main.name, main.tensors = b"main", []

    def tensor(like: int, held: np.ndarray | None = None) -> int:
        found: Any = schema.TensorT()
        found.shape, found.name, found.buffer = inner.tensors[like].shape, inner.tensors[like].name, 0
        if held is not None:
            buffer: Any = schema.BufferT()
            buffer.data = np.frombuffer(held.tobytes(), np.uint8)
            model.buffers.append(buffer)
            found.buffer = len(model.buffers) - 1
        main.tensors.append(found)
        return len(main.tensors) - 1

    free = len(inner.inputs) - len(constants)
    given = [tensor(each) for each in inner.inputs[:free]]
    held = [tensor(each, value) for each, value in zip(inner.inputs[free:], constants, strict=True)]
    options: Any = schema.StableHLOCompositeOptionsT()
    options.name, options.decompositionSubgraphIndex, options.version = name.encode(), 1, 1
    options.compositeAttributes = np.frombuffer(bytes(flexbuffers.Dumps(dict(attributes))), np.uint8)
    op: Any = schema.OperatorT()
    op.opcodeIndex, op.builtinOptions2 = len(model.operatorCodes) - 1, options
    op.builtinOptions2Type = schema.BuiltinOptions2.StableHLOCompositeOptions
    op.inputs, op.outputs = [*given, *held], [tensor(inner.outputs[0])]
    main.operators, main.inputs, main.outputs = [op], given, op.outputs
    model.subgraphs, model.signatureDefs = [main, inner], None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    file.write_bytes(bytes(builder.Output()))
    return file


def _group_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return F.group_norm(x.permute(0, 3, 1, 2), 4, scale, shift, 1e-5).permute(0, 2, 3, 1)


def _attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    made = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask)
    return made.transpose(1, 2)


_PICTURE, _HEADS = (1, 6, 5, 8), (1, 6, 2, 8)
# name of the composite, its attributes, the function, the shapes of its inputs, how many of them are weights
_KINDS: dict[str, tuple[str, dict[str, Any], Callable[..., Tensor], list[tuple[int, ...]], int]] = {
    "group norm": ("odml.group_norm", {"num_groups": 4, "epsilon": 1e-5, "channel_axis": 3}, _group_norm,
                   [_PICTURE, (8,), (8,)], 2),
    "RMS norm": ("odml.rms_norm", {"epsilon": 1e-6}, lambda x, scale: F.rms_norm(x, (8,), scale, 1e-6),
                 [_PICTURE, (8,)], 1),
    "attention": ("odml.scaled_dot_product_attention", {"scale": 8**-0.5}, _attention, [_HEADS] * 3, 0),
    "attention with a mask": ("odml.scaled_dot_product_attention", {"scale": 8**-0.5}, _attention,
                              [*[_HEADS] * 3, (1, 1, 6, 6)], 0),
    "another name": ("odml.no_such", {}, _group_norm, [_PICTURE, (8,), (8,)], 2),
}  # fmt: skip


def _tried(kind: str, folder: Path) -> None:
    name, attributes, function, shapes, weights = _KINDS[kind]
    order = nobuco.ChannelOrder.PYTORCH
    model = nobuco.pytorch_to_keras(
        function,
        [torch.rand(shape) for shape in shapes],
        inputs_channel_order=order,
        outputs_channel_order=order,
        full_validation=False,
        verbose=False,
    )
    plain = nobuco.export_tflite(model, folder / "plain.tflite", target="gpu").path
    random = np.random.default_rng(0)
    held = [random.standard_normal(shape).astype(np.float32) for shape in shapes[len(shapes) - weights :]]
    file = wrapped(plain, folder / "composite.tflite", name, attributes, held)
    given = made_up(file)
    right = function(*map(torch.from_numpy, [*given, *held])).numpy()
    for delegate in _DELEGATES:
        request = devices.LaunchRequest(
            file,
            delegate=delegate,
            warmup_runs=0,
            warmup_seconds=0.0,
            num_runs=1,
            min_seconds=0.0,
            inputs=write_inputs(folder, given),
            want_outputs=True,
        )
        result = devices.launch(devices.open_device("host"), request)
        said = f"error {relative_error(result.outputs[0], right):.1e}" if result.ok else result.error
        print(f"{kind}, {delegate}: {said}", flush=True)


def main() -> int:
    for kind in _KINDS:
        with tempfile.TemporaryDirectory() as folder:
            _tried(kind, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
