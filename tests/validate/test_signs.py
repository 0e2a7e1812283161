"""Factorisations are right with either sign of a vector, and wrong with the signs of one factor alone."""

import numpy as np
import pytest
import torch

import nobuco
from nobuco.node_converters import _signs


def product(x):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    return u * s @ vh


def whole_bases(x):
    u, s, vh = torch.linalg.svd(x)
    return (u[:, :4] * s @ vh).relu()


def eigenvectors(x):
    values, vectors = torch.linalg.eigh(x.T @ x)
    return vectors.abs(), values


def triangle(x):
    q, r = torch.linalg.qr(x)
    return q @ r, r.abs()


@pytest.mark.parametrize("model", [product, whole_bases, eigenvectors, triangle, torch.linalg.pinv])
def test_what_does_not_depend_on_the_signs(model):
    for seed in range(3):
        x = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))
        assert nobuco.pytorch_to_keras(model, [x], verbose=False, strict=True).report.ok


def test_what_does_is_told():
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    with pytest.warns(nobuco.DiscrepancyWarning, match="finished model"):
        nobuco.pytorch_to_keras(lambda x: torch.linalg.svd(x, full_matrices=False)[0] * 2, [x], verbose=False)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_the_factors_are_turned_together(dtype):
    random = np.random.default_rng(0)
    x = random.normal(size=(5, 3)) + (1j * random.normal(size=(5, 3)) if dtype is np.complex64 else 0)
    u, s, vh = np.linalg.svd(x.astype(dtype), full_matrices=False)
    turn = (
        np.exp(1j * np.array([1, 2, 3])).astype(dtype)
        if dtype is np.complex64
        else np.array([-1, 1, -1], dtype)
    )
    turned = _signs.of_singular_vectors([u * turn, s, vh / turn[:, None]], [u, s, vh])
    assert all(np.allclose(*pair, atol=1e-5) for pair in zip(turned, [u, s, vh], strict=True))
    wrong = _signs.of_singular_vectors([u * turn, s, vh], [u, s, vh])
    assert not np.allclose(wrong[2], vh, atol=1e-2)
