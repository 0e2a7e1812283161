"""Job: what is in the converted files, and their inputs in the form that devices take. All files in one process,
because importing nobuco takes seconds.

For each file it leaves `facts.json` and `input_<i>.bin`, in the order and layout of the file's inputs, and the same of
the further samples.
"""

import json
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.jobs import entry
from bench.jobs.forecasts import forecasts
from bench.jobs.mapping import MappingError, Place, Tensor, match
from nobuco.tflite import inspect_tflite
from nobuco.tflite.inspection import TFLiteInfo, TFLiteTensor
from nobuco.tflite.precision.judge import agreement, output_errors
from nobuco.tflite.precision.running import outputs_on


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
            file.write_bytes(_as_the_file_takes(array, place, tensor).tobytes())
            files.append(file.name)
        sets.append(files)
    return {
        "inputs": sets[0],
        "samples": sets[1:],
        "outputs": [
            {
                "reference": place.reference,
                "axes": place.axes,
                "scale": tensor.scale,
                "zero_point": tensor.zero_point,
            }
            for place, tensor in zip(outputs, info.outputs, strict=True)
        ],
        "ops": dict(info.ops),
        "n_ops": info.n_ops,
        "transposes": info.transposes,
        "size_bytes": info.size_bytes,
        "forecasts": forecasts(info.path),
        "answers": _answers(item, info, inputs, outputs) if "check" in item else None,
    }


def _as_the_file_takes(array: np.ndarray, place: Place, tensor: TFLiteTensor) -> np.ndarray:
    """PyTorch's numbers in the order of the file; as integers, where those are what it takes."""
    array = array.transpose(place.axes)
    if tensor.scale is not None and np.issubdtype(array.dtype, np.floating):
        ends = np.iinfo(tensor.dtype)
        array = np.clip(np.round(array / tensor.scale) + tensor.zero_point, ends.min, ends.max)
    return np.ascontiguousarray(array).astype(tensor.dtype)


def _answers(
    item: dict[str, Any], info: TFLiteInfo, inputs: Sequence[Place], outputs: Sequence[Place]
) -> dict[str, Any]:
    """What `artifacts.Answers` holds, found by running the file on this host."""
    data = Path(item["file"]).read_bytes()
    check, answer = ([np.load(file, mmap_mode="r") for file in item[kind]] for kind in ("check", "answer"))

    def run(given: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
        places = list(zip(inputs, info.inputs, strict=True))
        return outputs_on(
            data,
            [[_as_the_file_takes(each[place.reference], place, t) for place, t in places] for each in given],
        )

    def wanted(each: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [each[place.reference].transpose(place.axes) for place in outputs]

    def read(described: Sequence[dict[str, Any]]) -> list[np.ndarray]:
        return [np.load(Path(item["reference"]) / each["file"]) for each in described]

    right = [wanted(each) for each in zip(*answer, strict=True)]
    alike = agreement(run(list(zip(*check, strict=True))), right)
    sets = [item, *item["samples"]]
    found = run([read(each["inputs"]) for each in sets])
    names = [tensor.name for tensor in info.outputs]
    snr = [
        min(each.snr for each in output_errors(names, [got], [wanted(read(one["outputs"]))]))
        for one, got in zip(sets, found, strict=True)
    ]
    # infinity has no place in JSON
    return {"alike": alike, "samples": len(right), "snr": [str(each) for each in snr]}


def _reference(described: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    return [tuple(d["shape"]) for d in described]


def _file(tensors: Any) -> list[Tensor]:
    return [Tensor(t.name, tuple(t.shape)) for t in tensors]


if __name__ == "__main__":
    entry.main(work)
