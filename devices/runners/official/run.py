"""Launches with the official `benchmark_model`.

A profile is taken in a launch of its own: with the profiler on, a GPU delegate enqueues operators many times over, so
that launch's outputs and times are wrong. Neither is ever taken from it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from devices.cache import sha256_of
from devices.errors import DeviceError
from devices.fairness import affinity_prefix
from devices.launches import LaunchFailed, LaunchRequest, LaunchResult, OpProfile, unit_of
from devices.protocol import Device
from devices.runners.delegation import refused_at_most
from devices.runners.official.download import official_binary, platform_of
from devices.runners.official.flags import Flavour, flags_for
from devices.runners.official.log import BenchmarkLog, parse_log
from devices.runners.official.op_tables import OpRow, parse_op_table
from devices.runners.official.verdict import judge
from devices.runners.outputs import outputs_file, read_outputs
from devices.runners.repeating import run_launch
from devices.runners.tflite_io import TensorInfo, model_tensors, nodes_by_op

_HELP_SECONDS = 60.0
_PROFILE_HEADING = "\n===== profiled in a launch of its own =====\n"


@dataclass(frozen=True)
class _Tool:
    """The binary as it lies on the device."""

    remote: str
    flavour: Flavour
    name: str


def launch_official(device: Device, request: LaunchRequest) -> LaunchResult:
    """One launch with the binary that the request names, or the published one; one more where a profile is wanted.

    Raises:
        LaunchFailed: The launch came to nothing, or something else ran than was asked for.
        DeviceError: The device or the binary is not usable.
    """
    tool = _prepare(device, request)
    inputs_info, outputs_info, nodes = _read_model(request, tool)
    inputs = _push_inputs(device, request, tool, inputs_info)
    with outputs_file(device, request) as remote_outputs:
        text, exit_code = _run(device, replace(request, profile=False), tool, inputs, remote_outputs)
        log = parse_log(text)
        applied, problem = judge(log, request.delegate, exit_code)
        if problem is not None:
            raise LaunchFailed(
                problem,
                runner=tool.name,
                log=text,
                applied=applied,
                delegated_nodes=log.gpu.taken,
                total_nodes=sum(nodes.values()),
                left=log.gpu.rejections,
                refused_at_most=refused_at_most(log.gpu.rejections, nodes),
            )
        outputs = read_outputs(device, remote_outputs, outputs_info) if remote_outputs else []
    result = _result(device, request, log, tool, applied, nodes)
    result = replace(result, outputs=outputs, log=text)
    return _with_profile(device, request, tool, inputs, result) if request.profile else result


def read_flavour(device: Device, remote: str) -> Flavour:
    """Tell the two programs apart by their help text.

    Raises:
        DeviceError: It is neither of them.
    """
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


def _prepare(device: Device, request: LaunchRequest) -> _Tool:
    binary = _binary(device, request)
    remote = device.push(binary)
    flavour = read_flavour(device, remote)
    return _Tool(remote, flavour, f"benchmark_model {flavour.value} {sha256_of(binary)[:12]}")


def _binary(device: Device, request: LaunchRequest) -> Path:
    if request.benchmark_binary is None:
        return official_binary(platform_of(device.info()))
    if not request.benchmark_binary.is_file():
        raise DeviceError(f"there is no file {request.benchmark_binary} (--benchmark-binary)")
    request.benchmark_binary.chmod(request.benchmark_binary.stat().st_mode | 0o100)
    return request.benchmark_binary


def _read_model(
    request: LaunchRequest, tool: _Tool
) -> tuple[list[TensorInfo], list[TensorInfo], Counter[str]]:
    """The model's inputs and outputs, as far as the launch needs them, and its nodes by op."""
    try:
        nodes = nodes_by_op(request.model)
        if not request.inputs and not request.want_outputs:
            return [], [], nodes
        return *model_tensors(request.model), nodes
    except DeviceError as error:
        raise LaunchFailed(str(error), runner=tool.name) from error


def _push_inputs(
    device: Device, request: LaunchRequest, tool: _Tool, tensors: list[TensorInfo]
) -> list[tuple[TensorInfo, str]]:
    if tool.flavour is Flavour.LITERT and (request.inputs or request.want_outputs):
        raise LaunchFailed(
            "LiteRT's own benchmark_model takes no inputs and gives no outputs, so its work cannot be checked; "
            "use the classic one",
            runner=tool.name,
        )
    if not request.inputs:
        return []
    if len(request.inputs) != len(tensors):
        raise LaunchFailed(
            f"{len(request.inputs)} input files were given, the model has {len(tensors)} inputs",
            runner=tool.name,
        )
    return [(info, device.push(path)) for info, path in zip(tensors, request.inputs, strict=True)]


