"""Each op of the table, and each case of our own, with dims of unknown size: right at other sizes, or refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from nobuco.contract.registry import find_converter
from tests.converters.op_samples import op_infos, samples
from tests.converters.own_cases import CASES
from tests.converters.sizes import Found, found_with_unknown_sizes
from tests.converters.table import ONE_SIZE, ROWS, SIZES_REFUSED, Row
from tests.effort import FULL

_DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # what PyTorch says of its own samples is no finding of ours


def _taken(row: Row) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """The first sample with elements, and one from the middle in a full run or where a refusal is expected."""
    found = [
        (args, kwargs)
        for args, kwargs in samples(row.name, _DTYPES[row.dtypes[0]], 40)
        if (row.taken is None or row.taken(args, kwargs)) and all(_sizes(args, kwargs))
    ]
    thorough = FULL or row.name in SIZES_REFUSED
    return found[:: max(len(found) // 2, 1)][: 2 if thorough else 1]


def _sizes(args: Any, kwargs: Any) -> Iterator[int]:
    return (leaf.numel() for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor))


def _check(found: list[Found], reason: str | None) -> None:
    assert not [str(each) for each in found if each.outcome == "wrong"]
    refused = [each for each in found if each.outcome == "refused"]
    assert not [str(each) for each in refused if reason is None or reason not in each.what]
    assert reason is None or refused, "it is in the list of the refused, and is not"


@pytest.mark.parametrize(
    "row", [row for row in ROWS.values() if row.name not in ONE_SIZE], ids=lambda row: row.name
)
def test_op(row: Row) -> None:
    function, found = op_infos()[row.name].op, []
    converter = find_converter(function)
    elementwise = (
        converter is not None and converter.any_layout
    )  # it has no size in it: all dims at once will do
    for number, (args, kwargs) in enumerate(_taken(row)):
        singly = (None if FULL else 2) if number == 0 and not elementwise else 0
        graph_tensors = None if number == 0 else 1
        found += found_with_unknown_sizes(function, args, kwargs, row.tolerance, graph_tensors, singly)
    _check(found, SIZES_REFUSED.get(row.name))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_own_case(case: Any) -> None:
    program = case.program()
    torch.manual_seed(0)
    args, kwargs = case.arguments()
    found = list(
        found_with_unknown_sizes(program, args, kwargs, case.tolerance, case.graph_tensors, singly=0)
    )
    _check(found, SIZES_REFUSED.get(case.name))
