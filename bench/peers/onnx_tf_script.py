"""Job: onnx-tf, from an ONNX file to `model.tflite` by way of a SavedModel. Runs in onnx-tf's own environment.

The job names `onnx`, the file to read.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

# Last on the path: this program's job code is needed, its packages must not hide the environment's own.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from bench.jobs import entry


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert; see `entry.main`."""
    import onnx
    import tensorflow as tf
    from onnx_tf.backend import prepare  # pyright: ignore[reportMissingImports]

    out = Path(job["out"])
    saved_model = out / "saved_model"
    with entry.Stopwatch() as watch:
        prepare(onnx.load(job["onnx"])).export_graph(str(saved_model))
        content = tf.lite.TFLiteConverter.from_saved_model(str(saved_model)).convert()
        (out / "model.tflite").write_bytes(content)
    shutil.rmtree(saved_model)
    return {"file": "model.tflite", **watch.figures()}


if __name__ == "__main__":
    entry.main(work)
