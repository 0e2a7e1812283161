"""Small models of kinds that torchvision lacks: their structure is the kind's, their widths are not."""

from collections.abc import Callable

from torch import nn

from models_zoo.small.denoiser import Denoiser
from models_zoo.small.detr import Detr
from models_zoo.small.fourier_operator import FourierOperator
from models_zoo.small.hifigan import HifiGan
from models_zoo.small.hubert import Hubert
from models_zoo.small.keyword_spotter import KeywordSpotter
from models_zoo.small.lama import Lama
from models_zoo.small.llama import Llama
from models_zoo.small.mamba import Mamba
from models_zoo.small.mel_front_end import MelFrontEnd
from models_zoo.small.super_resolution import SuperResolution
from models_zoo.small.swin2sr import Swin2SR
from models_zoo.small.text_recogniser import TextRecogniser
from models_zoo.small.unet import UNet
from models_zoo.small.whisper import Whisper
from models_zoo.small.yolo import Yolo

MODELS: dict[str, Callable[[], nn.Module]] = {
    "denoiser": Denoiser,
    "detr": Detr,
    "fourier_operator": FourierOperator,
    "hifigan": HifiGan,
    "hubert": Hubert,
    "keyword_spotter": KeywordSpotter,
    "lama": Lama,
    "llama": Llama,
    "mamba": Mamba,
    "mel_front_end": MelFrontEnd,
    "super_resolution": SuperResolution,
    "swin2sr": Swin2SR,
    "text_recogniser": TextRecogniser,
    "unet": UNet,
    "unet_group_norm": lambda: UNet(lambda width: nn.GroupNorm(4, width)),
    "whisper": Whisper,
    "yolo": Yolo,
}
