"""The flags of the two flavours of `benchmark_model`."""

from __future__ import annotations

from enum import Enum

from devices.launches import LaunchRequest
from devices.runners.tflite_io import TensorInfo


class Flavour(Enum):
    """Two programs share the name. Either only warns of a flag that it does not know, so each gets its own flags."""

    CLASSIC = "classic"
    LITERT = "litert"


_CLASSIC_DELEGATE = {
    # Given at all, with either value, --use_xnnpack removes the default delegate, which is applied unannounced.
    "xnnpack": ["--use_xnnpack=true"],
    "xnnpack-fp16": ["--use_xnnpack=true", "--xnnpack_force_fp16=true"],
    "cpu": ["--use_xnnpack=false"],
    "gpu-opencl": ["--use_gpu=true", "--gpu_backend=cl", "--gpu_precision_loss_allowed=false"],
    "gpu-opencl-fp16": ["--use_gpu=true", "--gpu_backend=cl", "--gpu_precision_loss_allowed=true"],
}
_LITERT_DELEGATE = {
    "xnnpack": ["--use_cpu=true"],
    "gpu-opencl": ["--use_gpu=true", "--gpu-precision=fp32"],
    "gpu-opencl-fp16": ["--use_gpu=true", "--gpu-precision=fp16"],
}


def flags_for(
    flavour: Flavour,
    request: LaunchRequest,
    remote_model: str,
    inputs: list[tuple[TensorInfo, str]],
    remote_outputs: str,
) -> list[str] | str:
    """The command line, or the reason why this flavour cannot do what is asked.

    Args:
        flavour: Which of the two programs.
        request: The launch.
        remote_model: Path of the model on the device.
        inputs: Each input with the path of its values on the device; empty for made-up values.
        remote_outputs: Path for the outputs on the device; empty for none.
    """
    delegates = _CLASSIC_DELEGATE if flavour is Flavour.CLASSIC else _LITERT_DELEGATE
    if request.delegate not in delegates:
        return f"the {flavour.value} benchmark_model has no delegate {request.delegate}; it has {', '.join(delegates)}"
    flags = [
        f"--graph={remote_model}",
        f"--num_threads={request.threads}",
        f"--warmup_runs={request.warmup_runs}",
        f"--warmup_min_secs={request.warmup_seconds}",
        f"--num_runs={request.num_runs}",
        f"--min_secs={request.min_seconds}",
        f"--max_secs={request.max_seconds}",
        *delegates[request.delegate],
    ]
    if flavour is Flavour.LITERT:
        return [*flags, "--use_profiler=true"] if request.profile else flags
    flags.append("--report_peak_memory_footprint=true")
    if request.profile:
        flags += ["--enable_op_profiling=true", "--op_profiling_output_mode=stdout"]
    if inputs:
        if problem := _inexpressible(inputs):
            return problem
        flags += [
            "--input_layer=" + ",".join(info.name for info, _ in inputs),
            "--input_layer_shape=" + ":".join(",".join(map(str, info.shape)) for info, _ in inputs),
            "--input_layer_value_files="
            + ",".join(f"{_escaped(info.name)}:{_escaped(file)}" for info, file in inputs),
        ]
    if remote_outputs:
        flags.append(f"--output_filepath={remote_outputs}")
    return flags


def _escaped(text: str) -> str:
    """``text`` within ``--input_layer_value_files``, where a single colon parts a name from its file. No other flag
    knows an escape: ``--output_filepath`` is taken literally."""
    return text.replace(":", "::")


def _inexpressible(inputs: list[tuple[TensorInfo, str]]) -> str | None:
    """Why the classic program's flags cannot name these inputs; ``None`` when they can.

    Commas separate inputs and have no escape, inputs are found by name, and an empty list of shapes counts as no
    shapes at all.
    """
    way_out = "use the embedded runner (leave --benchmark-binary out), or"
    seen: set[str] = set()
    for index, (info, file) in enumerate(inputs):
        which = f"benchmark_model's flags cannot name input {index} ({info.name!r})"
        if not info.name:
            return f"{which}: it has no name; {way_out} give it one in the model"
        if "," in info.name:
            return (
                f"{which}: its name holds a comma, which separates inputs; {way_out} rename it in the model"
            )
        if info.name in seen:
            return f"{which}: an earlier input has the same name; {way_out} rename one in the model"
        if "," in file:
            return (
                f"{which}: the path of its values, {file}, holds a comma, which separates inputs; "
                "set NOBUCO_CACHE_DIR to a folder without one"
            )
        if file.startswith(":"):
            return f"{which}: the path of its values, {file}, begins with a colon; give an absolute path"
        seen.add(info.name)
    if len(inputs) == 1 and not inputs[0][0].shape:
        return (
            f"benchmark_model's flags cannot give values to {inputs[0][0].name!r}, a scalar that is the only input: "
            f"its shape would be an empty text, which counts as none; {way_out} give it the shape (1,)"
        )
    return None
