"""What branches and loops return, where one tensor is returned twice or an input is handed on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nobuco
from examples.checking import run_tflite


def written_and_named(x):
    t = x[0] * 2
    if x.max() > 1e3:
        t += x[1]
    return t


def two_names(x):
    t, u = x[0] * 2, x[1]
    if x.mean() > 0:
        t = x[1] * 3
        u = t
    return t, u


def computed_twice(x):
    t, u = x[0], x[1]
    if x.mean() > 0:
        t = x[2] * 3 + x[1]
        u = x[2] * 3 + x[1]
    return t, u


def of_other_types(x):
    k = m = x[0].argmax()
    a = b = x[0].sum() > 0
    if x.mean() > 0:
        k = x[1].argmax()
        m = k
        a = x.sum() > 30
        b = a
    return k, m, a, b


def turned_round(x):
    a, b, c = x[0] * 1.5, x[1], x[2]
    while a.abs().sum() < 100:
        a, b, c = b * 2 + 1, c, a
    return a, b, c


def one_for_two(x):
    a, b = x[0] * 1.5, x[1]
    while a.abs().sum() < 100:
        a = b * 1.5 + a
        b = a
    return a, b


@pytest.mark.parametrize(
    "function",
    [written_and_named, two_names, computed_twice, of_other_types, turned_round, one_for_two],
    ids=lambda each: each.__name__,
)
def test_each_output_is_its_own(function, tmp_path):
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    model = nobuco.pytorch_to_keras(function, [x], verbose=False, full_validation=False, strict=True)
    file = nobuco.export_tflite(model, tmp_path / "model.tflite")
    for each in (x, -x, x * 1e4, x + 2):
        wanted = function(each.clone())
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for ours, theirs in zip(run_tflite(file.path, [each.numpy()]), wanted, strict=True):
            assert np.allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4)
