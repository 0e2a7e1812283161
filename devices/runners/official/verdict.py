"""Whether a log shows that the delegate that was asked for is the one that ran."""

from __future__ import annotations

from devices.runners.official.log import BenchmarkLog

_XNNPACK_CREATED = "Created TensorFlow Lite XNNPACK delegate for CPU"


def judge(log: BenchmarkLog, asked: str, exit_code: int) -> tuple[str | None, str | None]:
    """Which delegate ran, and what is wrong.

    Returns:
        The delegate that ran, ``None`` when nothing ran; and what is wrong, in the log's own words, ``None`` when
        nothing is.
    """
    if exit_code or not log.complete:
        said = "; ".join(dict.fromkeys([*log.fallbacks, *log.reasons]))
        code = f"signal {exit_code - 128}" if exit_code > 128 else f"exit code {exit_code}"
        # Nothing ran before a delegate was applied, and another one's being created is no application.
        applied = _delegate_in(log, asked) if any(entry.extent != "none" for entry in log.applied) else None
        return applied, said or f"benchmark_model ended with {code} and no results"
    ran = _delegate_in(log, asked) or "cpu"
    why = "; ".join([*log.fallbacks, *log.gpu.rejections])
    if ran != asked or (asked.startswith("gpu") and log.fallbacks):
        if not why and asked.startswith("gpu"):
            why = "the log does not say that a GPU delegate was applied"
        return ran, f"{asked} was asked for, {ran} ran" + (f": {why}" if why else "")
    return ran, None


def _delegate_in(log: BenchmarkLog, asked: str) -> str | None:
    """The delegate that the log shows at work; ``None`` when it shows none."""
    if log.applied_to("gpu") or log.has("(LITERT_CL)"):
        if log.has("Falling back to OpenGL"):
            return "gpu-opengl"
        return asked if asked.startswith("gpu-opencl") else "gpu-opencl"
    on_xnnpack = log.applied_to("xnnpack")
    if on_xnnpack is None:
        # The delegate that the runtime applies by itself is created and replaces nodes, and is never called applied.
        on_xnnpack = log.has("(TfLiteXNNPackDelegate)") or log.has(_XNNPACK_CREATED)
    if on_xnnpack:
        return asked if asked.startswith("xnnpack") else "xnnpack"
    return None
