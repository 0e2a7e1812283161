"""Job: onnx2tf, from an ONNX file to `model.tflite`. Runs in onnx2tf's own environment.

The job names `onnx`, the file to read, and the `precision`. Files of fewer bits come from the options that its README
describes: -odrqt, and -oiqt with -cind for the samples, which it takes in TensorFlow's order of axes.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

# Last on the path: this program's job code is needed, its packages must not hide the environment's own.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from bench.jobs import entry
from bench.jobs.mapping import channels_last

# Which of the files that it leaves is meant, and the option that has it leave them.
_FILES: dict[str, tuple[str, dict[str, bool]]] = {
    "fp32": ("float32", {}),
    "fp16": ("float16", {}),
    "int8-dynamic": ("dynamic_range_quant", {"output_dynamic_range_quantized_tflite": True}),
    "int8": ("integer_quant", {"output_integer_quantized_tflite": True}),
    "int8-io": ("full_integer_quant", {"output_integer_quantized_tflite": True}),
    "int16x8": ("integer_quant_with_int16_act", {"output_integer_quantized_tflite": True}),
}


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
    kind, options = _FILES[job["precision"]]
    samples = [_for_calibration(Path(file), i, out) for i, file in enumerate(job["calibration"])]
    if "output_integer_quantized_tflite" in options:
        options = {**options, "custom_input_op_name_np_data_path": samples}
    with entry.Stopwatch() as watch:
        onnx2tf.convert(
            input_onnx_file_path=job["onnx"],
            output_folder_path=str(folder),
            copy_onnx_input_output_names_to_tflite=True,
            # Both are options that it asks for by name where it fails without: for nodes whose names begin with a slash, and
            # for Erf, which it leaves to a runtime with TensorFlow's ops otherwise.
            output_signaturedefs=True,
            replace_to_pseudo_operators=["erf"],
            non_verbose=True,
            **options,
        )
    # "full_integer_quant" ends as "integer_quant" does
    made = min(folder.glob(f"*_{kind}.tflite"), key=lambda file: len(file.name), default=None)
    if made is None:
        raise entry.JobFailed(f"onnx2tf left no {kind} file, and its log says why")
    pictures.unlink()
    for _, file, *_ in samples:
        Path(file).unlink()
    made.rename(out / "model.tflite")
    shutil.rmtree(folder)
    return {"file": "model.tflite", **watch.figures()}


def _for_calibration(file: Path, place: int, out: Path) -> list[Any]:
    """The name of an input, its samples in a file, and what is taken from and divides them: nothing, and one."""
    import numpy as np

    array = np.load(file)
    array = array.reshape(-1, *array.shape[2:])
    laid_out = out / f"calibration_{place}.npy"
    np.save(laid_out, np.ascontiguousarray(array.transpose(channels_last(array.ndim))))
    return [f"input_{place}", str(laid_out), 0.0, 1.0]


if __name__ == "__main__":
    entry.main(work)
