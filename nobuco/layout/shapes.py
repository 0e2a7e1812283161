"""What becomes of a layout when dims are permuted, dropped, inserted, split and merged.

Each function takes the layout of the input and returns the layout in which the output stands when no data is moved;
None where that cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from nobuco.contract.channel_order import Layout, channel_last, identity, inverse


def permuted(layout: Layout, dims: Sequence[int]) -> Layout:
    """Of `x.permute(dims)`: the same data under new names."""
    renamed = inverse([dim % len(layout) for dim in dims])
    return tuple(renamed[dim] for dim in layout)


def dropped(layout: Layout, dims: Sequence[int]) -> Layout:
    """Of a reduction or selection that removes `dims`."""
    gone = {dim % len(layout) for dim in dims}
    kept = [dim for dim in range(len(layout)) if dim not in gone]
    return tuple(kept.index(dim) for dim in layout if dim not in gone)


def inserted(layout: Layout, dim: int) -> Layout:
    """Of `x.unsqueeze(dim)`: the new dim stands where it keeps the result in a named channel order, if it can."""
    rank = len(layout) + 1
    dim %= rank
    renamed = [each + (each >= dim) for each in layout]
    for order in (channel_last(rank), identity(rank)):
        if [each for each in order if each != dim] == renamed:
            return order
    return (*renamed, dim)


def regrouped(layout: Layout, before: Sequence[int], after: Sequence[int]) -> Layout | None:
    """Of a reshape from `before` to `after` (in PyTorch's order): possible where the dims of each merged or split
    group stand side by side and in order. Dims of size 1 go anywhere."""
    groups = _groups(before, after)
    if groups is None:
        return (
            layout
            if layout == identity(len(layout)) and len(before) == len(after)
            else (identity(len(after)) if layout == identity(len(layout)) else None)
        )
    places = {dim: index for index, dim in enumerate(layout)}
    order: list[tuple[float, list[int]]] = []
    solid = [dim for dim in layout if before[dim] != 1]
    for sources, targets in groups:
        real = [dim for dim in sources if before[dim] != 1]
        if real:
            start = solid.index(real[0])
            if solid[start : start + len(real)] != real:
                return None
            order.append((places[real[0]], list(targets)))
        elif targets:
            # only ones on both sides: keep a dim where it stood, or put it at the place its number suggests
            order.append((places[sources[0]] if sources else float("nan"), list(targets)))
    placed = [item for item in order if item[0] == item[0]]
    loose = [dim for place, targets in order if place != place for dim in targets]
    result = [dim for _, targets in sorted(placed, key=lambda item: item[0]) for dim in targets]
    for dim in loose:
        result.append(dim)
    return _named_if_possible(result, after)


def _named_if_possible(layout: list[int], shape: Sequence[int]) -> Layout:
    """The same data in a named channel order, when only dims of size 1 stand elsewhere."""
    solid = [dim for dim in layout if shape[dim] != 1]
    for order in (channel_last(len(layout)), identity(len(layout))):
        if [dim for dim in order if shape[dim] != 1] == solid:
            return order
    return tuple(layout)


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]] | None:
    """The smallest runs of dims of equal product on both sides; None with empty tensors."""
    if 0 in before or 0 in after:
        return None
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        sources, targets, left, right = [], [], 1, 1
        if i < len(before):
            sources.append(i)
            left = before[i]
            i += 1
        if j < len(after) and (left != 1 or not sources or after[j] == 1):
            targets.append(j)
            right = after[j]
            j += 1
        while left != right:
            if left < right:
                if i >= len(before):
                    return None
                sources.append(i)
                left *= before[i]
                i += 1
            else:
                if j >= len(after):
                    return None
                targets.append(j)
                right *= after[j]
                j += 1
        groups.append((sources, targets))
    return groups
