"""Each op of the table on PyTorch's own sample inputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from converters.harness import graph_tensors_of, problems
from converters.op_samples import op_infos, samples
from converters.own_cases import CASES
from converters.table import EXPORTED, REFUSED, ROWS, Row
from torch.utils import _pytree as pytree

import nobuco
from nobuco.build.nodes import ConversionError
from nobuco.node_converters.registry import Converter, all_converters
from nobuco.tflite import export_tflite

_DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}
_SAMPLES = 4


def _taken(row: Row, dtype: torch.dtype) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    found = samples(row.name, dtype, 200 if row.taken else _SAMPLES)
    if row.taken is not None:
        found = [(args, kwargs) for args, kwargs in found if row.taken(args, kwargs)]
    return found[:: max(len(found) // _SAMPLES, 1)][:_SAMPLES]


def _found(
    row: Row, function: Any, args: Any, kwargs: Any, used: set[Converter] | None = None
) -> Iterator[str]:
    for count in graph_tensors_of(args, kwargs):
        yield from problems(function, args, kwargs, row.tolerance, count, used)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_op(row: Row) -> None:
    for dtype in row.dtypes:
        taken = _taken(row, _DTYPES[dtype])
        assert taken, f"PyTorch has no {dtype} samples that the filter takes"
        for args, kwargs in taken:
            assert not list(_found(row, op_infos()[row.name].op, args, kwargs))


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_method_and_in_place(row: Row) -> None:
    info = op_infos()[row.name]
    args, kwargs = _taken(row, _DTYPES[row.dtypes[0]])[0]
    variants = [each for each in (info.method_variant, info.inplace_variant) if each is not None]
    for variant in variants:
        try:
            variant(
                *pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, args),
                **kwargs,
            )
        except (RuntimeError, TypeError):  # not for these arguments: PyTorch itself refuses
            continue
        assert not list(problems(variant, args, kwargs, row.tolerance))


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.taken], ids=lambda row: row.name)
def test_filter_is_needed(row: Row) -> None:
    dtype = _DTYPES[row.dtypes[0]]
    left_out = [sample for sample in samples(row.name, dtype, 200) if row.taken and not row.taken(*sample)]
    assert left_out, "the filter leaves nothing out"
    args, kwargs = left_out[0]
    with pytest.raises(nobuco.NobucoError):
        list(problems(op_infos()[row.name].op, args, kwargs, row.tolerance))


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_refused_with_a_reason(name: str, reason: str) -> None:
    info = op_infos()[name]
    dtype = next(each for each in _DTYPES.values() if each in info.dtypes)
    args, kwargs = samples(name, dtype, 200)[-1]
    with pytest.raises(ConversionError, match=reason):
        list(problems(info.op, args, kwargs, 1e-4))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_own_case(case: Any) -> None:
    program = case.program()
    torch.manual_seed(0)
    args, kwargs = case.arguments()
    assert not list(problems(program, args, kwargs, case.tolerance, case.graph_tensors))


def test_every_converter_is_tested() -> None:
    """By a row of the table, a case of our own, a refusal or a test file for it alone."""
    used: set[Converter] = set()
    for row in ROWS.values():
        for dtype in row.dtypes:
            for args, kwargs in _taken(row, _DTYPES[dtype]):
                for _ in problems(op_infos()[row.name].op, args, kwargs, 1e-4, used=used, only_trace=True):
                    pass
    for case in CASES:
        torch.manual_seed(0)
        args, kwargs = case.arguments()
        for _ in problems(case.program(), args, kwargs, 1e-4, case.graph_tensors, used, only_trace=True):
            pass
    untested = [entry for entry in all_converters() if entry.builtin and entry not in used]
    names = sorted(entry.function.__name__ for entry in untested)
    assert names == [
        "gru",
        "lstm",
        "random",
        "rnn",
        "value_dependent",
    ]  # refused above, or in test_recurrent.py


def _simple(name: str) -> tuple[Any, torch.Tensor]:
    """The op as a function of its first tensor."""
    for args, kwargs in _taken(ROWS[name], _DTYPES[ROWS[name].dtypes[0]]):
        leaves, structure = pytree.tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if tensors[0] is leaves[0] and tensors[0].dim() and all(each.numel() for each in tensors):

            def function(x: torch.Tensor, leaves=leaves, structure=structure) -> Any:
                args, kwargs = pytree.tree_unflatten([x, *leaves[1:]], structure)
                return op_infos()[name].op(*args, **kwargs)

            return function, tensors[0]
    raise AssertionError(f"no sample of {name} can be exported")


@pytest.mark.parametrize("name", EXPORTED)
def test_exported(name: str, tmp_path: Path) -> None:
    assert ROWS[name].tflite == "yes"
    function, x = _simple(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nobuco.BakedValueWarning)
        model = nobuco.pytorch_to_keras(function, [x], verbose=False)
    assert model.report.ok, str(model.report)
    export_tflite(model, tmp_path / "op.tflite")
