"""Job: the layers of a model that have several forms, each as files of its own."""

from typing import Any

from bench.jobs import entry
from bench.jobs.models import fresh_args, load_model


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert the model and write the files of its layers; see `entry.main`."""
    from pathlib import Path

    import nobuco
    from nobuco.tflite.forms import Aim
    from nobuco.tflite.trials import layer_trials

    loaded = load_model(job)
    keras_model = nobuco.pytorch_to_keras(loaded.module, args=list(fresh_args(loaded)), full_validation=False)
    trials = layer_trials(keras_model, Aim(optimize=job["optimize"]))
    return {
        "trials": [
            {
                "form": trial.form,
                "layer": trial.layer,
                "said": trial.said,
                "count": trial.count,
                **dict(
                    zip(
                        ("plain", "formed"),
                        (path.name for path in trial.write(Path(job["out"]), str(number))),
                        strict=True,
                    )
                ),
            }
            for number, trial in enumerate(trials)
        ]
    }


if __name__ == "__main__":
    entry.main(work)
