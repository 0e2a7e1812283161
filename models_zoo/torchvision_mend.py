"""Import torchvision also where its compiled operators do not load.

The wheel on PyPI is built for CUDA; beside a CPU-only torch its library cannot be loaded, and then
`import torchvision` fails with "operator torchvision::nms does not exist", although no classification or
segmentation model uses that operator. Where a plain import works, that is all. Where it does not, the two
operators whose schemas torchvision assumes are declared, and `nms` gets an implementation in plain PyTorch, so
that detection models run too (the other operators have fallbacks within torchvision).
"""

import importlib
import sys
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from models_zoo.errors import ModelError

_MISSING_OPERATOR = "operator torchvision::nms does not exist"


@cache
def import_torchvision() -> ModuleType:
    """The torchvision module. Raises ModelError when it is not installed or cannot be imported."""
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
        raise ModelError(
            "torchvision is not installed; install it with: pip install 'nobuco[bench]'"
        ) from error
    except RuntimeError as error:
        if _MISSING_OPERATOR not in str(error):
            raise ModelError(
                f"torchvision cannot be imported beside torch {torch.__version__}: {error}"
            ) from error
    _forget_partial_import()
    _declare_operators()
    torchvision = importlib.import_module("torchvision")
    # torchvision.ops.nms refuses to run without the compiled library. Only this check is removed: the library's
    # own `_has_ops` still says no, so that roi_align and others choose their PyTorch fallbacks.
    importlib.import_module("torchvision.ops.boxes").__dict__["_assert_has_ops"] = lambda: None
    return torchvision


def _forget_partial_import() -> None:
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]


# Cached because the library object must outlive its declarations.
@cache
def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CPU")
    return library


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) as x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: A box is dropped when its intersection over union with a kept box of higher score exceeds
            this.

    Returns:
        The indices of the boxes kept, int64, by falling score.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    boxes = boxes[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    alive = torch.ones(len(boxes), dtype=torch.bool)
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        rest = boxes[i + 1 :]
        overlap = (torch.minimum(boxes[i, 2:], rest[:, 2:]) - torch.maximum(boxes[i, :2], rest[:, :2])).clamp(
            min=0
        )
        intersection = overlap.prod(dim=1)
        union = areas[i] + areas[i + 1 :] - intersection
        alive[i + 1 :] &= ~(intersection / union > iou_threshold)  # no number where both are empty
    return order[alive]
