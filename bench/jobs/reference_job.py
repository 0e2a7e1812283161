"""Job: a model's inputs, PyTorch's outputs for them, and its weights: for all converters, and to compare with.

Leaves `input_<i>.npy`, `output_<i>.npy` and `state.pt`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.jobs import entry
from bench.jobs.models import STATE, flatten, fresh_args, load_model


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Run the model; see `entry.main`."""
    out = Path(job["out"])
    loaded = load_model(job)
    inputs = [_save(arg, out / f"input_{i}.npy") for i, arg in enumerate(loaded.args)]
    with torch.no_grad():
        results = flatten(loaded.module(*fresh_args(loaded)))
    if not results:
        raise entry.JobFailed(f"{loaded.name}: returns no tensor; there is nothing to compare")
    outputs = [_save(value, out / f"output_{i}.npy") for i, value in enumerate(results)]
    torch.save(loaded.module.state_dict(), out / STATE)
    return {"weights": loaded.weights, "seed": loaded.seed, "inputs": inputs, "outputs": outputs}


def _save(value: torch.Tensor, path: Path) -> dict[str, Any]:
    array = value.detach().cpu().contiguous().numpy()
    np.save(path, array)
    return {"file": path.name, "shape": list(array.shape), "dtype": str(array.dtype)}


if __name__ == "__main__":
    entry.main(work)
