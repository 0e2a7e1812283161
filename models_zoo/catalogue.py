"""The models that have names, in a form that can be listed without importing torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Entry:
    """One named model: where it comes from, the shape of the input it is measured with, the groups it is in."""

    name: str
    source: Literal["torchvision", "readme"]
    input_shape: tuple[int, ...]  # (B, C, H, W)
    groups: tuple[str, ...]


_IMAGENET = (1, 3, 224, 224)
_SQUARE_256 = (1, 3, 256, 256)

ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("mobilenet_v2", "torchvision", _IMAGENET, ("classification",)),
        Entry("mobilenet_v3_large", "torchvision", _IMAGENET, ("readme", "classification")),
        Entry("resnet18", "torchvision", _IMAGENET, ("classification",)),
        Entry("resnet50", "torchvision", _IMAGENET, ("classification",)),
        Entry("efficientnet_b0", "torchvision", _IMAGENET, ("classification",)),
        Entry("squeezenet1_1", "torchvision", _IMAGENET, ("classification",)),
        Entry("mnasnet1_0", "torchvision", _IMAGENET, ("classification",)),
        Entry("regnet_y_400mf", "torchvision", _IMAGENET, ("classification",)),
        Entry("deeplabv3_resnet50", "torchvision", _SQUARE_256, ("readme", "segmentation")),
        Entry("lraspp_mobilenet_v3_large", "torchvision", _SQUARE_256, ("segmentation",)),
        # 0.8 MB of image: the slice is 1,116 elements, the rest is what a converter may copy needlessly. On a much
        # smaller input only the interpreter's own overhead would be timed.
        Entry("slice_relu", "readme", _SQUARE_256, ("readme",)),
    )
}

GROUPS: tuple[str, ...] = ("readme", "classification", "segmentation")
