"""One launch with the official `benchmark_model`."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from devices.cache import sha256_of
from devices.errors import DeviceError
from devices.fairness import affinity_prefix
from devices.launches import LaunchRequest, LaunchResult, OpProfile, failed_launch, scratch_name, unit_of
from devices.protocol import Device
from devices.runners.official.download import official_binary, platform_of
from devices.runners.official.flags import Flavour, flags_for
from devices.runners.official.log import BenchmarkLog, parse_log
from devices.runners.official.op_tables import parse_op_table
from devices.runners.official.verdict import judge
from devices.runners.repeating import run_launch
from devices.runners.tflite_io import TensorInfo, model_tensors

DELEGATES = ("xnnpack", "xnnpack-fp16", "cpu", "gpu-opencl", "gpu-opencl-fp16")
_HELP_SECONDS = 60.0


def launch_official(device: Device, request: LaunchRequest) -> LaunchResult:
    """Run the binary that the request names, or the published one."""
    binary = _binary(device, request)
    remote = device.push(binary)
    flavour = read_flavour(device, remote)
    runner = f"benchmark_model {flavour.value} {sha256_of(binary)[:12]}"
    remote_outputs = ""
    outputs_info: list[TensorInfo] = []
    if flavour is Flavour.CLASSIC and (request.inputs or request.want_outputs):
        inputs_info, outputs_info = model_tensors(request.model)
        inputs = list(zip(inputs_info, [device.push(path) for path in request.inputs], strict=False))
        if request.inputs and len(request.inputs) != len(inputs_info):
            reason = f"{len(request.inputs)} input files were given, the model has {len(inputs_info)} inputs"
            return failed_launch(device, request, reason, runner=runner)
        if request.want_outputs:
            remote_outputs = f"{device.scratch}/{scratch_name(request, '.outputs')}"
    elif request.inputs or request.want_outputs:
        reason = (
            "LiteRT's own benchmark_model takes no inputs and gives no outputs, so its work cannot be checked"
        )
        return failed_launch(device, request, reason, runner=runner)
    else:
        inputs = []
    flags = flags_for(flavour, request, device.push(request.model), inputs, remote_outputs)
    if isinstance(flags, str):
        return failed_launch(device, request, flags, runner=runner)
    try:
        command = [*affinity_prefix(device.info(), request.cores), remote, *flags]
        done = run_launch(device, command, timeout=request.timeout)
        text = (done.stdout + b"\n" + done.stderr).decode(errors="replace")
        log = parse_log(text)
        if done.timed_out:
            reason: str | None = f"ended after {request.timeout:g} s, its time limit"
            applied = None
        else:
            applied, reason = judge(log, request.delegate, flavour, done.exit_code)
        if reason is not None:
            return failed_launch(device, request, reason, log=text, runner=runner, applied=applied)
        outputs = _pull_outputs(device, remote_outputs, outputs_info) if remote_outputs else []
    finally:
        if remote_outputs:
            device.run(["rm", "-f", remote_outputs], timeout=30)
    return _result(device, request, log, text, runner, applied, outputs)


def read_flavour(device: Device, remote: str) -> Flavour:
    """Tell the two programs apart by their help text."""
    done = device.run([remote, "--help"], timeout=_HELP_SECONDS)
    text = (done.stdout + done.stderr).decode(errors="replace")
    if "use_xnnpack" in text:
        return Flavour.CLASSIC
    if "use_cpu" in text and "graph" in text:
        return Flavour.LITERT
    words = " / ".join(text.strip().splitlines()[-2:]) or f"exit code {done.exit_code}, no output"
    raise DeviceError(
        f"{device.name}: the file given as benchmark_model does not run as one ({words}); "
        "is it built for this device's platform?"
    )


def _binary(device: Device, request: LaunchRequest) -> Path:
    if request.benchmark_binary is not None:
        if not request.benchmark_binary.is_file():
            raise DeviceError(f"there is no file {request.benchmark_binary} (--benchmark-binary)")
        request.benchmark_binary.chmod(request.benchmark_binary.stat().st_mode | 0o100)
        return request.benchmark_binary
    return official_binary(platform_of(device.info()))


def _pull_outputs(device: Device, remote: str, tensors: list[TensorInfo]) -> list[np.ndarray]:
    with TemporaryDirectory() as folder:
        local = Path(folder) / "outputs"
        device.pull(remote, local)
        content = local.read_bytes()
    outputs, offset = [], 0
    for tensor in tensors:
        count = math.prod(tensor.shape)
        size = count * np.dtype(tensor.dtype).itemsize
        if offset + size > len(content):
            raise DeviceError(
                f"{device.name}: {remote} holds {len(content)} bytes, fewer than the model's outputs"
            )
        outputs.append(np.frombuffer(content, tensor.dtype, count, offset).reshape(tensor.shape))
        offset += size
    return outputs


def _result(
    device: Device,
    request: LaunchRequest,
    log: BenchmarkLog,
    text: str,
    runner: str,
    applied: str | None,
    outputs: list[np.ndarray],
) -> LaunchResult:
    named = log.applied[0] if log.applied else None
    taken = log.delegated_nodes if log.delegated_nodes is not None else log.gpu.taken
    total = log.total_nodes
    if total is None and log.gpu.taken is not None and log.gpu.left is not None:
        total = log.gpu.taken + log.gpu.left
    full = (
        named.extent == "full"
        if named
        else (taken == total if taken is not None and total is not None else None)
    )
    rows = parse_op_table(text) if request.profile else []
    return LaunchResult(
        ok=True,
        error=None,
        delegate_asked=request.delegate,
        delegate_applied=applied,
        fully_delegated=False if applied == "cpu" else full,
        partitions=named.kernels if named and named.kernels else (log.partitions or (1 if full else None)),
        delegated_nodes=taken,
        total_nodes=total,
        init_us=log.init_us or 0.0,
        first_us=log.first_us or 0.0,
        # It prints no single runs: the launch has one figure.
        times_us=[log.avg_us] if log.avg_us is not None else [],
        unit=unit_of(device),
        peak_rss_kb=round((log.peak_mb or 0.0) * 1024),
        ops=[
            OpProfile(
                row.name or row.node_type,
                index,
                0 if row.inside_delegate else None,
                row.avg_ms * 1000,
                row.times_called,
            )
            for index, row in enumerate(rows)
        ],
        outputs=outputs,
        log=text,
        runner=runner,
        left=log.gpu.rejections,
    )
