"""In-place ops on views, against PyTorch: single cases, and random programs of views and writes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import nobuco
from tests.effort import examples
from tests.graph_runner import worst_error


def relu_of_a_slice(x):
    torch.relu_(x[:, 1:2, 2:5, 1::2])
    return x


def add_to_a_selected_channel(x):
    x[:, 0].add_(1)
    return x


def multiply_a_slice(x):
    x[:, 1:2, 1:3, ::2] *= 2
    torch.relu_(x)
    return x


def view_of_a_view(x):
    y = x[:, 1:]
    z = y.transpose(2, 3)
    z[..., 0] += 3
    return x, y, z


def chunk_then_write(x):
    a, b = x.chunk(2, 1)
    a.mul_(b)
    return x, a, b


def split_then_write(x):
    for part, scale in zip(x.split([1, 3], 1), (2.0, 3.0), strict=True):
        part.mul_(scale)
    return x


def unbind_then_write(x):
    for i, part in enumerate(x.unbind(1)):
        part.add_(i)
    return x


def transposed_then_write(x):
    x.mT[..., 1] = 7
    return x


def viewed_then_write(x):
    x.view(x.shape[0], -1)[:, 3:9].relu_()
    return x


def narrowed_then_write(x):
    x.narrow(2, 1, 2).copy_(x.narrow(2, 3, 2))
    return x


def two_overlapping_views(x):
    a, b = x[:, 0:3], x[:, 2:4]
    a.add_(1)
    b.mul_(2)
    a.sub_(b[:, :1])
    return x, a, b


def a_copy_is_no_view(x):
    y = x[:, 1].clone()
    y.add_(1)
    return x, y


def flattened_then_write(x):
    x.flatten(1).add_(1)
    return x


def detached_then_write(x):
    x.detach().mul_(3)
    return x


def out_argument(x):
    y = torch.empty_like(x)
    torch.add(x, 1, out=y)
    return y


def written_by_a_mask(x):
    x[x > 0] = -1
    return x


def expanded_then_base_written(x):
    base = x[:, :1]
    wide = base.expand(-1, 4, -1, -1)
    base.add_(1)
    return x, wide


def diagonals_written(x):
    x.diagonal(1, -2, -1).mul_(3.0)
    torch.diagonal(input=x, offset=-1, dim1=3, dim2=1)[0] += 2
    x[0].diagonal().fill_(4.0)
    x.diagonal().zero_()
    return x


CASES = [
    relu_of_a_slice, add_to_a_selected_channel, multiply_a_slice, view_of_a_view, chunk_then_write, split_then_write,
    unbind_then_write, transposed_then_write, viewed_then_write, narrowed_then_write, two_overlapping_views,
    a_copy_is_no_view, flattened_then_write, detached_then_write, out_argument, written_by_a_mask,
    expanded_then_base_written, diagonals_written,
]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_equal_to_pytorch(function):
    assert worst_error(function, [torch.randn(2, 4, 5, 6)], [torch.randn(2, 4, 5, 6)]) < 1e-6


def selected_then_all_written(x):
    x = x.clone()
    x.select(0, 1)[0].mul_(2)
    return x.clamp_(min=0)


def conjugated_then_all_written(x):
    z = torch.complex(x, x + 1)
    z.conj().mul_(2j)
    return torch.view_as_real(z.mul_(3))


def an_imaginary_part_then_all_written(x):
    z = torch.complex(x, x + 1)
    z.imag.mul_(2)
    return torch.view_as_real(z.mul_(3))


@pytest.mark.parametrize(
    "function",
    [selected_then_all_written, conjugated_then_all_written, an_imaginary_part_then_all_written],
    ids=lambda f: f.__name__,
)
def test_steps_on_the_way_back_keep_what_they_were(function):
    """Where memory is written twice, no call of the first way back is held against what the second one leaves there."""
    x = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    nobuco.pytorch_to_keras(function, [x], strict=True, verbose=False)


def test_what_cannot_be_carried_back_names_the_line():
    def writes_to_windows(x):
        x.unfold(0, 2, 1).add_(1)  # the line
        return x

    with pytest.raises(nobuco.TraceError, match=rf'{re.escape(__file__)}", line \d+.*\.clone\(\)'):
        worst_error(writes_to_windows, [torch.randn(4, 4)], [torch.randn(4, 4)])


def test_inputs_and_buffers_are_as_before():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(3))

        def forward(self, x):
            self.count.add_(1)
            x.mul_(2)
            return x + self.count

    model, x = Counts(), torch.ones(2, 3)
    with pytest.warns(nobuco.BakedValueWarning, match=r"changes count \(File .* from call to call"):
        nobuco.pytorch_to_keras(model, [x], verbose=False)
    assert torch.equal(x, torch.ones(2, 3))
    assert torch.equal(model.count, torch.zeros(3))


# -- random programs


class Program:
    """A list of steps, each a view, a write or a new tensor, replayed on any input of the same shape."""

    def __init__(self) -> None:
        self.steps: list[tuple[Any, ...]] = []
        self.kept: list[int] = []

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        tensors = [x]
        for place, name, *args in self.steps:
            result = STEPS[name](
                tensors[place], *(tensors[a.place] if isinstance(a, Place) else a for a in args)
            )
            if isinstance(result, torch.Tensor):
                tensors.append(result)
            elif result is not None:
                tensors.extend(result)
        return tuple(tensors[place] for place in self.kept)

    def __repr__(self) -> str:
        return f"Program({self.steps}, keeps {self.kept})"


class Place:
    def __init__(self, place: int) -> None:
        self.place = place

    def __repr__(self) -> str:
        return f"t{self.place}"


def _set(t, index, value):
    t[index] = value


def _augment(t, index, value):
    t[index] += value


STEPS: dict[str, Any] = {
    "index": lambda t, index: t[index],
    "transpose": torch.transpose,
    "unsqueeze": torch.unsqueeze,
    "squeeze": torch.squeeze,
    "flatten": lambda t: t.view(-1),
    "select": torch.select,
    "narrow": torch.narrow,
    "chunk": torch.chunk,
    "unbind": torch.unbind,
    "mT": lambda t: t.mT,
    "detach": torch.detach,
    "double": lambda t: t * 2,
    "clone": torch.clone,
    "add_": lambda t, value: [t.add_(value)][:0],
    "mul_": lambda t, value: [t.mul_(value)][:0],
    "relu_": lambda t: [torch.relu_(t)][:0],
    "copy_": lambda t, other: [t.copy_(other)][:0],
    "set": _set,
    "augment": _augment,
}


def _cross(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both see some element, in different places. PyTorch leaves open what a copy of one to the other gives,
    such as of a matrix to its own transpose, and refuses only what it notices."""
    if one.untyped_storage().data_ptr() != other.untyped_storage().data_ptr():
        return False
    seen = [
        torch.arange(t.untyped_storage().nbytes() // t.element_size())
        .as_strided(t.shape, t.stride(), t.storage_offset())
        .flatten()
        .tolist()
        for t in (one, other)
    ]
    return seen[0] != seen[1] and not set(seen[0]).isdisjoint(seen[1])


@st.composite
def programs(draw: Any) -> tuple[Program, tuple[int, ...]]:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    program = Program()
    tensors = [torch.zeros(shape)]

    def an_index(tensor: torch.Tensor) -> tuple[Any, ...]:
        index: list[Any] = []
        for size in tensor.shape:
            start = draw(st.integers(0, size - 1))
            stop = draw(st.integers(start + 1, size))
            kind = draw(st.sampled_from(["all", "slice", "step", "number"]))
            index.append({
                "all": slice(None), "slice": slice(start, stop), "step": slice(start, stop, 2), "number": start,
            }[kind])  # fmt: skip
        return tuple(index)

    def arguments(name: str, tensor: torch.Tensor) -> tuple[Any, ...] | None:
        rank = tensor.dim()
        dim = draw(st.integers(0, max(rank - 1, 0)))
        match name:
            case "index" | "set" | "augment":
                index = an_index(tensor)
                return (index,) if name == "index" else (index, draw(st.sampled_from([0.5, 2.0])))
            case "transpose":
                return (dim, draw(st.integers(0, rank - 1))) if rank else None
            case "unsqueeze":
                return (dim,) if rank < 5 else None
            case "squeeze" | "relu_" | "detach" | "double" | "clone":
                return ()
            case "flatten":
                return () if tensor.is_contiguous() else None
            case "select":
                return (dim, draw(st.integers(0, tensor.shape[dim] - 1))) if rank else None
            case "narrow":
                start = draw(st.integers(0, tensor.shape[dim] - 1)) if rank else 0
                return (dim, start, draw(st.integers(1, tensor.shape[dim] - start))) if rank else None
            case "chunk":
                return (2, dim) if rank else None
            case "unbind":
                return (dim,) if rank else None
            case "mT":
                return () if rank > 1 else None
            case "add_" | "mul_":
                return (draw(st.sampled_from([0.5, -2.0])),)
            case "copy_":
                same = [
                    i
                    for i, other in enumerate(tensors)
                    if other.shape == tensor.shape and other is not tensor and not _cross(other, tensor)
                ]
                return (Place(draw(st.sampled_from(same))),) if same else None
        raise AssertionError(name)

    for _ in range(draw(st.integers(2, 7))):
        place = draw(st.integers(0, len(tensors) - 1))
        name = draw(st.sampled_from(sorted(STEPS)))
        args = arguments(name, tensors[place])
        if args is None or len(tensors) > 12:
            continue
        program.steps.append((place, name, *args))
        try:
            result = STEPS[name](
                tensors[place], *(tensors[a.place] if isinstance(a, Place) else a for a in args)
            )
        except RuntimeError:  # PyTorch itself refuses: a copy between overlapping parts
            program.steps.pop()
            continue
        tensors.extend([result] if isinstance(result, torch.Tensor) else result or [])
    places = st.lists(st.integers(0, len(tensors) - 1), min_size=1, max_size=4, unique=True)
    program.kept = sorted({0, *draw(places)})
    return program, shape


@settings(
    max_examples=examples(2000), deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
@given(programs())
def test_random_programs(case):
    program, shape = case
    generator = torch.Generator().manual_seed(0)
    x, other = (torch.randn(shape, generator=generator) for _ in range(2))
    assert worst_error(program, [x], [other]) < 1e-5, program
