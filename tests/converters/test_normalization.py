"""PyTorch's C++ normalisations take their arguments in another order than its Python functions."""

import pytest
import torch

import nobuco

X = torch.rand(2, 4, 5, 6)
WEIGHT, BIAS, MEAN, VAR = torch.rand(4) + 0.5, torch.rand(4), torch.rand(4), torch.rand(4) + 0.5

PROGRAMS = {
    "batch": lambda x: torch.batch_norm(x, WEIGHT, BIAS, MEAN, VAR, False, 0.1, 1e-5, False),
    "batch without weights": lambda x: torch.batch_norm(x, None, None, MEAN, VAR, False, 0.1, 1e-5, False),
    "batch with its own statistics": lambda x: torch.batch_norm(
        x, WEIGHT, BIAS, None, None, True, 0.1, 1e-5, False
    ),
    "batch with computed statistics": lambda x: torch.batch_norm(
        x, WEIGHT, BIAS, x.mean((0, 2, 3)), VAR, False, 0.1, 1e-5, False
    ),
    "instance": lambda x: torch.instance_norm(x, WEIGHT, BIAS, None, None, True, 0.1, 1e-5, False),
    "instance with statistics": lambda x: torch.instance_norm(
        x, WEIGHT, BIAS, MEAN, VAR, False, 0.1, 1e-5, False
    ),
    "group": lambda x: torch.group_norm(x, 2, WEIGHT, BIAS, 1e-5, False),
    "layer": lambda x: torch.layer_norm(x, (5, 6), X[0, 0], X[0, 1], 1e-5, False),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_right(program) -> None:
    report = nobuco.pytorch_to_keras(program, [X], verbose=False).report
    assert report.ok, str(report)


def test_training_mode_is_refused() -> None:
    with pytest.raises(nobuco.ConversionError, match=r"model\.eval\(\)"):
        nobuco.pytorch_to_keras(
            lambda x: torch.batch_norm(x, WEIGHT, BIAS, MEAN, VAR, True, 0.1, 1e-5, False), [X], verbose=False
        )
