"""Inputs from a seed, and batch-norm statistics with which a randomly initialised network has useful outputs.

With the statistics that a fresh network starts with (mean 0, variance 1) activations shrink or explode layer by
layer, and outputs end up as zeros or infinities: every comparison with a converted model would then pass, or
fail, for the wrong reason. Measuring the statistics on seeded images keeps each layer at unit scale.
"""

from collections.abc import Iterator, Sequence
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


def _seeded_sound(shape: tuple[int, ...], seed: int) -> Tensor:
    """Spectrograms are pictures. In waves all octaves are as loud, as nearly so in speech and music."""
    if len(shape) == 3:
        return seeded_images((shape[0], 1, *shape[1:]), seed)[:, 0]
    generator = torch.Generator().manual_seed(seed)
    wave = torch.zeros(shape)
    for octave in range(shape[1].bit_length()):
        noise = torch.randn((shape[0], 1, 2**octave), generator=generator)
        wave += nn.functional.interpolate(noise, size=shape[1], mode="linear", align_corners=False)[:, 0]
    return (wave - wave.mean()) / wave.std()


def seeded_inputs(shapes: Sequence[tuple[int, ...]], seed: int) -> tuple[Tensor, ...]:
    """Images (B, C, H, W) or videos (B, C, T, H, W) of a scene that moves: by a step with each frame and each input.

    Sounds are waves (B, samples) and spectrograms (B, bands, steps); other sequences are as spectrograms.
    """
    inputs = []
    for i, shape in enumerate(shapes):
        if len(shape) < 4:
            inputs.append(_seeded_sound(shape, seed))
            continue
        scene = seeded_images((*shape[:2], *shape[-2:]), seed)
        frames = [
            scene.roll((i + t, 2 * (i + t)), dims=(-2, -1)) for t in range(shape[2] if len(shape) == 5 else 1)
        ]
        inputs.append(torch.stack(frames, dim=2) if len(shape) == 5 else frames[0])
    return tuple(inputs)


def give_outputs(module: nn.Module, input_shapes: Sequence[tuple[int, ...]], seed: int) -> None:
    """Make the outputs of a fresh network depend on its inputs: no weights that are zero, batch norms measured.

    Args:
        module: In evaluation mode.
        input_shapes: Of its inputs.
        seed: That of its example inputs; the network is measured on others, lest it be normalised for these.
    """
    for name, parameter in module.named_parameters():
        # Some networks begin as if a layer were not there: transformers' classifiers, ConvNeXt's residual branches.
        if name.endswith("layer_scale"):
            nn.init.constant_(parameter, 0.1)
        elif parameter.dim() >= 2 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    calibrate_batch_norm(module, input_shapes, seed + 1)


def calibrate_batch_norm(module: nn.Module, input_shapes: Sequence[tuple[int, ...]], seed: int) -> None:
    """Set the running statistics of every batch norm in `module` to those of a seeded batch.

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
            module(*seeded_inputs([(_CALIBRATION_BATCH, *shape[1:]) for shape in input_shapes], seed))
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
