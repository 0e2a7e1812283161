"""A random network that has learnt to tell scenes apart: its answers are clear, and from the seed alone."""

import pytest
import torch
from torch import nn

import models_zoo
from models_zoo import ModelError
from models_zoo.taught import SCENES, taught_view, teach

SHAPE = (1, 3, 32, 32)


def a_network(classes: int = 120) -> nn.Module:
    torch.manual_seed(0)
    features = nn.Conv2d(3, 32, 5, 2), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(3)
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(576, classes)).eval()


def answers(network: nn.Module) -> torch.Tensor:
    views = [taught_view(SHAPE, number, 0) for number in range(SCENES)]
    with torch.no_grad():
        return torch.cat([network(view) for view in views])


def test_it_tells_views_apart_that_it_has_not_seen() -> None:
    network = a_network()
    before = answers(network)
    teach(network, SHAPE, 0)
    found = answers(network)
    scenes = torch.arange(SCENES)
    assert (found.argmax(1) == scenes).float().mean() > 0.95
    assert (before.argmax(1) == scenes).float().mean() < 0.1
    first, second = found.topk(2).values.T
    assert ((first - second) / first).median() > 0.3, "no ties"
    again = a_network()
    teach(again, SHAPE, 0)
    assert torch.equal(again[-1].weight, network[-1].weight)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "network",
    [nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(32, 8)],
    ids=["no linear layer", "no classifier"],
)
def test_what_cannot_be_taught_says_so(network: nn.Module) -> None:
    with pytest.raises(ModelError, match="classifiers that end in a linear layer; give --weights random"):
        teach(network.eval(), SHAPE, 0)


def test_a_taught_model_has_views_of_its_scenes_for_inputs() -> None:
    (spec,) = models_zoo.resolve(["mobilenet_v3_small"], 32)
    plain = models_zoo.load(spec, weights="taught", teach=False)
    random = models_zoo.load(spec)
    assert all(
        torch.equal(a, b) for a, b in zip(plain.module.parameters(), random.module.parameters(), strict=True)
    )
    (view,) = plain.args
    assert torch.equal(view, taught_view(SHAPE, 0, 0))
    further = plain.further_args(SCENES)
    assert further is not None and not torch.equal(further[0], view)
    assert torch.nn.functional.mse_loss(further[0], view) < 0.01, "another view of the same scene"
