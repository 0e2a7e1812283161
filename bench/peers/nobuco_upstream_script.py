"""Job: nobuco 0.17, from the PyTorch model to `model.tflite`. Runs in its own environment."""

import sys
from pathlib import Path
from typing import Any

# Last on the path: this program's models and job code are needed, its packages must not hide the environment's own.
sys.path.append(str(Path(__file__).resolve().parents[2]))

import models_zoo
from bench.jobs import entry
from bench.jobs.models import FlatOutputs, fresh_args, load_model

_ROOT = Path(__file__).resolve().parents[2]


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert, as its README does; see `entry.main`."""
    # Also where PYTHONPATH puts it first: this repository has a nobuco of its own.
    sys.path[:] = [*(place for place in sys.path if Path(place).resolve() != _ROOT), str(_ROOT)]
    models_zoo.import_torchvision()  # nobuco 0.17 imports it, and it may need mending first
    import tensorflow as tf

    import nobuco

    if Path(nobuco.__file__).parent == _ROOT / "nobuco":
        raise entry.JobFailed("nobuco 0.17 is not installed in its environment")
    loaded = load_model(job)
    model = FlatOutputs(loaded.module).eval() if job["n_outputs"] > 1 else loaded.module
    with entry.Stopwatch() as watch:
        keras_model = nobuco.pytorch_to_keras(
            model,
            args=list(fresh_args(loaded)),
            kwargs=None,
            inputs_channel_order=nobuco.ChannelOrder.TENSORFLOW,
            outputs_channel_order=nobuco.ChannelOrder.TENSORFLOW,
        )
        content = tf.lite.TFLiteConverter.from_keras_model(keras_model).convert()
        (Path(job["out"]) / "model.tflite").write_bytes(content)
    return {"file": "model.tflite", **watch.figures()}


if __name__ == "__main__":
    entry.main(work)
