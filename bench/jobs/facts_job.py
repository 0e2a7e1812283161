"""Job: what is in the converted files, and their inputs in the form that devices take. All files in one process,
because importing nobuco takes seconds.

For each file it leaves `facts.json` and `input_<i>.bin`, in the order and layout of the file's inputs, and the same of
the further samples.
"""

import json
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from bench.jobs import entry
from bench.jobs.mapping import MappingError, Tensor, match
from nobuco.tflite import inspect_tflite


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Inspect the files; see `entry.main`."""
    for item in job["files"]:
        folder = Path(item["out"])
        folder.mkdir(parents=True, exist_ok=True)
        try:
            facts = {"error": None, **_facts(item, folder)}
        except MappingError as error:
            facts = {"error": str(error)}
        # Whatever is wrong with one file is a result of that file, and the others are read.
        except Exception as error:
            traceback.print_exc()
            facts = {"error": f"the file cannot be read: {entry.one_line(error)}"}
        partial = folder / ".facts.json"
        partial.write_text(json.dumps(facts, indent=1), encoding="utf-8")
        partial.rename(folder / "facts.json")
    return {}


def _facts(item: dict[str, Any], folder: Path) -> dict[str, Any]:
    info = inspect_tflite(Path(item["file"]))
    inputs = match("input", _reference(item["inputs"]), _file(info.inputs), item["layout"])
    outputs = match("output", _reference(item["outputs"]), _file(info.outputs), item["layout"])
    sets = []
    for k, described in enumerate([item["inputs"], *(sample["inputs"] for sample in item["samples"])]):
        files = []
        for i, (place, tensor) in enumerate(zip(inputs, info.inputs, strict=True)):
            array = np.load(Path(item["reference"]) / described[place.reference]["file"])
            file = folder / (f"sample_{k}_input_{i}.bin" if k else f"input_{i}.bin")
            laid_out = np.ascontiguousarray(array.transpose(place.axes)).astype(tensor.dtype)
            file.write_bytes(laid_out.tobytes())
            files.append(file.name)
        sets.append(files)
    return {
        "inputs": sets[0],
        "samples": sets[1:],
        "outputs": [{"reference": place.reference, "axes": place.axes} for place in outputs],
        "ops": dict(info.ops),
        "n_ops": info.n_ops,
        "transposes": info.transposes,
        "size_bytes": info.size_bytes,
    }


def _reference(described: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    return [tuple(d["shape"]) for d in described]


def _file(tensors: Any) -> list[Tensor]:
    return [Tensor(t.name, tuple(t.shape)) for t in tensors]


if __name__ == "__main__":
    entry.main(work)
