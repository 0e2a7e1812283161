"""Job: inputs to find the ranges of activations from, and others, with PyTorch's answers, to compare files on.

Only files of other precisions than float32 need them: the same for all converters. Leaves an array (samples, ...) for each
input, `calibration_<i>.npy` and `check_<i>.npy`, and for each output `answer_<j>.npy`. The images of a folder, if the
model's part of the job names one (`samples`); else images of the kind that the model is measured with, and the inputs of a
user's own model shuffled. Of a model that takes whole numbers alone no others are known: it is compared on its own inputs,
and there is nothing to find ranges from (`uncalibrated`).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.errors import BenchError
from bench.jobs import entry
from bench.jobs.image_files import CALIBRATION, CHECK, chosen_images, parted
from bench.jobs.image_samples import image_samples
from bench.jobs.models import flatten, load_model, shuffled
from models_zoo import LoadedModel

_FIRST = 10_000  # numbers of further inputs begin so far above those that devices are given


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Make the samples; see `entry.main`."""
    out = Path(job["out"])
    loaded = load_model(job)
    uncalibrated = None
    if folder := job["model"]["samples"]:
        calibration, check = _images(loaded, Path(folder))
    elif not any(arg.is_floating_point() for arg in loaded.args):
        calibration, check = [], [loaded.args]
        uncalibrated = "the model takes whole numbers, and which ones it takes is not known"
    else:
        calibration = [_inputs(loaded, number) for number in range(CALIBRATION)]
        check = [_inputs(loaded, CALIBRATION + number) for number in range(CHECK)]
    answers = []
    with torch.no_grad():
        for inputs in check:
            answers.append(flatten(loaded.module(*(each.clone() for each in inputs))))
    if len({tuple(tuple(each.shape) for each in answer) for answer in answers}) > 1:
        raise entry.JobFailed(
            "other inputs give outputs of other shapes: there is nothing to compare a file on"
        )
    return {
        "calibration": _saved(calibration, out, "calibration"),
        "check": _saved(check, out, "check"),
        "answer": _saved(answers, out, "answer"),
        "uncalibrated": uncalibrated,
    }


def _images(loaded: LoadedModel, folder: Path) -> list[list[tuple[torch.Tensor, ...]]]:
    try:
        parts = parted(chosen_images(folder))
    except BenchError as error:
        raise entry.JobFailed(str(error)) from error
    return [image_samples(loaded, part) for part in parts]


def _inputs(loaded: LoadedModel, number: int) -> tuple[torch.Tensor, ...]:
    further = loaded.further_args(_FIRST + number)
    return further or tuple(shuffled(arg, loaded.seed + _FIRST + number) for arg in loaded.args)


def _saved(samples: list[Any], out: Path, kind: str) -> list[str]:
    names = []
    for i, arrays in enumerate(zip(*samples, strict=True)):  # none of no samples
        names.append(f"{kind}_{i}.npy")
        np.save(out / names[-1], np.stack([array.detach().contiguous().numpy() for array in arrays]))
    return names


if __name__ == "__main__":
    entry.main(work)
