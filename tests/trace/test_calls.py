"""What a call reads, in whatever its arguments are nested."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from nobuco.contract.tree import tree_leaves
from nobuco.trace.calls import Value, values_in

Pair = namedtuple("Pair", "first second")


@dataclass
class Boxes:
    sizes: Any
    scores: Any


_LEAVES = st.one_of(
    st.builds(lambda: Value(torch.zeros(2))),
    st.sampled_from([None, 1, 2.0, True, "a", torch.float32, torch.Size([2]), ..., slice(1, None)]),
)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from("cab"), inner),
        st.dictionaries(st.sampled_from("cab"), inner).map(OrderedDict),
        st.builds(Pair, inner, inner),
        st.builds(Boxes, inner, inner),
        st.builds(slice, inner, inner),
    )


@given(st.recursive(_LEAVES, _nested, max_leaves=12))
def test_values_are_found_as_the_walk_through_all_leaves_finds_them(tree: Any) -> None:
    wanted = [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Value)]
    found = values_in(tree)
    assert len(found) == len(wanted)
    assert all(one is other for one, other in zip(found, wanted, strict=True))
