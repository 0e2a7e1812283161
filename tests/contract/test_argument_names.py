"""Every name that PyTorch has for an argument, in any of a function's forms, against the converters' own."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import nobuco
from nobuco.contract.arguments import _arrangement
from nobuco.contract.registry import converters_of
from nobuco.contract.sites import name_of

# Where results are put, and how they lie in memory: nothing for a converter. `out_dtype` is for CUDA alone.
_OF_NO_CONCERN = {
    "self", "out", "device", "layout", "pin_memory", "requires_grad", "generator", "memory_format", "non_blocking",
    "out_dtype",
}  # fmt: skip
_OPERATORS = {"__getitem__", "__setitem__"}  # Python calls them, by place


def _forms(file: str, owner: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """The functions that one of PyTorch's stubs declares: a name and its arguments for each form."""
    body = ast.parse((Path(torch.__file__).parent / "_C" / file).read_text()).body
    if owner is not None:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == owner).body
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name not in _OPERATORS:
            yield (
                node.name,
                [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)],
            )


def _unknown_names() -> Iterator[str]:
    homes = ((torch, "_VariableFunctions.pyi", None), (torch.Tensor, "__init__.pyi", "TensorBase"))
    for home, file, owner in homes:
        for name, arguments in _forms(file, owner):
            op = getattr(home, name, None)
            for entry in converters_of(op):
                signature = inspect.signature(inspect.unwrap(entry.function))
                if any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()):
                    continue
                given: dict[str, Any] = {each: each for each in arguments if each not in _OF_NO_CONCERN}
                _, named = _arrangement(signature)(("self",) if home is torch.Tensor else (), given)
                for each in set(named) - set(signature.parameters):
                    yield f"{name_of(op)}({each}=)"


def test_every_name_is_known() -> None:
    assert set(_unknown_names()) == set()


class _Named(torch.nn.Module):
    def __init__(self, call: Any) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: torch.Tensor) -> Any:
        return self.call(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: torch.tensor_split(x, indices=(1, 3), dim=1),
        lambda x: torch.tensor_split(input=x, sections=3),
        lambda x: torch.hsplit(x, indices=[1]),
        lambda x: torch.mm(input=x, mat2=x),
        lambda x: torch.addmm(input=x, mat1=x, mat2=x, beta=2),
        lambda x: torch.addmv(x[0], mat=x, vec=x[1]),
        lambda x: torch.addr(input=x, vec2=x[1], vec1=x[0]),
        lambda x: torch.baddbmm(x[None], batch2=x[None] + 1, batch1=x[None]),
        lambda x: x[0].dot(tensor=x[1]),
        lambda x: torch.constant_pad_nd(x, pad=[1, 2], value=3),
    ],
)
def test_names_of_other_forms(call: Any) -> None:
    model = nobuco.pytorch_to_keras(_Named(call).eval(), [torch.rand(4, 4)], verbose=False)
    assert model.report.ok, str(model.report)
