"""Each op of the table on PyTorch's own sample inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

import nobuco
from nobuco.contract.converter import Converter
from nobuco.contract.registry import all_converters
from nobuco.tflite import export_tflite
from tests.converters.harness import MOST_MODES, graph_tensors_of, problems
from tests.converters.op_samples import op_infos, samples
from tests.converters.own_cases import CASES
from tests.converters.table import EXPORTED, REFUSED, ROWS, Row
from tests.effort import FULL

_DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}
_SAMPLES = 3

# what PyTorch says of its own samples is no finding of ours
pytestmark = pytest.mark.filterwarnings("ignore")


def _tried(row: Row, dtype: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """All that are taken in a full run, else two for the first dtype and one for each of the others."""
    taken = _taken(row, _DTYPES[dtype])
    return taken if FULL else taken[: 2 if dtype == row.dtypes[0] else 1]


def _taken(row: Row, dtype: torch.dtype) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    found = samples(row.name, dtype, 200 if row.taken else _SAMPLES)
    if row.taken is not None:
        found = [(args, kwargs) for args, kwargs in found if row.taken(args, kwargs)]
    return found[:: max(len(found) // _SAMPLES, 1)][:_SAMPLES]


def _found(row: Row, function: Any, args: Any, kwargs: Any, thorough: bool = True) -> Iterator[str]:
    """`thorough`: in all layouts, and not in one of each choice of what is constant."""
    for number, count in enumerate(graph_tensors_of(args, kwargs)):
        most = MOST_MODES if FULL or (thorough and number == 0) else 1
        yield from problems(function, args, kwargs, row.tolerance, count, most_modes=most)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_op(row: Row) -> None:
    for dtype in row.dtypes:
        taken = _tried(row, dtype)
        assert taken, f"PyTorch has no {dtype} samples that the filter takes"
        for number, (args, kwargs) in enumerate(taken):
            thorough = number == 0 and dtype == row.dtypes[0]
            assert not list(_found(row, op_infos()[row.name].op, args, kwargs, thorough))


def _spellings(info: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    """Methods, in-place methods and other names of an op, those that PyTorch itself takes these arguments for."""
    for home in (info, *info.aliases):
        for variant in (home.op, home.method_variant, home.inplace_variant):
            if variant is None or variant is info.op:
                continue
            copies = pytree.tree_map(
                lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, args
            )
            try:
                variant(*copies, **kwargs)
            except (RuntimeError, TypeError):
                continue
            yield variant


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_other_spellings(row: Row) -> None:
    for args, kwargs in _taken(row, _DTYPES[row.dtypes[0]])[: 2 if FULL else 1]:
        for variant in _spellings(op_infos()[row.name], args, kwargs):
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
    with pytest.raises(nobuco.ConversionError, match=reason):
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
        for args, kwargs in _taken(row, _DTYPES[row.dtypes[0]]):
            info = op_infos()[row.name]
            for op in (info.op, *_spellings(info, args, kwargs)):
                list(problems(op, args, kwargs, 1e-4, used=used, only_trace=True))
    for case in CASES:
        torch.manual_seed(0)
        args, kwargs = case.arguments()
        list(problems(case.program(), args, kwargs, 1e-4, case.graph_tensors, used, only_trace=True))
    untested = [entry for entry in all_converters() if entry.builtin and entry not in used]
    names = sorted(entry.function.__name__ for entry in untested)
    # see REFUSED, test_recurrent.py, test_normalization.py, test_lowering.py, test_torchvision_ops.py, test_fake_quantised.py, and
    # the whole table in tests/op_table
    elsewhere = [
        "as_strided", "batch_norm_of_torch", "decomposed_dequantize_per_tensor", "decomposed_quantize_per_tensor", "dequantize",
        "eigh", "gru", "instance_norm_of_torch", "istft", "lstm", "nms", "old_qr", "old_svd", "quantize_per_tensor", "refused", "refused", "refused",
        "rnn", "stft", "svd",
    ]  # fmt: skip
    assert names == elsewhere


def _simple(name: str) -> tuple[Any, torch.Tensor]:
    """The op as a function of its first tensor."""
    for args, kwargs in _taken(ROWS[name], _DTYPES[ROWS[name].dtypes[0]]):
        leaves, structure = pytree.tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        made = pytree.tree_leaves(op_infos()[name].op(*args, **kwargs))
        if tensors[0] is leaves[0] and tensors[0].dim() and all(each.numel() for each in (*tensors, *made)):

            def function(x: torch.Tensor, leaves=leaves, structure=structure) -> Any:
                args, kwargs = pytree.tree_unflatten([x, *leaves[1:]], structure)
                return op_infos()[name].op(*args, **kwargs)

            return function, tensors[0]
    raise AssertionError(f"no sample of {name} can be exported")


@pytest.mark.parametrize("name", EXPORTED)
def test_exported(name: str, tmp_path: Path) -> None:
    function, x = _simple(name)
    model = nobuco.pytorch_to_keras(function, [x], verbose=False)
    assert model.report.ok, str(model.report)
    export_tflite(model, tmp_path / "op.tflite")
