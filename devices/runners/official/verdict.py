"""Whether a log shows that the delegate that was asked for is the one that ran."""

from __future__ import annotations

from devices.runners.official.flags import Flavour
from devices.runners.official.log import BenchmarkLog

_XNNPACK_MADE = "Created TensorFlow Lite XNNPACK delegate for CPU"


def judge(log: BenchmarkLog, asked: str, flavour: Flavour, exit_code: int) -> tuple[str | None, str | None]:
    """The delegate applied, and what is wrong, in the log's own words; ``None`` when nothing is."""
    applied = _applied(log, asked)
    if exit_code or not log.complete:
        said = "; ".join([*log.fallbacks, *log.errors])
        code = f"signal {exit_code - 128}" if exit_code > 128 else f"exit code {exit_code}"
        return applied, said or f"benchmark_model ended with {code} and no results"
    if asked.startswith("gpu"):
        if log.fallbacks:
            return applied, f"{asked} was asked for, {applied} ran: {'; '.join(log.fallbacks)}"
        if applied != asked:
            return applied, f"{asked} was asked for, and the log does not say that a GPU delegate was applied"
        return applied, None
    if applied != asked:
        reason = f"{asked} was asked for, {applied or 'something unknown'} ran"
        return applied, reason + (f": {'; '.join(log.fallbacks)}" if log.fallbacks else "")
    return applied, None


def _applied(log: BenchmarkLog, asked: str) -> str:
    """Which delegate the log shows."""
    on_gpu = any("gpu" in entry.name.lower() and entry.extent != "none" for entry in log.applied)
    on_gpu = on_gpu or log.has("(LITERT_CL)")
    if on_gpu:
        if log.has("Falling back to OpenGL"):
            return "gpu-opengl"
        return asked if asked.startswith("gpu-opencl") else "gpu-opencl"
    if any("xnnpack" in entry.name.lower() and entry.extent != "none" for entry in log.applied) or (
        log.has(_XNNPACK_MADE) or log.has("(TfLiteXNNPackDelegate)")
    ):
        return asked if asked.startswith("xnnpack") else "xnnpack"
    return "cpu"
