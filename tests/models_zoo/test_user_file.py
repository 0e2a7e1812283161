"""A user's own file: what it may return, and how its mistakes are told."""

from pathlib import Path

import pytest
import torch

from models_zoo import LoadedModel, ModelError, load, resolve


def _load(tmp_path: Path, source: str, seed: int = 0) -> LoadedModel:
    file = tmp_path / "net.py"
    file.write_text("import torch\nfrom torch import nn\n" + source)
    return load(resolve([f"{file}:make"])[0], seed=seed)


def test_module_alone_gets_an_image(tmp_path: Path) -> None:
    model = _load(tmp_path, "def make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout())\n")
    assert [tuple(a.shape) for a in model.args] == [(1, 3, 224, 224)]
    assert model.weights == "own" and not model.module.training


@pytest.mark.parametrize("args", ["torch.ones(2, 5)", "(torch.ones(2, 5),)", "[torch.ones(2, 5)]"])
def test_module_with_arguments(tmp_path: Path, args: str) -> None:
    model = _load(tmp_path, f"def make():\n    return nn.Linear(5, 1), {args}\n")
    assert [tuple(a.shape) for a in model.args] == [(2, 5)]


def test_arguments_by_keyword(tmp_path: Path) -> None:
    source = (
        "class M(nn.Module):\n    def forward(self, *, image, scale):\n        return image * scale\n"
        "def make():\n    return M(), {'scale': torch.full((3,), 2.0), 'image': torch.ones(3)}\n"
    )
    model = _load(tmp_path, source)
    assert model.args[0].tolist() == [2, 2, 2] and model.module(*model.args).tolist() == [2, 2, 2]


def test_random_weights_follow_the_seed(tmp_path: Path) -> None:
    source = "def make():\n    return nn.Linear(5, 1), torch.ones(1, 5)\n"
    zero, again, one = (_load(tmp_path, source, seed).module.state_dict()["weight"] for seed in (0, 0, 1))
    assert torch.equal(zero, again) and not torch.equal(zero, one)


def test_file_may_import_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_net.py").write_text("WIDTH = 5\n")
    source = (
        "from neighbour_of_net import WIDTH\n"
        "def make():\n    return nn.Linear(WIDTH, 1), torch.ones(1, WIDTH)\n"
    )
    assert _load(tmp_path, source).args[0].shape == (1, 5)


def test_example_arguments_are_not_changed_by_the_trial_run(tmp_path: Path) -> None:
    source = (
        "class M(nn.Module):\n    def forward(self, x):\n        return x.mul_(2)\n"
        "def make():\n    return M(), torch.ones(3)\n"
    )
    assert _load(tmp_path, source).args[0].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "source, message",
    [
        ("def make(:\n    pass\n", r"net\.py: line 3: SyntaxError"),
        ("raise ValueError('too big')\n", r"net\.py: line 3: ValueError: too big"),
        ("def make():\n    raise KeyError('w')\n", r"net\.py:make: line 4: KeyError: 'w'"),
        ("def other():\n    pass\n", r"no function 'make'; it has other"),
        ("def make():\n    return 3\n", r"must return .*not int"),
        ("def make():\n    return 3, 4\n", r"must return .*not tuple\(int, int\)"),
        ("def make():\n    return nn.ReLU(), 4\n", r"arguments must be a tensor.*; not int$"),
        ("def make():\n    return nn.ReLU(), (torch.ones(9), 4)\n", r"; not tuple\(Tensor, int\)$"),
        (
            "def make():\n    return nn.ReLU(), {'x': torch.ones(9), 'n': 4}\n",
            r"not dict\(x=Tensor, n=int\)$",
        ),
        ("def make():\n    return nn.Linear(5, 1)\n", r"fails on its example .*\(1, 3, 224, 224\)"),
        ("def make():\n    import sys\n    sys.exit(0)\n", r"line 5: SystemExit"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _load(tmp_path, source)


def test_error_in_forward_names_the_users_line(tmp_path: Path) -> None:
    source = (
        "class M(nn.Module):\n    def forward(self, x):\n        return x @ x\n"
        "def make():\n    return M(), torch.ones(2, 3)\n"
    )
    with pytest.raises(ModelError, match=r"\(2, 3\): line 5: RuntimeError"):
        _load(tmp_path, source)
