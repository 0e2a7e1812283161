"""Reading what `benchmark_model` prints.

Both flavours, older and newer builds, with the prefixes of the logger and of logcat. Figures are
microseconds here, whatever the line's unit. A missing line leaves its field empty; nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from devices.runners.delegation import GpuDelegation, read_gpu_delegation

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)"
# "05-22 11:37:29.123  1234  1239 I tflite  : " and "I/tflite  ( 1234): "
_LOGCAT = re.compile(
    r"^(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d+ +\d+ +\d+ [VDIWEF] [^:]*: |[VDIWEF]/[^(]*\( *\d+\): )"
)
_LEVEL = re.compile(r"^(VERBOSE|INFO|WARNING|WARN|ERROR|FATAL): ")
_STATISTICS = re.compile(r"^count=(\d+)(.*)$")
_FIELD = re.compile(rf"(\w+)=({_NUMBER})")
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: ({_NUMBER}), First inference: ({_NUMBER}), "
    rf"Warmup \(avg\): ({_NUMBER}), Inference \(avg\): ({_NUMBER})"
)
_RESULT = re.compile(
    rf"^\s*(Model initialization|Warmup \((?:first|avg)\)|Inference "
    rf"\((?:avg|min|max|std)\)):\s*({_NUMBER}) ms"
    r"(?: \((\d+) runs\))?"
)
_APPLIED = re.compile(
    r"(?:Explicitly applied|Though) (?P<name>.+?) delegate(?: is explicitly applied)?, (?:and )?"
    r"the model graph will (?P<extent>be completely|be partially|not be) executed by the delegate"
    r"(?: w/ (?P<kernels>\d+) delegate kernels)?"
)
_REPLACED = re.compile(
    r"Replacing (?P<taken>\d+) out of (?P<total>\d+) node\(s\) with delegate \((?P<name>[^)]*)\) node"
    r"(?:, yielding (?P<partitions>\d+) partitions)?"
)
_PEAK = re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: ({_NUMBER})")
_OVERALL = re.compile(
    rf"Memory footprint delta from the start of the tool \(MB\): init=({_NUMBER}) overall=({_NUMBER})"
)
_FALLBACKS = (
    "GPU acceleration is unsupported on this platform",
    "Falling back to OpenGL",
    "Disallowed CPU fallback detected",
    "the model graph will not be executed by the delegate",
)
# Older builds print failures without a level.
_FAILURES = ("Failed to apply", "Failed to load model", "Failed to allocate tensors", "Benchmarking failed")
# A warning that is the whole reason why a delegate was not applied: the errors after it say nothing.
_DECISIVE_WARNINGS = ("Attempting to use a delegate that only supports static-sized tensors",)
# What follows upon any failure, and does not say why.
_CONSEQUENCES = re.compile(
    r"TfLiteGpuDelegate Prepare(?: \(async\))?: delegate is not initialized"
    r"|Node number \d+ \(.*\) failed to prepare"
    r"|Restored original execution plan after delegate application failure"
    r"|Failed to apply .* delegate"
    r"|Wrong input value file item specified"
    r"|Benchmarking failed"
    r"|^\d+$"
)


@dataclass(frozen=True)
class Statistics:
    """One ``count=`` line; fields that it lacks are ``None``."""

    count: int
    first: float | None = None
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    std: float | None = None
    median: float | None = None
    p5: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class Applied:
    """A delegate that the log names."""

    name: str
    extent: str
    """``full``, ``partial`` or ``none``."""
    kernels: int | None = None
    """Parts of the graph that it took."""


@dataclass(frozen=True)
class BenchmarkLog:
    """What a log says."""

    init_us: float | None = None
    first_us: float | None = None
    avg_us: float | None = None
    warmup: Statistics | None = None
    timed: Statistics | None = None
    peak_mb: float | None = None
    applied: tuple[Applied, ...] = ()
    gpu: GpuDelegation = field(default_factory=lambda: GpuDelegation(None, None, 0, ()))
    total_nodes: int | None = None
    delegated_nodes: int | None = None
    partitions: int | None = None
    fallbacks: tuple[str, ...] = ()
    """Lines that say that something else ran than was asked for."""
    reasons: tuple[str, ...] = ()
    """Why it failed, as far as the log says: its errors without those that merely follow upon others, unless there are
    no others. Empty where nothing failed."""
    broken_off: bool = False
    """The program itself says that it did not come to its end."""
    unknown_flags: str | None = None
    text: str = field(default="", repr=False)

    def has(self, words: str) -> bool:
        """Whether some line contains ``words``."""
        return words in self.text

    @property
    def complete(self) -> bool:
        """Whether the benchmark came to its end."""
        return self.avg_us is not None and not self.broken_off

    def applied_to(self, name: str) -> bool | None:
        """Whether the delegate whose name contains ``name`` took any node; ``None`` where the log does not say."""
        entries = [entry for entry in self.applied if name in entry.name.lower()]
        return any(entry.extent != "none" for entry in entries) if entries else None


def clean_line(line: str) -> tuple[str, str]:
    """A line without logcat's prefix: its level (empty when it has none) and its text."""
    line = _LOGCAT.sub("", line.rstrip("\r\n"))
    level = _LEVEL.match(line)
    return (level[1], line[level.end() :]) if level else ("", line)


