"""What GPU delegates take of models of the zoo and of some small ones.

`python -m tests.delegates.survey [NAME ...]` keeps it in `docs/records/gpu_models.json`, from which `python docs/gpu.py`
writes the page."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import models_zoo
import nobuco
from nobuco.delegates import DelegateCheck, State, check_delegates
from tests.delegates import models
from tests.delegates.webgpu import on_webgpu
from tests.tflite.golden import ZOO

RECORD = Path(__file__).parents[2] / "docs" / "records" / "gpu_models.json"


def surveyed(name: str, webgpu_seconds: float) -> dict[str, Any]:
    """A row a target: the forecast of each delegate, and what WebGPU here took."""
    if name in models.MODELS:
        module, args = models.MODELS[name]()
    else:
        loaded = models_zoo.load(models_zoo.ModelSpec(name))
        module, args = loaded.module, list(loaded.args)
    model = nobuco.pytorch_to_keras(module, args=args, full_validation=False, verbose=False)
    rows = {}
    for target in ("cpu", "gpu"):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "m.tflite"
            nobuco.export_tflite(model, file, target=target, validate=False)
            rows[target] = {check.delegate.name: _row(check) for check in check_delegates(file)}
            if webgpu_seconds:
                real = on_webgpu(file, timeout=webgpu_seconds)
                rows[target]["webgpu"] = {"nodes": real.nodes, "taken": real.taken, "error": real.error}
    return rows


def _row(check: DelegateCheck) -> dict[str, Any]:
    refused = [each for each in check.verdicts if each.state is not State.TAKEN]
    return {
        "nodes": len(check.verdicts),
        "on_gpu": check.on_gpu,
        "refused": len(refused),
        "why": sorted({f"{each.op.op}: {each.rule}" for each in refused}),
        "wrong": sum(danger.wrong for danger in check.dangers),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.delegates.survey", description=__doc__)
    parser.add_argument("names", nargs="*", help="models of the zoo, or small ones; a choice of both, else")
    parser.add_argument(
        "--webgpu", type=float, default=300.0, help="seconds for WebGPU to run a file; 0: do not"
    )
    asked = parser.parse_args()
    for name in asked.names or (*models.MODELS, *ZOO):
        record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
        record[name] = surveyed(name, asked.webgpu)
        print(name, record[name], flush=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
