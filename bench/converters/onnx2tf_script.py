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
    # Used for nothing but a look at the outputs. Without it, onnx2tf downloads a file of pictures.
    samples = out / "samples.npy"
    np.save(samples, np.zeros((1, 8, 8, 3), dtype=np.float32))
    wall, cpu = time.perf_counter(), time.process_time()
    onnx2tf.convert(
        input_onnx_file_path=job["onnx"],
        output_folder_path=str(folder),
        copy_onnx_input_output_names_to_tflite=True,
        test_data_nhwc_path=str(samples),
        non_verbose=True,
    )
    figures = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    (made,) = folder.glob("*_float32.tflite")
    samples.unlink()
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
