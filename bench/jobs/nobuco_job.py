"""Job: nobuco, from the PyTorch model to a validated `model.tflite`."""

from pathlib import Path
from typing import Any

from bench.jobs import entry
from bench.jobs.models import FlatOutputs, fresh_args, input_names, load_model
from bench.jobs.origins import write_origins


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert; see `entry.main`."""
    import nobuco
    from nobuco import ChannelOrder
    from nobuco.tflite import export_tflite

    convert = nobuco.pytorch_to_keras  # loads the library, which is no part of a conversion's seconds
    loaded = load_model(job)
    args = list(fresh_args(loaded))
    # A tuple's outputs are called output_0, output_1, ... in the file, in its order; a mapping's by its keys.
    flat = FlatOutputs(loaded.module).eval() if job["n_outputs"] > 1 else loaded.module
    with entry.Stopwatch() as watch:
        try:
            keras_model = convert(
                flat,
                args=args,
                input_names=input_names(loaded),
                inputs_channel_order=ChannelOrder.TENSORFLOW,
                outputs_channel_order=ChannelOrder.TENSORFLOW,
            )
        except nobuco.MissingConverterError as error:
            print(error)  # for the log: it holds the converters to fill in
            missing = {call.name: call.user_line for call in reversed(error.calls)}
            named = ", ".join(f"{name} ({line})" for name, line in reversed(missing.items()))
            raise entry.JobFailed(f"nobuco has no converter for {named}") from error
        exported = export_tflite(
            keras_model, Path(job["out"]) / "model.tflite", **job["aim"], **_precision(job["precision"], job)
        )
    write_origins(exported.info, flat, Path(job["out"]))
    return {"file": "model.tflite", **watch.figures()}


def _precision(name: str, job: dict[str, Any]) -> dict[str, Any]:
    """What `export_tflite` is told of it."""
    import numpy as np
    import torch

    told: dict[str, Any] = {"precision": name.removesuffix("-io"), "integer_io": name.endswith("-io")}
    if job["calibration"]:
        inputs = [torch.from_numpy(np.load(file)) for file in job["calibration"]]
        told["calibration"] = list(zip(*inputs, strict=True))
    return told


if __name__ == "__main__":
    entry.main(work)
