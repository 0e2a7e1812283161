"""Running the embedded runner on a device and reading its report."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from devices.fairness import affinity_prefix
from devices.launches import HOST_GPU_DELEGATES, LaunchFailed, LaunchRequest, LaunchResult, OpProfile, unit_of
from devices.protocol import Device, RunResult
from devices.runners.delegation import read_gpu_delegation, refused_at_most
from devices.runners.embedded.build import build_runner, runner_hash
from devices.runners.embedded.litert import litert_library, litert_version, plugins_folder
from devices.runners.embedded.vulkan import vulkan_environment
from devices.runners.outputs import outputs_file, read_outputs
from devices.runners.repeating import run_launch
from devices.runners.tflite_io import TensorInfo, nodes_by_op

_ON_GPU = set(HOST_GPU_DELEGATES)
_WITHOUT_DELEGATE = {"cpu", "cpu-reference"}
# The kernel of an emulated machine takes a few thousand instructions for itself every four million. A small
# model's runs are timed together over this many seconds (of a thousand million instructions), so that all
# bear the same share.
_EMULATED_BATCH_SECONDS = 0.04
_DATA_DEPENDENT = "Failed to set custom allocation for output"


def runner_name() -> str:
    """Identifies what timed a model: the runner's source and the runtime's version."""
    return f"embedded {runner_hash()} (LiteRT {litert_version()})"


def launch_embedded(device: Device, request: LaunchRequest) -> LaunchResult:
    """One launch with the embedded runner.

    Raises:
        LaunchFailed: The launch came to nothing, or the delegate took no node.
        DeviceError: The device is not usable, or this machine lacks what the runner needs.
    """
    if device.emulated:
        # Instruction counts repeat, so a number of runs is enough; seconds there are instructions, too.
        request = replace(request, warmup_seconds=0.0, min_seconds=0.0)
    with outputs_file(device, request) as remote_outputs:
        done = _run(device, request, remote_outputs)
        log = done.stderr.decode(errors="replace")
        report = _read_report(done, log, request)
        tensors = [
            TensorInfo(entry["name"], entry["dtype"], tuple(entry["shape"])) for entry in report["outputs"]
        ]
        outputs = read_outputs(device, remote_outputs, tensors) if remote_outputs else []
    if request.delegate in _ON_GPU:
        report |= _gpu_counts(report, log, request.model)
    result = _result(device, request, report, outputs, log)
    if request.delegate not in _WITHOUT_DELEGATE and not result.delegated_nodes:
        raise LaunchFailed(
            f"{request.delegate} took none of the model's {result.total_nodes} nodes, so they ran on the cpu",
            runner=runner_name(),
            log=log,
            applied="cpu",
            delegated_nodes=0,
            total_nodes=result.total_nodes,
            left=result.left,
            refused_at_most=result.refused_at_most,
        )
    return result


def _run(device: Device, request: LaunchRequest, remote_outputs: str) -> RunResult:
    info = device.info()
    library = litert_library(info.abi)
    on_gpu = request.delegate in _ON_GPU
    argv = [
        *affinity_prefix(info, request.cores),
        device.push(build_runner(info.abi)),
        # On this machine the library is used where it is installed: it looks for the GPU accelerator beside itself.
        f"--library={library if info.kind == 'host' else device.push(library)}",
        f"--plugins={plugins_folder() if on_gpu else ''}",
        f"--model={device.push(request.model)}",
        f"--delegate={request.delegate}",
        f"--threads={request.threads}",
        f"--warmup-runs={request.warmup_runs}",
        f"--warmup-seconds={request.warmup_seconds}",
        f"--runs={request.num_runs}",
        f"--min-seconds={request.min_seconds}",
        f"--max-seconds={request.max_seconds}",
        f"--batch-seconds={_EMULATED_BATCH_SECONDS if device.emulated else 0}",
        f"--clock={'cpu' if device.emulated else 'wall'}",
        f"--profile={'yes' if request.profile else 'no'}",
        f"--outputs={remote_outputs}",
        *(f"--input={device.push(path)}" for path in request.inputs),
    ]
    environment = vulkan_environment() if on_gpu else {}
    return run_launch(device, argv, timeout=request.timeout, env=environment)


def _read_report(done: RunResult, log: str, request: LaunchRequest) -> dict[str, Any]:
    """The runner's document; ``LaunchFailed`` with the reason when there is none."""
    if done.timed_out:
        raise LaunchFailed(
            f"ended after {request.timeout:g} s, its time limit", runner=runner_name(), log=log
        )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {}
    if done.exit_code == 0 and "times_us" in report:
        return report
    complaints = [line.partition(": ")[2] for line in log.splitlines() if line.startswith("ERROR: ")]
    if done.exit_code > 128:
        reason = f"the runner was ended by {_signal_name(done.exit_code - 128)}"
    else:
        reason = report.get("error") or f"the runner ended with exit code {done.exit_code} and no report"
        if not complaints and "error" not in report:
            complaints = log.splitlines()[-3:]
    if any(_DATA_DEPENDENT in line for line in complaints):
        reason = f"an output's shape depends on the data, which this runtime's API cannot return; {reason}"
    raise LaunchFailed("; ".join([reason, *dict.fromkeys(complaints)]), runner=runner_name(), log=log)


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def _gpu_counts(report: dict[str, Any], log: str, model: Path) -> dict[str, Any]:
    """The GPU delegate has no profiler to count its nodes with; it writes their number to the log, or takes all."""
    said = read_gpu_delegation(log)
    nothing_said = report["total_nodes"] if report["fully_delegated"] else 0
    return {
        "delegated_nodes": said.taken if said.taken is not None else nothing_said,
        "partitions": said.partitions,
        "left": said.rejections,
        "refused_at_most": refused_at_most(said.rejections, nodes_by_op(model)) if said.rejections else None,
    }


def _result(
    device: Device, request: LaunchRequest, report: dict[str, Any], outputs: list[np.ndarray], log: str
) -> LaunchResult:
    return LaunchResult(
        ok=True,
        error=None,
        delegate_asked=request.delegate,
        delegate_applied=request.delegate
        if report["delegated_nodes"] or request.delegate in _WITHOUT_DELEGATE
        else "cpu",
        fully_delegated=report["fully_delegated"],
        partitions=report["partitions"],
        delegated_nodes=report["delegated_nodes"],
        total_nodes=report["total_nodes"],
        init_us=report["init_us"],
        first_us=report["first_us"],
        times_us=report["times_us"],
        unit=unit_of(device),
        peak_rss_kb=report["peak_rss_kb"],
        ops=[
            OpProfile(
                name=row["name"],
                node=row["node"],
                partition=row["partition"] if row["partition"] >= 0 else None,
                time=row["us"],
                calls=row["calls"],
                delegated=row["partition"] >= 0,
            )
            for row in report.get("operators", [])
        ],
        outputs=outputs,
        log=log,
        runner=runner_name(),
        left=() if request.delegate in _WITHOUT_DELEGATE else tuple(dict.fromkeys(report["left"])),
        refused_at_most=report.get("refused_at_most"),
    )
