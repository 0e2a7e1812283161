"""PyTorch's own sample inputs for its ops. The only module here that uses `torch.testing._internal`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

Sample = tuple[tuple[Any, ...], dict[str, Any]]


@cache
def op_infos() -> dict[str, Any]:
    """By name, with the variant behind a dot: "add", "norm.fro"."""
    return {info.full_name: info for info in op_db}


@cache
def samples(name: str, dtype: torch.dtype, count: int) -> list[Sample]:
    """Arguments for the op, at most `count`, spread over all that PyTorch has; the same in every run."""
    info = op_infos()[name]
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [((s.input, *s.args), dict(s.kwargs)) for s in _generated(info, dtype)]
    finally:
        torch.random.set_rng_state(state)
    step = max(len(found) / count, 1.0)
    return [found[int(i * step)] for i in range(min(count, len(found)))]


def _generated(info: Any, dtype: torch.dtype) -> Iterator[Any]:
    for number, sample in enumerate(info.sample_inputs("cpu", dtype, requires_grad=False)):
        if number == 100:
            return
        yield sample


def takes(name: str, dtype: torch.dtype) -> bool:
    return dtype in op_infos()[name].dtypes