def _run(
    device: Device,
    request: LaunchRequest,
    tool: _Tool,
    inputs: list[tuple[TensorInfo, str]],
    remote_outputs: str,
) -> tuple[str, int]:
    """What it printed, on both streams, and its exit code."""
    flags = flags_for(tool.flavour, request, device.push(request.model), inputs, remote_outputs)
    if isinstance(flags, str):
        raise LaunchFailed(flags, runner=tool.name)
    command = [*affinity_prefix(device.info(), request.cores), tool.remote, *flags]
    done = run_launch(device, command, timeout=request.timeout)
    text = (done.stdout + b"\n" + done.stderr).decode(errors="replace")
    if done.timed_out:
        raise LaunchFailed(f"ended after {request.timeout:g} s, its time limit", runner=tool.name, log=text)
    return text, done.exit_code


def _result(
    device: Device,
    request: LaunchRequest,
    log: BenchmarkLog,
    tool: _Tool,
    applied: str | None,
    nodes: Counter[str],
) -> LaunchResult:
    total = sum(nodes.values())
    named = log.applied[0] if log.applied else None
    taken = log.delegated_nodes if log.delegated_nodes is not None else log.gpu.taken
    if applied == "cpu":
        taken, full, partitions = 0, False, 0
    elif named is not None:
        full, partitions = named.extent == "full", named.kernels
    else:
        full, partitions = (None if taken is None else taken == total), None
    if full:
        # A release build prints no counts here, and none are needed.
        taken, partitions = total, partitions or 1
    return LaunchResult(
        ok=True,
        error=None,
        delegate_asked=request.delegate,
        delegate_applied=applied,
        fully_delegated=full,
        partitions=partitions if partitions is not None else log.partitions,
        delegated_nodes=taken,
        total_nodes=total,
        init_us=log.init_us or 0.0,
        first_us=log.first_us or 0.0,
        # It prints no single runs: the launch has one figure.
        times_us=[log.avg_us] if log.avg_us is not None else [],
        unit=unit_of(device),
        peak_rss_kb=round((log.peak_mb or 0.0) * 1024),
        ops=[],
        outputs=[],
        log="",
        runner=tool.name,
        left=log.gpu.rejections,
        refused_at_most=refused_at_most(log.gpu.rejections, nodes),
    )


def _with_profile(
    device: Device,
    request: LaunchRequest,
    tool: _Tool,
    inputs: list[tuple[TensorInfo, str]],
    result: LaunchResult,
) -> LaunchResult:
    """``result`` with the table of a second launch, or with the reason why that gave none."""
    try:
        text, exit_code = _run(device, request, tool, inputs, "")
        _, problem = judge(parse_log(text), request.delegate, exit_code)
    except LaunchFailed as failure:
        text, problem = failure.log, str(failure)
    rows = parse_op_table(text)
    if problem is None and not rows:
        problem = "the profiled launch printed no table of operators"
    log = result.log + _PROFILE_HEADING + text
    if problem is not None:
        return replace(result, log=log, profile_error=problem)
    return _with_nodes_left(replace(result, log=log, ops=_op_profiles(rows)), rows)


def _with_nodes_left(result: LaunchResult, rows: list[OpRow]) -> LaunchResult:
    """A release build of the program prints no counts for XNNPACK, so the nodes outside it are counted in the table."""
    if result.delegated_nodes is not None or result.total_nodes is None:
        return result
    outside = [row for row in rows if not row.inside_delegate and not row.is_delegate_kernel]
    kinds = tuple(dict.fromkeys(row.node_type.partition("/")[0] for row in outside))
    return replace(
        result, delegated_nodes=max(0, result.total_nodes - len(outside)), left=result.left or kinds
    )


def _op_profiles(rows: list[OpRow]) -> list[OpProfile]:
    """Operators of both sides. A delegate's kernel is left out where the table has the nodes inside, whose sum it is."""
    has_inside = any(row.inside_delegate for row in rows)
    return [
        OpProfile(
            name=row.node_type,
            node=row.index,
            partition=None,
            time=row.avg_ms * 1000 * max(row.times_called, 1),
            calls=row.times_called,
            delegated=row.inside_delegate or row.is_delegate_kernel,
        )
        for row in rows
        if not (has_inside and row.is_delegate_kernel)
    ]
