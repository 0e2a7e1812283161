"""What draws at random. No conversion of it could be checked against PyTorch, so there is none to fall into."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from nobuco.contract.registry import impossible

_NAMES = (
    "rand", "rand_like", "randn", "randn_like", "randint", "randint_like", "randperm", "normal", "bernoulli",
    "multinomial", "poisson", "rrelu", "uniform", "exponential", "geometric", "cauchy", "log_normal", "random",
)  # fmt: skip


def _ops() -> list[Any]:
    homes = (torch, torch.Tensor)
    found = [getattr(home, each, None) for home in homes for name in _NAMES for each in (name, f"{name}_")]
    # torch.random is a module
    return [op for op in found if callable(op) and not isinstance(op, type(torch))] + [F.gumbel_softmax]


impossible(
    *_ops(),
    because="it draws at random, which cannot be checked against PyTorch. Pass the noise as an input of the model, or "
    "register a converter of your own (tf.random)",
)
