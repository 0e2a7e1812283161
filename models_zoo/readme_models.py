"""Modules of the README's benchmark that torchvision does not have."""

import torch
from torch import Tensor, nn


class SliceReLU(nn.Module):
    """ReLU on a strided slice of an image (B, C, H, W), written back by slice assignment: in place."""

    def forward(self, x: Tensor) -> Tensor:
        """Change x (B, C, H, W) in place, and return it."""
        x[:, 1:2, 16:25, 8::2] = torch.relu_(x[:, 1:2, 16:25, 8::2])
        return x


MODULES: dict[str, type[nn.Module]] = {"slice_relu": SliceReLU}
