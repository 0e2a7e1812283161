"""What the files of some models consist of, kept in `golden.json`: `python -m tests.tflite.golden [NAME ...]` writes it."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import models_zoo
import nobuco
from nobuco.tflite import export_tflite
from tests.tflite.delegation import partitions_and_left

RECORD = Path(__file__).with_name("golden.json")

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
    """Of the file that is made of a model: its ops, the parts that XNNPACK runs, and the ops it leaves."""
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
    return {"ops": result.info.ops, "partitions": partitions, "left": sorted(left)}


def worse(now: dict[str, Any], then: dict[str, Any]) -> list[str]:
    """In which ways a file is worse than that recorded."""
    figures = {
        "transposes": lambda each: each["ops"].get("TRANSPOSE", 0),
        "ops": lambda each: sum(each["ops"].values()),
        "partitions": lambda each: each["partitions"],
        "ops outside the delegate": lambda each: len(each["left"]),
    }
    return [f"{of(now)} {what}, {of(then)} before" for what, of in figures.items() if of(now) > of(then)]


def main() -> None:
    names = sys.argv[1:] or [*SMALL, *ZOO]
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            record[name] = counts(name, Path(folder))
        print(name, record[name], flush=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