def parse_statistics(line: str) -> Statistics | None:
    """``count=5 first=.. curr=.. min=.. ..``; also ``count=0`` and ``count=3 curr=7(all same)``."""
    found = _STATISTICS.match(line)
    if not found:
        return None
    values = {name: float(text) for name, text in _FIELD.findall(found[2])}
    if "all same" in found[2]:
        same = values.get("curr")
        return Statistics(
            int(found[1]), first=same, avg=same, min=same, max=same, std=0.0, median=same, p5=same, p95=same
        )
    return Statistics(
        int(found[1]), **{name: values[name] for name in values.keys() & Statistics.__annotations__.keys()}
    )


def parse_log(text: str) -> BenchmarkLog:
    """Read what was printed on stdout and stderr, one after the other or mixed."""
    lines = [clean_line(line) for line in text.splitlines()]
    plain = "\n".join(line for _, line in lines)
    statistics = [stats for _, line in lines if (stats := parse_statistics(line))]
    results = {found[1]: found for _, line in lines if (found := _RESULT.match(line))}
    timings = _TIMINGS.search(plain)
    ended = bool(timings or "Inference (avg)" in results)
    # A single line of statistics is the warm-up's when the run broke off, and the run's when there was no
    # warm-up.
    timed = statistics[-1] if statistics and (ended or len(statistics) > 1) else None
    warmup = statistics[0] if len(statistics) > 1 or (statistics and timed is None) else None
    replaced = list(_REPLACED.finditer(plain))
    peak = _PEAK.search(plain)
    overall = _OVERALL.search(plain)
    unknown = re.search(r"Unconsumed cmdline flags: (.*)", plain)
    return BenchmarkLog(
        init_us=float(timings[1]) if timings else _result_us(results, "Model initialization"),
        first_us=_first_us(timings, results, warmup or timed),
        avg_us=_average_us(timings, results, timed),
        warmup=warmup,
        timed=timed or _result_statistics(results),
        peak_mb=float(peak[1]) if peak else float(overall[2]) if overall else None,
        applied=tuple(_applied(found) for found in _APPLIED.finditer(plain)),
        gpu=read_gpu_delegation(plain),
        total_nodes=int(replaced[0]["total"]) if replaced else None,
        delegated_nodes=int(replaced[0]["taken"]) if replaced else None,
        partitions=_partitions(replaced),
        fallbacks=tuple(line.strip() for _, line in lines if any(words in line for words in _FALLBACKS)),
        reasons=_reasons(lines),
        broken_off="Benchmarking failed" in plain,
        unknown_flags=unknown[1].strip() if unknown else None,
        text=plain,
    )


def _partitions(replaced: list[re.Match[str]]) -> int | None:
    """Parts of the graph that the delegate took. The line counts the parts left to the processor, too, so it is of use
    only where there are none."""
    whole = replaced and replaced[0]["partitions"] == "1" and replaced[0]["taken"] == replaced[0]["total"]
    return 1 if whole else None


def _applied(found: re.Match[str]) -> Applied:
    extent = {"be completely": "full", "be partially": "partial", "not be": "none"}[found["extent"]]
    return Applied(found["name"], extent, int(found["kernels"]) if found["kernels"] else None)


def _reasons(lines: list[tuple[str, str]]) -> tuple[str, ...]:
    found = [line.strip() for level, line in lines if _is_failure(level, line)]
    causes = [line for line in found if not _CONSEQUENCES.search(line)]
    return tuple(dict.fromkeys(causes or found))


def _is_failure(level: str, line: str) -> bool:
    # Two lines are logged as errors and are none: the head of the list of operations that a GPU leaves to the CPU, and
    # the word on OpenGL, which is among the fallbacks.
    if "operations are not supported" in line or any(words in line for words in _FALLBACKS):
        return False
    return (
        level in {"ERROR", "FATAL"}
        or any(words in line for words in _FAILURES)
        or any(words in line for words in _DECISIVE_WARNINGS)
    )


def _result_us(results: dict[str, re.Match[str]], name: str) -> float | None:
    return float(results[name][2]) * 1000 if name in results else None


def _result_statistics(results: dict[str, re.Match[str]]) -> Statistics | None:
    average = results.get("Inference (avg)")
    if average is None:
        return None
    parts = {part: _result_us(results, f"Inference ({part})") for part in ("avg", "min", "max", "std")}
    return Statistics(int(average[3] or 0), **parts)


def _first_us(
    timings: re.Match[str] | None, results: dict[str, re.Match[str]], earliest: Statistics | None
) -> float | None:
    if timings:
        return float(timings[2])
    found = _result_us(results, "Warmup (first)")
    return found if found is not None else earliest.first if earliest else None


def _average_us(
    timings: re.Match[str] | None, results: dict[str, re.Match[str]], timed: Statistics | None
) -> float | None:
    # The count= line has more digits than the result block, which is in milliseconds with two decimals.
    if timed is not None and timed.avg is not None:
        return timed.avg
    return float(timings[4]) if timings else _result_us(results, "Inference (avg)")
