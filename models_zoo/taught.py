"""A random network that is taught to tell scenes apart, so that its answers are a matter of more than rounding.

The classes of a random network are ties but for the third digit: a file whose numbers are nearly right names other ones. Its
features tell images apart all the same. The last linear layer is fitted to them by least squares (ridge regression on the
features of a few views of each scene, see Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 3.4.1),
which gives answers as clear as those of a trained network in some seconds, and from a seed alone.
"""

import torch
from torch import Tensor, nn

from models_zoo.errors import ModelError
from models_zoo.random_weights import seeded_images

SCENES = 100
_VIEWS = 4  # of each scene, to learn from
_SCENE, _REST = 0.9995, 0.03  # of a view; their squares add up to 1
_RIDGE = 1e-2  # of the mean square of the features
_FIRST_SCENE, _FIRST_VIEW, _FIRST_LESSON = (
    100_000,
    200_000,
    900_000,
)  # seeds, apart from those of other images
_FAINT = 0.1  # of a taught class: what a class beyond the scenes answers


def taught_view(shape: tuple[int, ...], number: int, seed: int) -> Tensor:
    """A view (B, C, H, W) of scene `number % SCENES`: the scene, and in part something else."""
    return _view(shape, number % SCENES, seed + _FIRST_VIEW + number, seed)


def _view(shape: tuple[int, ...], scene: int, view_seed: int, seed: int) -> Tensor:
    return _SCENE * seeded_images(shape, seed + _FIRST_SCENE + scene) + _REST * seeded_images(
        shape, view_seed
    )


def teach(module: nn.Module, shape: tuple[int, ...], seed: int) -> None:
    """Fit the last linear layer of a classifier of images (B, 3, H, W) to the scenes of the seed.

    Raises:
        ModelError: What it returns is not what its last linear layer does.
    """
    layer = _last_linear(module)
    features: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].detach()))
    try:
        with torch.no_grad():
            for number in range(_VIEWS * SCENES):
                answer = module(_view((1, *shape[1:]), number % SCENES, seed + _FIRST_LESSON + number, seed))
    finally:
        hook.remove()
    if (
        not isinstance(answer, Tensor)
        or answer.shape != (1, layer.out_features)
        or len(features) != _VIEWS * SCENES
    ):
        raise ModelError(
            "weights 'taught' are for classifiers that end in a linear layer; give --weights random"
        )
    _fit(layer, torch.cat([each.reshape(1, -1) for each in features]))


def _last_linear(module: nn.Module) -> nn.Linear:
    layers = [each for each in module.modules() if isinstance(each, nn.Linear)]
    if not layers:
        raise ModelError(
            "weights 'taught' are for classifiers that end in a linear layer; give --weights random"
        )
    return layers[-1]


def _fit(layer: nn.Linear, features: Tensor) -> None:
    """Row i of `features` (views, features) is a view of scene i % SCENES."""
    x = features.double()
    mean = x.mean(0)
    x = x - mean
    scenes = torch.arange(len(x)) % SCENES
    wanted = torch.nn.functional.one_hot(scenes, SCENES).double() - 1 / SCENES
    kernel = x @ x.T
    ridge = _RIDGE * kernel.diagonal().mean() * torch.eye(len(x), dtype=torch.float64)
    weight = (x.T @ torch.linalg.solve(kernel + ridge, wanted)).T
    rows = torch.arange(layer.out_features)
    share = torch.where(rows < SCENES, 1.0, _FAINT).double()
    with torch.no_grad():
        taught = weight[rows % SCENES] * share[:, None]
        layer.weight.copy_(taught)
        if layer.bias is not None:
            layer.bias.copy_(-taught @ mean)
