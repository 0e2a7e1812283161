"""What GPU delegates take of nobuco's files and of other converters', of the same models and weights.

`python -m tests.delegates.survey` keeps a line a file in `docs/records/gpu_models.jsonl`, from which `python docs/gpu.py`
writes the page. The files are made and checked as `bench convert` does it; those that ML Drift is forecast to take whole are
run on WebGPU, once each, and their outputs compared with PyTorch's."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.artifact import ModelVariant
from bench.artifacts import ArtifactCache
from bench.converters.base import Converter
from bench.measure.host_facts import environment
from bench.measure.launching import Launcher
from bench.measure.workload import Effort, Workload, identity_of
from bench.progress import Reporter
from bench.run.convert import Prepared, convert
from bench.run.options import ZooOptions
from bench.run.planning import chosen_converters, chosen_models
from devices import open_device
from devices.launches import HOST_GPU_DELEGATES

RECORD = Path(__file__).parents[2] / "docs" / "records" / "gpu_models.jsonl"
# In small images where the architecture allows: the ops are the same, and a Vulkan in software is slow.
MODELS = (
    "unet", "unet_group_norm", "whisper", "detr", "yolo", "hifigan", "super_resolution", "swin2sr", "hubert", "mamba",
    "text_recogniser", "keyword_spotter", "denoiser", "fourier_operator", "lama", "llama", "mel_front_end",
    "slice_relu@64", "shufflenet_v2_x1_0@64", "mobilenet_v3_large@64", "swin_t", "vit_b_16", "resnet18@64",
    "mobilenet_v2@64", "squeezenet1_1@64", "mnasnet1_0@64", "regnet_y_400mf@64", "efficientnet_b0@64", "googlenet@64",
    "lraspp_mobilenet_v3_large@64", "convnext_tiny@64", "densenet121@64", "inception_v3@96", "swin_v2_t", "maxvit_t",
    "deeplabv3_mobilenet_v3_large@64", "vgg11@64", "ssdlite320_mobilenet_v3_large", "raft_small@128", "r3d_18@32",
    "fcn_resnet50@64",
)  # fmt: skip
CONVERTERS = ("nobuco", "nobuco:gpu", "litert-torch", "onnx2tf")
_FULL = HOST_GPU_DELEGATES[0]


class OnWebGPU:
    """Runs files whose forecast is good, each once with each delegate that there is."""

    def __init__(self, out: Path, seconds: float, launcher: Launcher, identity: str) -> None:
        self._cache = ArtifactCache(out, seconds, Reporter())
        self._launcher, self._identity = launcher, identity

    def ran(self, model: ModelVariant, converter: Converter, delegate: str) -> dict[str, Any]:
        """Nodes taken, and the largest error of an output against PyTorch's, or why there is none."""
        artifact = self._cache.artifact(model, self._cache.reference(model), converter)
        workload = Workload(artifact, "host", self._identity, delegate, threads=1)
        record = self._launcher.launch(workload, 0, check_output=True)
        took = record.delegation
        return {
            "nodes": took and took.total_nodes,
            "taken": took and took.delegated_nodes,
            "error": record.accuracy and record.accuracy.max_error,
            "failed": record.error,
        }


def _row(one: Prepared) -> dict[str, Any]:
    record, made = one.record, one.record.conversion
    forecasts = made.forecasts if made else {}
    return {
        "model": record.cell.model,
        "converter": record.cell.converter,
        "failed": one.reason,
        "error": record.accuracy and record.accuracy.max_error,
        "forecasts": {name: each.model_dump() for name, each in forecasts.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.delegates.survey", description=__doc__)
    parser.add_argument("models", nargs="*", help="as `bench convert` takes them; a choice, else")
    parser.add_argument("--converters", default=",".join(CONVERTERS))
    parser.add_argument("--webgpu", type=float, default=100.0, help="seconds for each run; 0: none")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for each conversion")
    parser.add_argument("--out", type=Path, default=Path("build/gpu_models"))
    asked = parser.parse_args()
    with closing(open_device("host")) as host:
        effort = Effort(0.0, 1, 0.0, timeout=max(1.0, asked.webgpu), settle_seconds=0.0, samples=0)
        launcher = Launcher(host, effort, None, environment(), asked.out)
        webgpu = OnWebGPU(asked.out, asked.timeout, launcher, identity_of(host.name, host.info()))
        for model in asked.models or MODELS:  # one after the other: what is known is kept
            options = ZooOptions(
                models=[model], converters=asked.converters.split(","), timeout=asked.timeout, out=asked.out
            )
            for row in _rows(options, webgpu if asked.webgpu else None):
                print(json.dumps(row), flush=True)
                _keep(row)
    return 0


def _rows(options: ZooOptions, webgpu: OnWebGPU | None) -> Iterator[dict[str, Any]]:
    models = {each.name: each for each in chosen_models(options)}
    converters = {each.name: each for each in chosen_converters(options)}
    for one in convert(options):
        row, cell, made = _row(one), one.record.cell, one.record.conversion
        expected = made.forecasts.get(_FULL) if made else None
        if webgpu is not None and one.record.ok and expected is not None and expected.whole:
            row["webgpu"] = {
                name: webgpu.ran(models[cell.model], converters[cell.converter], name)
                for name in HOST_GPU_DELEGATES
            }
        yield row


def _keep(row: dict[str, Any]) -> None:
    """In the place of the model's and converter's earlier one."""
    rows = [json.loads(line) for line in RECORD.read_text("utf-8").splitlines()] if RECORD.is_file() else []
    kept = {(each["model"], each["converter"]): each for each in rows}
    kept[row["model"], row["converter"]] = row
    RECORD.write_text("".join(f"{json.dumps(each)}\n" for each in kept.values()), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
