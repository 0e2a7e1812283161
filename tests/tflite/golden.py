"""What the files of some models consist of and what they cost, kept in `golden.json`.

    python -m tests.tflite.golden [--accept] [NAME ...]

writes it: of all models, or of those named. Files whose graph is another than the one counted are run on the emulated Arm
machine, which counts their instructions. A file that is worse is kept out of the record, unless `--accept` is given."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import devices
import models_zoo
import nobuco
from nobuco.tflite import export_tflite
from tests.tflite.delegation import partitions_and_left
from tests.tflite.graph_digest import graph_digest

DEVICE = "arm"  # whose instructions are counted
RECORD = Path(__file__).with_name("golden.json")
_SAME = 1.002  # figures of one file repeat to a thousandth

ZOO = (
    "slice_relu", "shufflenet_v2_x1_0", "mobilenet_v2", "mobilenet_v3_large", "squeezenet1_1", "mnasnet1_0",
    "regnet_y_400mf", "efficientnet_b0", "lraspp_mobilenet_v3_large", "resnet18", "googlenet", "densenet121",
    "convnext_tiny", "swin_t", "vit_b_16",
)  # fmt: skip


def _torchvision(module: str, make: Callable[[Any], nn.Module]) -> nn.Module:
    models_zoo.import_torchvision()
    import importlib

    return make(importlib.import_module(f"torchvision.models.{module}"))


# Architectures of the zoo, so small that they are converted in a moment.
SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "small vit": (
        lambda: _torchvision("vision_transformer", lambda m: m.VisionTransformer(32, 8, 1, 4, 64, 128)),
        (1, 3, 32, 32),
    ),
    "small swin": (
        lambda: _torchvision(
            "swin_transformer",
            lambda m: m.SwinTransformer([4, 4], 24, [2, 1], [2, 4], [7, 7], num_classes=10),
        ),
        (1, 3, 56, 56),
    ),
    "small densenet": (
        lambda: _torchvision("densenet", lambda m: m.DenseNet(8, (7,), 16, num_classes=10)),
        (1, 3, 32, 32),
    ),
    "small shufflenet": (
        lambda: _torchvision(
            "shufflenetv2", lambda m: m.ShuffleNetV2([2, 1, 1], [24, 48, 96, 192, 256], num_classes=10)
        ),
        (1, 3, 64, 64),
    ),
    "small text recogniser": (
        lambda: nn.Sequential(nn.GRU(8, 8, bidirectional=True, batch_first=True), _First(), nn.Linear(16, 5)),
        (1, 4, 8),
    ),
}


class _First(nn.Module):
    def forward(self, outputs: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return outputs[0]


def counts(name: str, folder: Path) -> dict[str, Any]:
    """Of the file that is made of a model, `m.tflite`: its ops, the parts that XNNPACK runs, the ops it leaves, and its
    graph's digest."""
    if name in SMALL:
        make, shape = SMALL[name]
        torch.manual_seed(0)
        module, args = make().eval(), [torch.randn(shape)]
    else:
        loaded = models_zoo.load(models_zoo.ModelSpec(name))
        module, args = loaded.module, list(loaded.args)
    keras_model = nobuco.pytorch_to_keras(module, args=args, full_validation=False, verbose=False)
    result = export_tflite(keras_model, folder / "m.tflite", validate=False)
    partitions, left = partitions_and_left(result)
    ops = result.info.ops
    return {"ops": ops, "partitions": partitions, "left": sorted(left), "graph": graph_digest(result)}


def instructions(file: Path, device: devices.Device) -> float:
    """Thousands of instructions that one run of a file takes, by XNNPACK, one thread. Figures repeat to 1e-3."""
    request = devices.LaunchRequest(file, warmup_seconds=0.0, num_runs=1, min_seconds=0.0, timeout=1200.0)
    result = devices.launch(device, request)
    if not result.ok or result.unit != "kinstr":
        raise RuntimeError(f"{file} was not counted: {result.error or result.unit}")
    return round(result.times_us[0], 1)


def worse(now: dict[str, Any], then: dict[str, Any]) -> list[str]:
    """In which ways a file is worse than that recorded. Instructions that are not counted now are not judged."""
    figures = {
        "transposes": lambda each: each["ops"].get("TRANSPOSE", 0),
        "ops": lambda each: sum(each["ops"].values()),
        "partitions": lambda each: each["partitions"],
        "ops outside the delegate": lambda each: len(each["left"]),
    }
    found = [f"{of(now)} {what}, {of(then)} before" for what, of in figures.items() if of(now) > of(then)]
    if "kinstr" in now and "kinstr" in then and now["kinstr"] > _SAME * then["kinstr"]:
        found.append(f"{now['kinstr']:,} thousand instructions, {then['kinstr']:,} before")
    return found


def _record(name: str, then: dict[str, Any], device: devices.Device) -> dict[str, Any]:
    """The figures of a model, with its instructions: those of the record where the graph is still the same."""
    with tempfile.TemporaryDirectory() as folder:
        now = counts(name, Path(folder))
        known = now["graph"] == then.get("graph") and "kinstr" in then
        return {**now, "kinstr": then["kinstr"] if known else instructions(Path(folder) / "m.tflite", device)}


def main() -> int:
    accept = "--accept" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--accept"] or [*SMALL, *ZOO]
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    device, refused = devices.open_device(DEVICE), 0
    try:
        for name in names:
            then = record.get(name, {})
            now = _record(name, then, device)
            found = worse(now, then) if then else []
            print(name, now, "" if not found else f"WORSE: {'; '.join(found)}", flush=True)
            if found and not accept:
                refused += 1
                continue
            record[name] = now
            RECORD.write_text(json.dumps(record, indent=1) + "\n")
    finally:
        device.close()
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
