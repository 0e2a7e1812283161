"""Tables whose rows are scaled down as they are looked up."""

import numpy as np
import pytest
import torch
from torch import nn

import nobuco


@pytest.mark.parametrize("settings", [{"max_norm": 1.0}, {"max_norm": 2.0, "norm_type": 1.0}])
def test_an_embedding(settings):
    torch.manual_seed(0)
    model = nn.Embedding(10, 4, **settings).eval()
    before = model.weight.detach().clone()
    converted = nobuco.pytorch_to_keras(model, [torch.tensor([1, 2, 3])], verbose=False, strict=True)
    assert torch.equal(model.weight, before)
    ids = torch.arange(10)[7:]
    assert np.allclose(converted(ids.numpy()), model(ids).detach(), rtol=1e-5)


def test_of_two_tables_none_is_changed():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Embedding(10, 4, max_norm=0.5), nn.Embedding(10, 4, max_norm=0.5)

        def forward(self, x):
            return self.a(x) + self.b(x)

    model = Two().eval()
    before = [each.detach().clone() for each in model.parameters()]
    nobuco.pytorch_to_keras(model, [torch.tensor([1, 2, 3])], verbose=False, strict=True)
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_a_bag_is_refused_with_the_way_out():
    model = nn.EmbeddingBag(10, 4, max_norm=1.0).eval()
    with pytest.raises(nobuco.ConversionError, match=r"Scale its rows down once.*set max_norm to None"):
        nobuco.pytorch_to_keras(model, [torch.tensor([[1, 2, 3]])], verbose=False)
    with torch.no_grad():
        model(torch.arange(10)[None])
    model.max_norm = None
    assert nobuco.pytorch_to_keras(model, [torch.tensor([[1, 2, 3]])], verbose=False, strict=True).report.ok
