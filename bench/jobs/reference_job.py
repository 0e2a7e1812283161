"""Job: a model's inputs, PyTorch's outputs for them, and its weights: for all converters, and to compare with.

Leaves `input_<i>.npy`, `output_<i>.npy` and `state.pt`; and the same arrays of further inputs, `sample_<k>_...npy`: other
images for a model of the zoo. Those of a user's own model are made from its inputs by shuffling their elements: the values
are then of the kind that the model takes.
"""

import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.jobs import entry
from bench.jobs.models import STATE, flatten, fresh_args, load_model, shuffled
from models_zoo import LoadedModel

FURTHER_SAMPLES = 3


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Run the model; see `entry.main`."""
    out = Path(job["out"])
    loaded = load_model(job)
    inputs = [_save(arg, out / f"input_{i}.npy") for i, arg in enumerate(loaded.args)]
    with torch.no_grad():
        results = flatten(loaded.module(*fresh_args(loaded)))
    if not results:
        raise entry.JobFailed(f"{loaded.name}: returns no tensor; there is nothing to compare")
    if not any(_has_numbers(value) for value in results):
        raise entry.JobFailed(
            f"{loaded.name}: all that it returns is NaN or infinite in PyTorch, so there is nothing to compare: give it "
            "inputs, or weights, of which it computes numbers"
        )
    outputs = [_save(value, out / f"output_{i}.npy") for i, value in enumerate(results)]
    torch.save(loaded.module.state_dict(), out / STATE)
    samples = _samples(loaded, outputs, out)
    return {
        "weights": loaded.weights,
        "seed": loaded.seed,
        "inputs": inputs,
        "outputs": outputs,
        "samples": samples,
    }


def _samples(loaded: LoadedModel, outputs: list[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Further inputs; none for a model without numbers to shuffle, or that does not take them shuffled."""
    if not any(arg.is_floating_point() for arg in loaded.args):
        return []
    samples = []
    for k in range(1, FURTHER_SAMPLES + 1):
        args = loaded.further_args(k) or tuple(shuffled(arg, loaded.seed + k) for arg in loaded.args)
        try:
            with torch.no_grad():
                results = flatten(loaded.module(*(arg.clone() for arg in args)))
        # Whatever a user's model raises: its own inputs are then all that is compared.
        except Exception:
            traceback.print_exc()
            print("the model takes no shuffled inputs, so its outputs are compared on its own inputs alone")
            return []
        if [list(value.shape) for value in results] != [described["shape"] for described in outputs]:
            print(
                "other inputs give outputs of other shapes; they are compared on the model's own inputs alone"
            )
            return []
        samples.append(
            {
                "inputs": [_save(arg, out / f"sample_{k}_input_{i}.npy") for i, arg in enumerate(args)],
                "outputs": [
                    _save(value, out / f"sample_{k}_output_{i}.npy") for i, value in enumerate(results)
                ],
            }
        )
    return samples


def _has_numbers(value: torch.Tensor) -> bool:
    """Nothing is wrong with an output that has no elements."""
    return value.numel() == 0 or not value.is_floating_point() or bool(torch.isfinite(value).any())


def _save(value: torch.Tensor, path: Path) -> dict[str, Any]:
    array = value.detach().cpu().contiguous().numpy()
    np.save(path, array)
    return {"file": path.name, "shape": list(array.shape), "dtype": str(array.dtype)}


if __name__ == "__main__":
    entry.main(work)
