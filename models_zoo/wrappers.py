"""The parts of torchvision's models that a file can hold, as modules of tensors."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class DetectionNetwork(nn.Module):
    """The network of a detector: images (B, 3, H, W) in, the heads' raw predictions out.

    What comes before and after is left to the application, as in other collections of converted detectors: resizing,
    anchors, non-maximum suppression. Of a two-stage detector (Faster, Mask and Keypoint R-CNN) this is the first stage, up
    to the scores and boxes of its proposals: the second works on as many regions as the first finds, which no graph of
    fixed shapes can hold.
    """

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.head = detector.rpn.head if hasattr(detector, "rpn") else detector.head

    def forward(self, images: Tensor) -> Any:
        """The head's outputs for all levels of features: a mapping, or (list of scores, list of boxes)."""
        features = self.backbone(images)
        return self.head(list(features.values()) if isinstance(features, Mapping) else [features])


class LastFlow(nn.Module):
    """RAFT's last estimate of the flow (B, 2, H, W); the module itself returns all twelve."""

    def __init__(self, raft: nn.Module) -> None:
        super().__init__()
        self.raft = raft

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """From the first image (B, 3, H, W) to the second, in pixels."""
        return self.raft(first, second)[-1]
