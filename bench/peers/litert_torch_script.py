"""Job: litert-torch, from the PyTorch model to `model.tflite`. Runs in litert-torch's own environment.

Files of fewer bits are made from the finished one by the quantizer that it brings along, by the recipes of that one.
"""

import sys
from pathlib import Path
from typing import Any

# Last on the path: this program's models and job code are needed, its packages must not hide the environment's own.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from bench.jobs import entry
from bench.jobs.models import FlatOutputs, fresh_args, load_model


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert; see `entry.main`."""
    import litert_torch  # pyright: ignore[reportMissingImports]

    loaded = load_model(job)
    file = Path(job["out"]) / "model.tflite"
    with entry.Stopwatch() as watch:
        converted = litert_torch.convert(FlatOutputs(loaded.module).eval(), fresh_args(loaded))
        converted.export(str(file))
        if job["precision"] != "fp32":
            _quantise(file, job["precision"], job["calibration"])
    return {"file": "model.tflite", **watch.figures()}


def _quantise(file: Path, precision: str, calibration: list[str]) -> None:
    import numpy as np
    from ai_edge_quantizer import quantizer, recipe  # pyright: ignore[reportMissingImports]

    rows = {
        "fp16": lambda: _casting(),
        "int8-dynamic": recipe.dynamic_wi8_afp32,
        "int8-weights": recipe.weight_only_wi8_afp32,
        "int4-weights": recipe.weight_only_wi4_afp32,
        "int8": lambda: [*recipe.static_wi8_ai8(), *_float_ends()],
        "int8-io": recipe.static_wi8_ai8,
        "int16x8": lambda: [*recipe.static_wi8_ai16(), *_float_ends()],
    }[precision]()
    found = quantizer.Quantizer(str(file))
    found.load_quantization_recipe(rows)
    ranges = None
    if found.need_calibration:
        arrays = [np.load(each) for each in calibration]
        # its signature calls them args_0, args_1, in the order in which the model takes them
        samples = [
            {f"args_{i}": each for i, each in enumerate(inputs)} for inputs in zip(*arrays, strict=True)
        ]
        ranges = found.calibrate({"serving_default": samples})
    made = Path(f"{file}.made")
    found.quantize(ranges).export_model(str(made), overwrite=True)
    made.replace(file)


def _casting() -> list[dict[str, Any]]:
    from ai_edge_quantizer import recipe_manager  # pyright: ignore[reportMissingImports]

    manager = recipe_manager.RecipeManager()
    manager.add_weight_only_config(".*", "*", 16, algorithm_key="float_casting")
    return manager.get_quantization_recipe()


def _float_ends() -> list[dict[str, Any]]:
    """Inputs and outputs stay float, as they do in the files of other converters."""
    return [
        {"regex": ".*", "operation": each, "algorithm_key": "no_quantize", "op_config": {}}
        for each in ("INPUT", "OUTPUT")
    ]


if __name__ == "__main__":
    entry.main(work)
