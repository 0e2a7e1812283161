"""Running the embedded runner on a device and reading its report."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from devices.fairness import affinity_prefix
from devices.launches import LaunchRequest, LaunchResult, OpProfile, failed_launch, scratch_name, unit_of
from devices.protocol import Device, RunResult
from devices.runners.delegation import read_gpu_delegation
from devices.runners.embedded.build import build_runner, runner_hash
from devices.runners.embedded.litert import litert_library, litert_version, plugins_folder
from devices.runners.embedded.vulkan import vulkan_environment
from devices.runners.repeating import run_launch

_ON_GPU = {"gpu-webgpu"}
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
    """One launch with the embedded runner."""
    if device.emulated:
        # Instruction counts repeat, so a number of runs is enough; seconds there are instructions, too.
        request = replace(request, warmup_seconds=0.0, min_seconds=0.0)
    remote_outputs = f"{device.scratch}/{scratch_name(request, '.outputs')}" if request.want_outputs else ""
    try:
        done = _run(device, request, remote_outputs)
        log = done.stderr.decode(errors="replace")
        report, error = _read_report(done, log, request)
        if error:
            return failed_launch(device, request, error, log=log, runner=runner_name())
        outputs = _pull_outputs(device, remote_outputs, report["outputs"]) if remote_outputs else []
    finally:
        if remote_outputs:
            device.run(["rm", "-f", remote_outputs], timeout=30)
    if request.delegate in _ON_GPU:
        report |= _gpu_counts(report, log)
    result = _result(device, request, report, outputs, log)
    if request.delegate not in _WITHOUT_DELEGATE and not result.delegated_nodes:
        reason = (
            f"{request.delegate} took none of the model's {result.total_nodes} nodes, so they ran on the cpu"
        )
        return failed_launch(device, request, reason, log=log, runner=runner_name(), applied="cpu")
    return result


def _run(device: Device, request: LaunchRequest, remote_outputs: str) -> RunResult:
    info = device.info()
    library = litert_library(info.abi)
    on_gpu = request.delegate in _ON_GPU
    argv = [
        *affinity_prefix(info, request.cores),
        device.push(build_runner(info.abi)),
        # On this machine the library stays where its wheel lies: the GPU accelerator is looked for beside it.
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


def _read_report(done: RunResult, log: str, request: LaunchRequest) -> tuple[dict[str, Any], str | None]:
    """The runner's document, or the reason why there is none."""
    if done.timed_out:
        return {}, f"ended after {request.timeout:g} s, its time limit"
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {}
    if done.exit_code == 0 and "times_us" in report:
        return report, None
    complaints = [line.partition(": ")[2] for line in log.splitlines() if line.startswith("ERROR: ")]
    if done.exit_code > 128:
        reason = f"the runner was ended by {_signal_name(done.exit_code - 128)}"
    else:
        reason = report.get("error") or f"the runner ended with exit code {done.exit_code} and no report"
        if not complaints and "error" not in report:
            complaints = log.splitlines()[-3:]
    if any(_DATA_DEPENDENT in line for line in complaints):
        reason = f"an output's shape depends on the data, which this runtime's API cannot return; {reason}"
    return {}, "; ".join([reason, *dict.fromkeys(complaints)])


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def _pull_outputs(device: Device, remote: str, tensors: list[dict[str, Any]]) -> list[np.ndarray]:
    """The outputs, which lie in one file one after the other."""
    with TemporaryDirectory() as folder:
        local = Path(folder) / "outputs"
        device.pull(remote, local)
        content = local.read_bytes()
    outputs, offset = [], 0
    for tensor in tensors:
        dtype, shape = np.dtype(tensor["dtype"]).newbyteorder("<"), tuple(tensor["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        outputs.append(np.frombuffer(content, dtype, count, offset).reshape(shape).astype(tensor["dtype"]))
        offset += count * dtype.itemsize
    return outputs


def _gpu_counts(report: dict[str, Any], log: str) -> dict[str, Any]:
    """The GPU's delegate has no profiler to count its nodes with; it writes them to the log, or takes them all."""
    said = read_gpu_delegation(log)
    nothing_said = report["total_nodes"] if report["fully_delegated"] else 0
    taken = said.taken if said.taken is not None else nothing_said
    return {"delegated_nodes": taken, "partitions": said.partitions, "left": said.rejections}


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
            )
            for row in report.get("operators", [])
        ],
        outputs=outputs,
        log=log,
        runner=runner_name(),
        left=() if request.delegate in _WITHOUT_DELEGATE else tuple(dict.fromkeys(report["left"])),
    )
