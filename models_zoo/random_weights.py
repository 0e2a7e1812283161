"""Inputs from a seed, and batch-norm statistics with which a randomly initialised network has useful outputs.

With the statistics that a fresh network starts with (mean 0, variance 1) activations shrink or explode layer by
layer, and outputs end up as zeros or infinities: every comparison with a converted model would then pass, or
fail, for the wrong reason. Measuring the statistics on seeded images keeps each layer at unit scale.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# deeplabv3 normalises over 1x1 maps, for which it needs more than one image.
_CALIBRATION_BATCH = 4


def seeded_images(shape: tuple[int, ...], seed: int) -> Tensor:
    """Image-like noise (B, C, H, W) with mean 0 and standard deviation 1, like ImageNet-normalised photographs.

    Noise at several scales is added up: under white noise alone all images look the same to a network, and
    its outputs hardly depend on the input.
    """
    generator = torch.Generator().manual_seed(seed)
    batch, channels, height, width = shape
    image = torch.zeros(shape)
    for cells in (1, 4, 16, 64):
        noise = torch.randn((batch, channels, cells, cells), generator=generator)
        image += nn.functional.interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
    image += 0.25 * torch.randn(shape, generator=generator)
    return (image - image.mean()) / image.std()


def calibrate_batch_norm(module: nn.Module, input_shape: tuple[int, ...], seed: int) -> None:
    """Set the running statistics of every batch norm in `module` to those of a seeded batch (B, C, H, W).

    Everything else stays in evaluation mode (dropout and stochastic depth would make the result random).
    """
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        # A cumulative average: of the first batch alone, not mixed with the initial 0 and 1.
        norm.momentum = None
        norm.train()
    try:
        with torch.no_grad():
            module(seeded_images((_CALIBRATION_BATCH, *input_shape[1:]), seed))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed torch's generator and run on one thread, and restore both afterwards.

    One thread, because with more of them sums are taken in another order, and the weights would depend on the
    number of cores.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
