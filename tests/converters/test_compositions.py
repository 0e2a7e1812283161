"""Every composition computes what PyTorch's own function does; those of C++ are looked into."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import nobuco
import nobuco.node_converters
from nobuco import ChannelOrder
from nobuco.contract.composition import all_compositions, composition_of
from nobuco.contract.sites import name_of
from nobuco.contract.tree import tree_leaves
from tests.converters.harness import problems
from tests.converters.op_samples import op_infos, samples


def _entries() -> list[tuple[str, Any]]:
    """The entries of PyTorch's table whose op has a composition."""
    known = all_compositions()
    found = []
    for name, info in op_infos().items():
        op = info.op
        if (
            any(each is not None and each in known for each in (op, info.method_variant))
            and torch.float32 in info.dtypes
        ):
            found.append((name, op if op in known else info.method_variant))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "op"), _entries(), ids=lambda each: each if isinstance(each, str) else "")
def test_a_composition_is_the_function(name: str, op: Any) -> None:
    function = composition_of(op)
    assert function is not None
    for args, kwargs in samples(name, torch.float32, 12):
        if not all(leaf.numel() for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)):
            continue
        expected = op(*args, **kwargs)
        if name.startswith(("linalg.matrix_norm", "linalg.norm")) and _is_converted(name, args, kwargs):
            continue
        if name.startswith(("scatter_reduce",)) and "prod" not in args:
            continue
        found = function(*args, **kwargs)
        # of lstsq the solution alone, whose residuals and ranks the composition leaves empty
        _same(*(each[0] if name == "linalg.lstsq" else each for each in (found, expected)))


def _is_converted(name: str, args: Any, kwargs: Any) -> bool:
    order = kwargs.get("ord", args[1] if len(args) > 1 else None)
    dim = kwargs.get("dim", args[2] if len(args) > 2 else None)
    whole = name == "linalg.norm" and (
        (dim is None and args[0].dim() != 2) or isinstance(dim, int) or (dim is not None and len(dim) == 1)
    )
    return whole or order not in ("nuc", 2, -2)


def _same(found: Any, expected: Any) -> None:
    if isinstance(expected, Tensor):
        assert found.shape == expected.shape and found.dtype == expected.dtype
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4, equal_nan=True)
        return
    for a, b in zip(found, expected, strict=True):
        if b.numel():
            _same(a, b)


def test_what_is_written_in_cpp_is_looked_into() -> None:
    def program(x: Tensor) -> Tensor:
        return torch.cov(x) + torch.corrcoef(x) + torch.trapezoid(x)

    assert not list(problems(program, [torch.rand(4, 6)], {}, 1e-4))


def test_a_composition_of_the_users_own() -> None:
    known = dict(all_compositions())
    op = torch.special.hermite_polynomial_he
    assert op not in known

    @nobuco.composition(op)
    def hermite(x: Tensor, n: int) -> Tensor:
        before, now = torch.ones_like(x), x
        for k in range(1, n):
            before, now = now, x * now - k * before
        return now

    try:
        order = {"inputs_channel_order": ChannelOrder.PYTORCH, "outputs_channel_order": ChannelOrder.PYTORCH}
        model = nobuco.pytorch_to_keras(lambda x: op(x, 3), [torch.rand(3, 4)], verbose=False, **order)
        assert model.report.ok
    finally:
        from nobuco.contract import composition

        composition._compositions.pop(op)


def test_every_composition_stands_for_a_function_without_a_converter_that_takes_all() -> None:
    from nobuco.contract.registry import find_converter

    double = []
    for op in all_compositions():
        first = find_converter(op)
        if first is not None and first.accepts is None:
            double.append(name_of(op))
    assert double == []
