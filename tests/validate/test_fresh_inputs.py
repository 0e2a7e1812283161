"""Fresh inputs: of the given kind and range, and yet others."""

import pytest
import torch

from nobuco.validate.model import fresh_inputs


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(3, 4),
        torch.rand(()),
        torch.ones(3),
        torch.tensor([1.0, float("nan"), float("inf")]),
        torch.full((2,), float("nan")),
        torch.zeros(0, 3),
        torch.arange(6).reshape(2, 3),
        torch.tensor(3),
        torch.tensor([True, False]),
        torch.randn(2, dtype=torch.complex64),
    ],
)
def test_kind_and_range(tensor):
    (fresh,) = fresh_inputs([tensor])
    assert (fresh.shape, fresh.dtype) == (tensor.shape, tensor.dtype)
    if tensor.is_floating_point() and torch.isfinite(tensor).any():
        finite = tensor[torch.isfinite(tensor)]
        drawn = fresh[torch.isfinite(fresh)]
        assert drawn.min() >= min(finite.min(), torch.tensor(0.0)) and drawn.max() <= finite.max()
        assert not torch.equal(drawn.sum(), finite.sum())
    elif not tensor.is_floating_point() and not tensor.is_complex():
        assert sorted(fresh.flatten().tolist()) == sorted(tensor.flatten().tolist())
