"""Job: onnx2tf, from an ONNX file to `model.tflite`. Runs in onnx2tf's own environment.

The job names `onnx`, the file to read.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

# Last on the path: this program's job code is needed, its packages must not hide the environment's own.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from bench.jobs import entry


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert; see `entry.main`."""
    import numpy as np
    import onnx2tf  # pyright: ignore[reportMissingImports]

    out = Path(job["out"])
    folder = out / "converted"
    # onnx2tf runs the graph on pictures while it converts, and downloads them unless the working folder
    # has a file of this name. The pictures do not affect the result, so noise will do.
    os.chdir(out)
    pictures = out / "calibration_image_sample_data_20x128x128x3_float32.npy"
    np.save(pictures, np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32))
    with entry.Stopwatch() as watch:
        onnx2tf.convert(
            input_onnx_file_path=job["onnx"],
            output_folder_path=str(folder),
            copy_onnx_input_output_names_to_tflite=True,
            non_verbose=True,
        )
    (made,) = folder.glob("*_float32.tflite")
    pictures.unlink()
    made.rename(out / "model.tflite")
    shutil.rmtree(folder)
    return {"file": "model.tflite", **watch.figures()}


if __name__ == "__main__":
    entry.main(work)
