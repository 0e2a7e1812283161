"""torchvision.ops: boxes, regions, deformable convolutions, layers; as Keras and as TFLite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nobuco
from models_zoo.torchvision_mend import import_torchvision
from tests.converters.region_ops import declare

declare()
ops: Any = import_torchvision().ops


class Called(nn.Module):
    def __init__(self, call: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.call, self.layers = call, nn.ModuleList(layers)

    def forward(self, *inputs: Tensor) -> Any:
        return self.call(*inputs)


def _boxes(count: int, size: float = 30.0) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    corners = torch.rand(count, 2, generator=generator) * size
    return torch.cat([corners, corners + 2 + torch.rand(count, 2, generator=generator) * size / 2], 1)


def _scores(count: int) -> Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(count))


def _rois(images: int, count: int, size: float = 30.0) -> Tensor:
    return torch.cat([(torch.arange(count) % images)[:, None].float(), _boxes(count, size)], 1)


def _features(images: int = 2, channels: int = 4, height: int = 12, width: int = 15) -> Tensor:
    return torch.rand(images, channels, height, width, generator=torch.Generator().manual_seed(height))


def _roi_align(sampling: int, aligned: bool) -> Callable[..., Tensor]:
    # torchvision.ops.roi_align takes its own way round where the compiled library is missing
    return lambda x, rois: torch.ops.torchvision.roi_align(x, rois, 0.4, 3, 4, sampling, aligned)


_CASES: dict[str, tuple[Callable[..., Any], list[Tensor]]] = {
    "nms": (lambda b, s: ops.nms(b, s, 0.3), [_boxes(40), _scores(40)]),
    "nms, equal scores": (lambda b, s: ops.nms(b, s, 0.3), [_boxes(40), (_scores(40) * 4).round()]),
    "nms, the best five": (lambda b, s: b[ops.nms(b, s, 0.5)[:5]], [_boxes(40), _scores(40)]),
    "batched_nms": (
        lambda b, s, c: ops.batched_nms(b, s, c, 0.4),
        [_boxes(30), _scores(30), torch.arange(30) % 3],
    ),
    "box_area": (ops.box_area, [_boxes(7)]),
    "box_iou": (ops.box_iou, [_boxes(7), _boxes(5)]),
    "generalized_box_iou": (ops.generalized_box_iou, [_boxes(7), _boxes(5)]),
    "distance_box_iou": (ops.distance_box_iou, [_boxes(7), _boxes(5)]),
    "complete_box_iou": (ops.complete_box_iou, [_boxes(7), _boxes(5)]),
    "clip_boxes_to_image": (lambda b: ops.clip_boxes_to_image(b, (20, 25)), [_boxes(7)]),
    "remove_small_boxes": (lambda b: b[ops.remove_small_boxes(b, 8.0)], [_boxes(20)]),
    "box_convert": (lambda b: ops.box_convert(b, "xyxy", "cxcywh"), [_boxes(7)]),
    "box_convert, back": (lambda b: ops.box_convert(b, "cxcywh", "xyxy"), [_boxes(7)]),
    "roi_align": (_roi_align(2, False), [_features(), _rois(2, 5)]),
    "roi_align, aligned": (_roi_align(2, True), [_features(), _rois(2, 5)]),
    "roi_align, as many samples as there are": (_roi_align(-1, True), [_features(), _rois(2, 5)]),
    "roi_align, one image": (_roi_align(0, False), [_features(1), _rois(1, 4)]),
    "roi_align, beyond the image": (_roi_align(2, True), [_features(), _rois(2, 6, 90.0) - 20.0 * torch.tensor([0, 1, 1, 0, 0])]),
    "roi_align, in Python": (lambda x, rois: ops.roi_align(x, rois, (3, 4), 0.4, 2), [_features(), _rois(2, 5)]),
    "roi_pool": (lambda x, rois: ops.roi_pool(x, rois, (3, 2), 0.4), [_features(), _rois(2, 5)]),
    "roi_pool, beyond the image": (lambda x, rois: ops.roi_pool(x, rois, 4, 0.4), [_features(), _rois(2, 6, 90.0)]),
    "ps_roi_align": (lambda x, rois: ops.ps_roi_align(x, rois, (2, 3), 0.4, 2), [_features(2, 12), _rois(2, 5)]),
    "ps_roi_align, as many samples as there are": (
        lambda x, rois: ops.ps_roi_align(x, rois, 2, 0.4), [_features(1, 8), _rois(1, 4)]
    ),
    "ps_roi_align, beyond the image": (
        lambda x, rois: ops.ps_roi_align(x, rois, 2, 0.4, 3), [_features(2, 8), _rois(2, 6, 90.0) - 20.0 * torch.tensor([0, 1, 1, 0, 0])]
    ),
    "ps_roi_pool": (lambda x, rois: ops.ps_roi_pool(x, rois, (3, 2), 0.4), [_features(2, 12), _rois(2, 5)]),
    "ps_roi_pool, beyond the image": (lambda x, rois: ops.ps_roi_pool(x, rois, 2, 0.4), [_features(1, 4), _rois(1, 6, 90.0)]),
    "sigmoid_focal_loss": (lambda x, y: ops.sigmoid_focal_loss(x, y, reduction="mean"), [_boxes(6) - 20, _boxes(6).round() % 2]),
    "giou loss": (lambda a, b: ops.generalized_box_iou_loss(a, b, reduction="sum"), [_boxes(6), _boxes(6) + 1]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method:DeprecationWarning")  # by PyTorch's compiler
@pytest.mark.parametrize("name", _CASES)
def test_function(name: str, tmp_path: Path) -> None:
    call, inputs = _CASES[name]
    model = nobuco.pytorch_to_keras(Called(call).eval(), inputs, verbose=False)
    assert model.report.ok, str(model.report)
    written = nobuco.export_tflite(model, tmp_path / "model.tflite")
    assert written.max_relative_error < 1e-5


@pytest.mark.parametrize(
    ("groups", "offset_groups", "options"),
    [
        (1, 1, {"padding": 1}),
        (2, 1, {"stride": 2}),
        (1, 2, {"padding": (2, 1), "dilation": (2, 1)}),
        (2, 2, {"stride": (1, 2), "bias": False}),
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_deformable_convolution(
    groups: int, offset_groups: int, options: dict[str, Any], masked: bool, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    layer = ops.DeformConv2d(4, 6, (3, 2), groups=groups, **options)
    places = nn.Conv2d(4, offset_groups * 3 * 2 * (3 if masked else 2), (3, 2), **options)

    def call(x: Tensor) -> Tensor:
        found = places(x)
        split = offset_groups * 3 * 2 * 2
        return layer(x, 2 * found[:, :split], found[:, split:].sigmoid() if masked else None)

    model = nobuco.pytorch_to_keras(
        Called(call, layer, places).eval(), [_features(2, 4, 7, 8)], verbose=False
    )
    assert model.report.ok, str(model.report)
    assert nobuco.export_tflite(model, tmp_path / "model.tflite").max_relative_error < 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        ops.FrozenBatchNorm2d(4),
        ops.Conv2dNormActivation(4, 6),
        ops.SqueezeExcitation(4, 2),
        ops.StochasticDepth(0.5, "row"),
        ops.DropBlock2d(0.5, 3),
        ops.Permute([0, 2, 3, 1]),
        ops.MLP(15, [8, 3]),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layer(layer: nn.Module) -> None:
    model = nobuco.pytorch_to_keras(layer.eval(), [_features()], verbose=False)
    assert model.report.ok, str(model.report)


def test_feature_pyramid() -> None:
    pyramid = ops.FeaturePyramidNetwork([4, 4], 5)

    def call(large: Tensor, small: Tensor) -> Any:
        return pyramid({"large": large, "small": small})

    inputs = [_features(1, 4, 16, 16), _features(1, 4, 8, 8)]
    model = nobuco.pytorch_to_keras(Called(call, pyramid).eval(), inputs, verbose=False)
    assert model.report.ok, str(model.report)
    assert model.report.transposes == 0


def test_how_many_remain_follows_the_values() -> None:
    model = nobuco.pytorch_to_keras(
        Called(lambda b, s: b[ops.nms(b, s, 0.3)]).eval(), [_boxes(20), _scores(20)], verbose=False
    )
    apart = torch.arange(20.0)[:, None] * 50 + torch.tensor([0.0, 0, 10, 10])
    scores = _scores(20).numpy()
    assert model({"arg0": apart.numpy(), "arg1": scores}).shape == (20, 4)
    assert model({"arg0": apart.numpy() * 0 + [0, 0, 1, 1], "arg1": scores}).shape == (1, 4)
