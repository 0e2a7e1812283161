"""Tensors of whatever memory happens to hold: filled later, and never compared as they were."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import nobuco

MAKERS = {
    "empty": lambda x: torch.empty(6, 4),
    "empty_like": torch.empty_like,
    "new_empty": lambda x: x.new_empty(6, 4),
    "empty_strided": lambda x: torch.empty_strided((6, 4), (4, 1)),
    "empty_permuted": lambda x: torch.empty_permuted((6, 4), (0, 1)),
}


@pytest.fixture(autouse=True)
def memory_that_holds_something():
    """Blocks of the size that is about to be asked for, used and let go of."""
    for _ in range(8):
        torch.full((6, 4), 7.3)


@pytest.mark.parametrize("name", MAKERS)
def test_it_is_filled_later(name):
    def model(x):
        out = MAKERS[name](x)
        out[:, :2] = x[:, :2] * 2
        out[:, 2:] = 1
        return out

    x = torch.randn(6, 4)
    converted = nobuco.pytorch_to_keras(model, [x], verbose=False, strict=True)
    assert converted.report.ok
    assert np.allclose(converted(-x.numpy()), model(-x), rtol=1e-5)


def test_inside_a_function_of_pytorch():
    def model(x):
        return F.cosine_embedding_loss(x, x * 2 + 1, torch.tensor([1, -1, 1, 1, -1, 1]), reduction="none")

    assert nobuco.pytorch_to_keras(model, [torch.randn(6, 4)], verbose=False, strict=True).report.ok
