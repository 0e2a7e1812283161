"""Job: the ONNX file that some converters start from, `model.onnx`, written by PyTorch's older exporter.

The job's `opset` is the converter's.
"""

import warnings
from pathlib import Path
from typing import Any

import torch

from bench.jobs import entry
from bench.jobs.models import FlatOutputs, fresh_args, input_names, load_model, output_names


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Export; see `entry.main`."""
    loaded = load_model(job)
    with entry.Stopwatch() as watch, warnings.catch_warnings():
        # The exporter warns that it is the old one; it is the one whose files these converters were made for.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            FlatOutputs(loaded.module).eval(),
            fresh_args(loaded),
            str(Path(job["out"]) / "model.onnx"),
            opset_version=job["opset"],
            dynamo=False,
            input_names=input_names(loaded),
            output_names=output_names(job),
        )
    return {"file": "model.onnx", **watch.figures()}


if __name__ == "__main__":
    entry.main(work)
