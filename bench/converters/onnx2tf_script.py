"""ONNX -> SavedModel -> TFLite with onnx-tf. Runs in onnx-tf's own environment: nothing of this package is
there.

Called as `python onnx_tf_script.py JOB.json`; the job names `onnx`, the file to read, and `out`, the folder
to write `model.tflite` and `result.json` into.
"""

import json
import os
import resource
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path


def end_with_parent():
    os.read(0, 1)  # unbuffered: a blocked reader of sys.stdin would abort the interpreter at its end
    os._exit(1)


def convert(job):
    import numpy as np
    import onnx2tf  # pyright: ignore[reportMissingImports]

    out = Path(job["out"])
    folder = out / "converted"
    # onnx2tf runs the graph on pictures while it converts, and downloads them unless the working folder
    # has a file of this name. Which pictures they are has no part in the result, so noise will do.
    os.chdir(out)
    pictures = out / "calibration_image_sample_data_20x128x128x3_float32.npy"
    np.save(pictures, np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32))
    wall, cpu = time.perf_counter(), time.process_time()
    onnx2tf.convert(
        input_onnx_file_path=job["onnx"],
        output_folder_path=str(folder),
        copy_onnx_input_output_names_to_tflite=True,
        non_verbose=True,
    )
    figures = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    (made,) = folder.glob("*_float32.tflite")
    pictures.unlink()
    made.rename(out / "model.tflite")
    shutil.rmtree(folder)
    return {"file": "model.tflite", **figures}


def main():
    threading.Thread(target=end_with_parent, daemon=True).start()
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        result = {"error": None, **convert(job)}
    except Exception as error:
        traceback.print_exc()
        text = " ".join(str(error).split())
        result = {"error": f"{type(error).__name__}: {text[:300]}"}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (Path(job["out"]) / "result.json").write_text(json.dumps({**result, "peak_rss_mb": peak}))


if __name__ == "__main__":
    main()
