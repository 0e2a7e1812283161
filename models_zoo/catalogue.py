"""The models that have names, in a form that can be listed without importing torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Task = Literal["classification", "segmentation", "detection", "video", "optical_flow", "small", "module"]

_FRAMES = 16


@dataclass(frozen=True)
class Entry:
    """One named model.

    Attributes:
        name: Torchvision's, except that of a `module` and of a `small` one.
        group: What it does; a `module` is one of `readme_models`, a `small` one of the package of that name.
        size: Height and width of the images that it is measured with; 0: it takes none of any size.
        parameters: How many it has. Of a detector, those of the part that is converted.
        shape: Of its one input, where that is no image of `size`.
    """

    name: str
    group: Task
    size: int
    parameters: int
    shape: tuple[int, ...] | None = None

    def input_shapes(self, size: int | None = None) -> tuple[tuple[int, ...], ...]:
        """The shapes of its inputs; images (B, C, H, W) and clips (B, C, T, H, W) of another size or its own."""
        if self.shape is not None:
            return (self.shape,)
        size = size or self.size
        if self.group == "video":
            return ((1, 3, _FRAMES, size, size),)
        return ((1, 3, size, size),) * (2 if self.group == "optical_flow" else 1)


# name: (size, parameters)
_CLASSIFICATION = {
    "alexnet": (224, 61_100_840),
    "convnext_base": (224, 88_591_464),
    "convnext_large": (224, 197_767_336),
    "convnext_small": (224, 50_223_688),
    "convnext_tiny": (224, 28_589_128),
    "densenet121": (224, 7_978_856),
    "densenet161": (224, 28_681_000),
    "densenet169": (224, 14_149_480),
    "densenet201": (224, 20_013_928),
    "efficientnet_b0": (224, 5_288_548),
    "efficientnet_b1": (240, 7_794_184),
    "efficientnet_b2": (288, 9_109_994),
    "efficientnet_b3": (300, 12_233_232),
    "efficientnet_b4": (380, 19_341_616),
    "efficientnet_b5": (456, 30_389_784),
    "efficientnet_b6": (528, 43_040_704),
    "efficientnet_b7": (600, 66_347_960),
    "efficientnet_v2_l": (480, 118_515_272),
    "efficientnet_v2_m": (480, 54_139_356),
    "efficientnet_v2_s": (384, 21_458_488),
    "googlenet": (224, 6_624_904),
    "inception_v3": (299, 23_834_568),
    "maxvit_t": (224, 30_919_624),
    "mnasnet0_5": (224, 2_218_512),
    "mnasnet0_75": (224, 3_170_208),
    "mnasnet1_0": (224, 4_383_312),
    "mnasnet1_3": (224, 6_282_256),
    "mobilenet_v2": (224, 3_504_872),
    "mobilenet_v3_large": (224, 5_483_032),
    "mobilenet_v3_small": (224, 2_542_856),
    "regnet_x_16gf": (224, 54_278_536),
    "regnet_x_1_6gf": (224, 9_190_136),
    "regnet_x_32gf": (224, 107_811_560),
    "regnet_x_3_2gf": (224, 15_296_552),
    "regnet_x_400mf": (224, 5_495_976),
    "regnet_x_800mf": (224, 7_259_656),
    "regnet_x_8gf": (224, 39_572_648),
    "regnet_y_128gf": (224, 644_812_894),
    "regnet_y_16gf": (224, 83_590_140),
    "regnet_y_1_6gf": (224, 11_202_430),
    "regnet_y_32gf": (224, 145_046_770),
    "regnet_y_3_2gf": (224, 19_436_338),
    "regnet_y_400mf": (224, 4_344_144),
    "regnet_y_800mf": (224, 6_432_512),
    "regnet_y_8gf": (224, 39_381_472),
    "resnet101": (224, 44_549_160),
    "resnet152": (224, 60_192_808),
    "resnet18": (224, 11_689_512),
    "resnet34": (224, 21_797_672),
    "resnet50": (224, 25_557_032),
    "resnext101_32x8d": (224, 88_791_336),
    "resnext101_64x4d": (224, 83_455_272),
    "resnext50_32x4d": (224, 25_028_904),
    "shufflenet_v2_x0_5": (224, 1_366_792),
    "shufflenet_v2_x1_0": (224, 2_278_604),
    "shufflenet_v2_x1_5": (224, 3_503_624),
    "shufflenet_v2_x2_0": (224, 7_393_996),
    "squeezenet1_0": (224, 1_248_424),
    "squeezenet1_1": (224, 1_235_496),
    "swin_b": (224, 87_768_224),
    "swin_s": (224, 49_606_258),
    "swin_t": (224, 28_288_354),
    "swin_v2_b": (256, 87_930_848),
    "swin_v2_s": (256, 49_737_442),
    "swin_v2_t": (256, 28_351_570),
    "vgg11": (224, 132_863_336),
    "vgg11_bn": (224, 132_868_840),
    "vgg13": (224, 133_047_848),
    "vgg13_bn": (224, 133_053_736),
    "vgg16": (224, 138_357_544),
    "vgg16_bn": (224, 138_365_992),
    "vgg19": (224, 143_667_240),
    "vgg19_bn": (224, 143_678_248),
    "vit_b_16": (224, 86_567_656),
    "vit_b_32": (224, 88_224_232),
    "vit_h_14": (224, 632_045_800),
    "vit_l_16": (224, 304_326_632),
    "vit_l_32": (224, 306_535_400),
    "wide_resnet101_2": (224, 126_886_696),
    "wide_resnet50_2": (224, 68_883_240),
}
_SEGMENTATION = {
    "deeplabv3_mobilenet_v3_large": (256, 11_025_477),
    "deeplabv3_resnet101": (256, 58_630_997),
    "deeplabv3_resnet50": (256, 39_638_869),
    "fcn_resnet101": (256, 51_949_141),
    "fcn_resnet50": (256, 32_957_013),
    "lraspp_mobilenet_v3_large": (256, 3_221_538),
}
_DETECTION = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": (320, 5_048_699),
    "fasterrcnn_mobilenet_v3_large_fpn": (320, 5_048_699),
    "fasterrcnn_resnet50_fpn": (320, 27_446_351),
    "fasterrcnn_resnet50_fpn_v2": (320, 28_038_479),
    "fcos_resnet50_fpn": (320, 32_322_720),
    "keypointrcnn_resnet50_fpn": (320, 27_446_351),
    "maskrcnn_resnet50_fpn": (320, 27_446_351),
    "maskrcnn_resnet50_fpn_v2": (320, 28_038_479),
    "retinanet_resnet50_fpn": (320, 34_068_119),
    "retinanet_resnet50_fpn_v2": (320, 38_198_935),
    "ssd300_vgg16": (300, 35_641_826),
    "ssdlite320_mobilenet_v3_large": (320, 3_440_060),
}
_VIDEO = {
    "mc3_18": (112, 11_695_440),
    "mvit_v1_b": (224, 36_610_672),
    "mvit_v2_s": (224, 34_537_744),
    "r2plus1d_18": (112, 31_505_325),
    "r3d_18": (112, 33_371_472),
    "s3d": (224, 8_320_048),
    "swin3d_b": (224, 88_048_984),
    "swin3d_s": (224, 49_816_678),
    "swin3d_t": (224, 28_158_070),
}
_OPTICAL_FLOW = {
    "raft_large": (256, 5_257_536),
    "raft_small": (256, 990_162),
}
# name: (size or shape of its input, parameters). Of kinds that torchvision lacks; 0.7 M parameters and some 10^8
# operations at most, so that the interpreter's overhead is not all that is timed, and an emulator bears it.
_SMALL: dict[str, tuple[int | tuple[int, ...], int]] = {
    "denoiser": ((1, 8_000), 176_898),
    "detr": (128, 349_929),
    "fourier_operator": ((1, 1, 48, 48), 104_729),
    "hifigan": ((1, 80, 32), 118_657),
    "hubert": ((1, 16_000), 571_936),
    "keyword_spotter": ((1, 40, 100), 144_716),
    "lama": (64, 29_691),
    "llama": ((1, 32, 96), 80_064),
    "mamba": ((1, 64, 96), 136_608),
    "mel_front_end": ((1, 16_000), 0),
    "super_resolution": (64, 12_236),
    "swin2sr": (32, 68_028),
    "text_recogniser": ((1, 1, 32, 128), 515_301),
    "unet": (96, 121_186),
    "unet_group_norm": (96, 121_186),
    "whisper": ((1, 80, 200), 476_928),
    "yolo": (160, 734_820),
}
# 0.8 MB of image: the slice is 1,116 elements, the rest is what a converter may copy needlessly. On a much smaller input
# only the interpreter's own overhead would be timed.
_MODULE = {
    "slice_relu": (256, 0),
}

_BY_TASK: dict[Task, Mapping[str, tuple[int | tuple[int, ...], int]]] = {
    "classification": _CLASSIFICATION,
    "segmentation": _SEGMENTATION,
    "detection": _DETECTION,
    "video": _VIDEO,
    "optical_flow": _OPTICAL_FLOW,
    "small": _SMALL,
    "module": _MODULE,
}

ENTRIES: dict[str, Entry] = {
    name: Entry(name, task, given, parameters)
    if isinstance(given, int)
    else Entry(name, task, 0, parameters, given)
    for task, models in _BY_TASK.items()
    for name, (given, parameters) in models.items()
}

GROUPS: dict[str, list[str]] = {
    "readme": ["mobilenet_v3_large", "deeplabv3_resnet50", "slice_relu"],
    "common": [
        "mobilenet_v2",
        "mobilenet_v3_large",
        "resnet18",
        "resnet50",
        "efficientnet_b0",
        "squeezenet1_1",
        "mnasnet1_0",
        "regnet_y_400mf",
    ],
    **{task: list(models) for task, models in _BY_TASK.items() if task != "module"},
    "all": list(ENTRIES),
}
"""Names that stand for several models."""
