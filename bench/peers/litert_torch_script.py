"""Job: litert-torch, from the PyTorch model to `model.tflite`. Runs in litert-torch's own environment."""

import sys
from pathlib import Path
from typing import Any

# Last on the path: this program's models and job code are needed, its packages must not hide the environment's own.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from bench.jobs import entry
from bench.jobs.models import FlatOutputs, fresh_args, load_model


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert; see `entry.main`."""
    import litert_torch  # pyright: ignore[reportMissingImports]

    loaded = load_model(job)
    with entry.Stopwatch() as watch:
        converted = litert_torch.convert(FlatOutputs(loaded.module).eval(), fresh_args(loaded))
        converted.export(str(Path(job["out"]) / "model.tflite"))
    return {"file": "model.tflite", **watch.figures()}


if __name__ == "__main__":
    entry.main(work)
