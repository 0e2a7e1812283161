"""Whole torchvision models, one of a family, with random weights: the error and the transposes that are left."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import nn

import nobuco
from models_zoo.random_weights import seeded_images
from models_zoo.torchvision_mend import import_torchvision
from tests.effort import slow

# name -> (options, size of the image, transposes). Those of the transformers are in the models themselves: windows and
# heads of attention; shufflenet's one for each shuffle; alexnet's and vgg's where an image is flattened.
_QUICK: dict[str, tuple[dict[str, Any], int, int]] = {
    "alexnet": ({}, 96, 1),
    "convnext_tiny": ({}, 64, 0),
    "mnasnet1_0": ({}, 64, 0),
    "mobilenet_v2": ({}, 64, 0),
    "mobilenet_v3_small": ({}, 64, 0),
    "regnet_x_400mf": ({}, 64, 0),
    "resnet18": ({}, 64, 0),
    "shufflenet_v2_x1_0": ({}, 64, 16),
    "squeezenet1_1": ({}, 64, 0),
    "swin_t": ({}, 96, 58),
    "vit_b_16": ({"image_size": 64}, 64, 48),
    "segmentation.lraspp_mobilenet_v3_large": ({"weights_backbone": None}, 64, 0),
}

# as right as the others, but slow
_SLOW: dict[str, tuple[dict[str, Any], int, int]] = {
    "densenet121": ({}, 64, 0),
    "efficientnet_b0": ({}, 64, 0),
    "efficientnet_v2_s": ({}, 64, 0),
    "googlenet": ({"init_weights": False, "aux_logits": False}, 96, 0),
    "inception_v3": ({"init_weights": False, "aux_logits": False}, 128, 0),
    "maxvit_t": ({"input_size": (224, 224)}, 224, 133),
    "regnet_y_400mf": ({}, 64, 0),
    "resnext50_32x4d": ({}, 64, 0),
    "swin_v2_t": ({}, 96, 58),
    "vgg11_bn": ({}, 64, 1),
    "segmentation.deeplabv3_mobilenet_v3_large": ({"weights_backbone": None}, 64, 0),
    "segmentation.fcn_resnet50": ({"weights_backbone": None}, 64, 0),
}


def _made(name: str, options: dict[str, Any]) -> nn.Module:
    home: Any = import_torchvision().models
    for part in name.split("."):
        home = getattr(home, part)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = home(**options)
    for parameter in module.parameters():
        if not parameter.any():  # biases and heads that start from zeros would hide their own errors
            nn.init.normal_(parameter, std=0.02)
    return module.eval()


@pytest.mark.parametrize(
    ("name", "options", "size", "transposes"),
    [
        *((name, *rest) for name, rest in _QUICK.items()),
        *(pytest.param(name, *rest, marks=slow) for name, rest in _SLOW.items()),
    ],
)
def test_model(name: str, options: dict[str, Any], size: int, transposes: int) -> None:
    module = _made(name, options)
    model = nobuco.pytorch_to_keras(module, [seeded_images((1, 3, size, size), 0)], verbose=False)
    assert model.report.ok, str(model.report)
    assert model.report.max_error < 1e-4
    assert model.report.transposes <= transposes
