"""Records for tests, as short to write as a test needs them."""

from typing import Any

from reports.record import (
    Accuracy,
    Cell,
    Conversion,
    Delegation,
    Environment,
    LaunchRecord,
    Provenance,
    Timing,
)


def a_record(
    model: str = "net",
    converter: str = "nobuco",
    round_number: int = 0,
    times: tuple[float, ...] = (1000.0, 1100.0, 1200.0),
    error: float | None = 1e-6,
    failure: str | None = None,
    version: str = "1",
    **changes: Any,
) -> LaunchRecord:
    """A launch of `times` microseconds, with `error` against PyTorch (None: unchecked); or a `failure`."""
    fields: dict[str, Any] = {
        "started": "2026-01-01T00:00:00+00:00",
        "wall_seconds": 1.0,
        "cell": Cell(model=model, converter=converter, device="host", delegate="xnnpack", threads=1),
        "provenance": Provenance(
            weights="random",
            seed=0,
            converter_version=version,
            device_identity="d",
            file_sha256="f" + version,
        ),
        "round": round_number,
        "ok": failure is None,
        "error": failure,
        "timing": None if failure else Timing.of_runs("us", times),
        "accuracy": None
        if failure or error is None
        else Accuracy(max_error=error, per_output=(error,), tolerance=1e-3),
        "delegation": Delegation(
            asked="xnnpack", applied="xnnpack", partitions=1, delegated_nodes=7, total_nodes=7
        ),
        "conversion": Conversion(
            seconds=2.5, size_bytes=21_900_000, n_ops=7, transposes=0, ops={"CONV_2D": 7}
        ),
        "environment": Environment(python="3", platform="p", cpu="c", versions={}),
        "device_info": {"model": "board"},
    }
    return LaunchRecord(**{**fields, **changes})
