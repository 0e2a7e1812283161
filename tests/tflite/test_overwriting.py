"""Writing to a place more than once: the last write counts, in the file as in PyTorch, and nothing is added up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor

import nobuco
from nobuco import ChannelOrder
from nobuco.tflite import export_tflite

Program = Callable[[Tensor, Tensor, Tensor], object]


def _file(program: Program, arguments: list[Tensor], path: Path) -> Callable[..., list[np.ndarray]]:
    keras_model = nobuco.pytorch_to_keras(
        program, args=[each.clone() for each in arguments], verbose=False,
        inputs_channel_order=ChannelOrder.PYTORCH, outputs_channel_order=ChannelOrder.PYTORCH,
    )  # fmt: skip
    export_tflite(keras_model, path)
    run = Interpreter(str(path)).get_signature_runner()

    def outputs(*given: Tensor) -> list[np.ndarray]:
        found = run(**{name: each.numpy() for name, each in zip("xij", given, strict=True)})
        return [found[name] for name in sorted(found, key=lambda name: int(name.rpartition("_")[2]))]

    return outputs


def _program(*statements: str) -> Program:
    """Each statement writes to an `x` of its own."""
    lines = [f"    x = start.clone()\n    {each}\n    ends.append(x)" for each in statements]
    source = "\n".join(["def program(x, i, j):\n    start, ends = x, []", *lines, "    return tuple(ends)"])
    names: dict[str, object] = {"torch": torch}
    exec(source, names)
    return names["program"]  # type: ignore[return-value]


_WAYS = {
    "numbers": ("x[i] = 0", "x[:, i] = 0", "x[i, :, j] = 0", "x[..., j] = 1", "x[:, i, 2] = 0", "x[i, 1:3] = 0",
                "x[:, None, i] = 0", "x[i, 0, j] = 3"),
    "what was there": ("x[i] += 1", "x[:, i] *= 2", "x[i, ..., j] -= 1", "x[i] = x[i] * 2", "x[1, i] = x[2, j]"),
    "different values": ("x[i, j] = torch.arange(10.0).view(2, 5)", "x[1, :, j] = torch.arange(8.0).view(4, 2)",
                         "x.index_put_((i, j), x[0, :2] + 1)", "x.index_copy_(1, i, x[:, 2:] + 1)",
                         "x.put_(i, torch.arange(2.0))", "x[:, i] = torch.arange(2.0)[:, None]",
                         "x.scatter_(1, i.view(1, 2, 1).expand(3, 2, 5), x[:, 2:] + 1)"),
    "constant places": ("x[[1, 1, 2]] = 5.0", "x[[1, 1]] = x[:2].flip(0)", "x[:, [0, 3]] = x[:, :2] + 1",
                        "x[[0, 0], :, [1, 1]] += 1"),
    "a mask beside places": ("x[x[:, 0, 0] > 0.5, 1] = 0", "x[x > 0.5] = x.flatten()[:1]"),
}  # fmt: skip


@pytest.mark.parametrize("kind", _WAYS)
def test_the_last_write_counts(kind: str, tmp_path: Path) -> None:
    program = _program(*_WAYS[kind])
    x = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    x[0, 0, 0], x[1, 0, 0], x[2, 0, 0] = 0.9, 0.1, 0.8
    run = _file(program, [x, torch.tensor([0, 1]), torch.tensor([2, 3])], tmp_path / "m.tflite")
    for i, j in (([0, 1], [2, 3]), ([1, 1], [2, 2]), ([2, 2], [1, 2]), ([0, 2], [0, 0])):
        given = x.flip(1), torch.tensor(i), torch.tensor(j)
        for statement, found, wanted in zip(_WAYS[kind], run(*given), program(*given), strict=True):  # type: ignore[arg-type]
            np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=f"{statement} with i={i}, j={j}")


def test_marks_in_zeros(tmp_path: Path) -> None:
    def program(x: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, ...]:
        marks, grid = torch.zeros(3, 5), torch.zeros(8, 8, dtype=torch.int64)
        cells = (x * 8).long().clamp(0, 7)
        grid[cells[:, 0, 0], cells[:, 0, 1]] = 1
        marks[0, x[0].argmax(1)] = 1.0
        marks[1, i] = marks[2, j] + 1
        return marks, grid

    x = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    run = _file(program, [x, torch.tensor([0, 1]), torch.tensor([2, 3])], tmp_path / "m.tflite")
    given = torch.full_like(x, 0.3), torch.tensor([1, 1]), torch.tensor([0, 0])
    for found, wanted in zip(run(*given), program(*given), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "statement", ["x[:, i] = 0", "x[:, [0, 2]] = x[:, :2] * 0 + 1", "x.index_copy_(0, i, x[:2] * 0)"]
)
def test_what_is_overwritten_may_be_infinite(statement: str, tmp_path: Path) -> None:
    program = _program(statement)
    given = torch.ones(3, 4, 5), torch.tensor([0, 1]), torch.tensor([2, 3])
    run = _file(program, list(given), tmp_path / "m.tflite")
    infinite = torch.full((3, 4, 5), float("-inf"))
    found, wanted = run(infinite, *given[1:]), program(infinite, *given[1:])
    np.testing.assert_array_equal(found[0], wanted[0])  # type: ignore[index]


def test_complex_numbers(tmp_path: Path) -> None:
    def program(x: Tensor, i: Tensor, j: Tensor) -> Tensor:
        turned = torch.complex(x, x + 1)
        turned[:, i] = turned[:, j]
        return torch.view_as_real(turned)

    x = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    run = _file(program, [x, torch.tensor([0, 1]), torch.tensor([2, 3])], tmp_path / "m.tflite")
    given = x, torch.tensor([1, 1]), torch.tensor([2, 3])
    np.testing.assert_array_equal(run(*given)[0], program(*given))
