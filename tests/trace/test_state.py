"""State that a model keeps between calls: told with its line, and put back."""

from __future__ import annotations

import copy
import itertools
import random
import re
import time
from collections import deque
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import nobuco
from nobuco.trace.carried import carried_state
from nobuco.trace.run import trace
from tests.effort import examples


class Memory:
    def __init__(self) -> None:
        self.total = 0.0
        self.items: list[Any] = []


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("buffer", torch.zeros(3))
        self.plain = torch.zeros(3)
        self.list: list[Any] = []
        self.dict: dict[Any, Any] = {}
        self.set: set[int] = set()
        self.deque: deque[Any] = deque(maxlen=2)
        self.count = 0
        self.array = np.zeros(3, np.float32)
        self.memory = Memory()
        self.nested = {"a": [torch.zeros(3)]}
        self.seen = None
        self.cache: dict[Any, Any] = {}


class Replaced(Model):
    def forward(self, x):
        self.buffer = self.buffer + x  # writes
        return self.buffer


class InPlace(Model):
    def forward(self, x):
        self.buffer.add_(x)  # writes
        return self.buffer * 2


class ViewInPlace(Model):
    def forward(self, x):
        part = self.buffer[1:]
        part.add_(x[1:])  # writes
        return self.buffer * 2


class PlainReplaced(Model):
    def forward(self, x):
        self.plain = self.plain * 0.5 + x  # writes
        return self.plain


class PlainInPlace(Model):
    def forward(self, x):
        self.plain += x  # writes
        return self.plain * 2


class Appended(Model):
    def forward(self, x):
        self.list.append(x)  # writes
        return torch.stack(self.list).sum(0)


class Filled(Model):
    def forward(self, x):
        self.dict[len(self.dict)] = x  # writes
        return sum(self.dict.values())


class Counted(Model):
    def forward(self, x):
        self.count += 1  # writes
        return x * self.count


class Collected(Model):
    def forward(self, x):
        self.set.add(len(self.set))  # writes
        return x * len(self.set)


class Windowed(Model):
    def forward(self, x):
        self.deque.append(x)  # writes
        return sum(self.deque)


class InAnArray(Model):
    def forward(self, x):
        self.array += 1  # writes
        return x + torch.from_numpy(self.array.copy())


class InAnObject(Model):
    def forward(self, x):
        self.memory.total = self.memory.total + 1.0  # writes
        return x * self.memory.total


class Nested(Model):
    def forward(self, x):
        self.nested["a"][0] = self.nested["a"][0] + x  # writes
        return self.nested["a"][0] * 2


class Delayed(Model):
    """What comes in goes out three calls later."""

    def forward(self, x):
        self.list = [*self.list, x][-3:]  # writes
        return self.list[0]


CARRIED = [
    Replaced, InPlace, ViewInPlace, PlainReplaced, PlainInPlace, Appended, Filled, Counted, Collected, Windowed, InAnArray,
    InAnObject, Nested, Delayed,
]  # fmt: skip


class Stores(Model):
    def forward(self, x):
        self.seen = x * 2
        return self.seen + 1


class Caches(Model):
    def forward(self, x):
        if len(x) not in self.cache:
            self.cache[len(x)] = torch.arange(float(len(x)))
        return x + self.cache[len(x)]


def _frozen(model: nn.Module) -> dict[str, Any]:
    """What a model holds, written out."""
    torch.set_printoptions(precision=10)
    written = {name: repr(value) for name, value in vars(model).items() if name != "memory"}
    return {**written, "memory": repr(vars(model.memory))}


def _line(model: type) -> int:
    import inspect

    lines, first = inspect.getsourcelines(model)
    return next(first + number for number, line in enumerate(lines) if "# writes" in line)


@pytest.mark.parametrize("model", CARRIED, ids=lambda m: m.__name__)
def test_state_is_told_with_its_line_and_put_back(model: type[Model]) -> None:
    module = model().eval()
    before = _frozen(module)
    with pytest.warns(
        nobuco.BakedValueWarning, match=rf'{re.escape(__file__)}", line {_line(model)}.*call to call'
    ):
        nobuco.pytorch_to_keras(module, [torch.rand(3)], verbose=False, full_validation=False)
    assert _frozen(module) == before
    with pytest.raises(nobuco.BakedValueError, match="from call to call"):
        nobuco.pytorch_to_keras(module, [torch.rand(3)], verbose=False, strict=True, full_validation=False)
    assert _frozen(module) == before


@pytest.mark.parametrize("model", CARRIED, ids=lambda m: m.__name__)
def test_a_failed_conversion_puts_it_back(model: type[Model]) -> None:
    class Fails(model):  # type: ignore[misc, valid-type]
        def forward(self, x):
            super().forward(x)
            raise RuntimeError("on purpose")

    module = Fails().eval()
    before = _frozen(module)
    with pytest.raises(RuntimeError, match="on purpose"):
        nobuco.pytorch_to_keras(module, [torch.rand(3)], verbose=False)
    assert _frozen(module) == before


@pytest.mark.parametrize("model", [Stores, Caches], ids=lambda m: m.__name__)
def test_what_no_later_call_depends_on_is_no_warning(model: type[Model]) -> None:
    module = model().eval()
    before = _frozen(module)
    converted = nobuco.pytorch_to_keras(module, [torch.rand(3)], verbose=False, strict=True)
    assert "which no later call depends on" in str(converted.report)
    assert _frozen(module) == before


def test_a_variable_of_a_closure() -> None:
    count = 0

    def counts(x):
        nonlocal count
        count += 1
        return x * count

    with pytest.warns(nobuco.BakedValueWarning, match=r"changes count .*line \d+"):
        nobuco.pytorch_to_keras(counts, [torch.rand(3)], verbose=False)
    assert count == 0


COUNTED = 0
FILLED: dict[str, Any] = {}


def _counts_in_its_module(x):
    global COUNTED
    COUNTED += 1  # writes
    return x * COUNTED


class OfItsClass(nn.Module):
    count = 0

    def forward(self, x):
        OfItsClass.count += 1  # writes
        return x * self.count


class OfABaseClass(OfItsClass):
    pass


class OfItsModule(nn.Module):
    def forward(self, x):
        return _counts_in_its_module(x)


class FillsItsModule(nn.Module):
    def forward(self, x):
        FILLED["n"] = FILLED.get("n", 0) + 1  # writes
        return x * FILLED["n"]


@pytest.mark.parametrize(
    "model", [OfItsClass, OfABaseClass, OfItsModule, FillsItsModule, lambda: _counts_in_its_module]
)
def test_a_variable_of_a_class_or_module(model: Any) -> None:
    with pytest.warns(
        nobuco.BakedValueWarning, match=rf'changes .*{re.escape(__file__)}", line \d+.* from call to call'
    ):
        nobuco.pytorch_to_keras(model(), [torch.rand(3)], verbose=False)
    assert (COUNTED, FILLED, OfItsClass.count, OfABaseClass.count) == (0, {}, 0, 0)


def test_a_parameter_written_by_way_of_its_data() -> None:
    class Clamped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([-1.0, 2.0, 3.0]))

        def forward(self, x):
            self.weight.data.clamp_(min=0)
            return x * self.weight

    model = Clamped()
    converted = nobuco.pytorch_to_keras(model, [torch.rand(3)], verbose=False, strict=True)
    assert "also writes weight" in str(converted.report)
    assert model.weight.tolist() == [-1.0, 2.0, 3.0]


# -- what a program depends on that is neither an input nor state that could be put back

_HIDDEN: dict[str, Any] = {
    "random": lambda: lambda x: x * random.random(),
    "numpy.random": lambda: lambda x: x + float(np.random.rand()),
    "a branch at random": lambda: lambda x: x if random.random() < 0.7 else x * 2,
    "a choice": lambda: lambda x: x[random.choice(range(len(x)))],
    "a generator of NumPy's": lambda g=np.random.default_rng: (lambda g: lambda x: x * float(g.random()))(
        g()
    ),
    "an iterator": lambda: (lambda numbers: lambda x: x * next(numbers))(itertools.count(1)),
    "the clock": lambda: lambda x: x * float(time.perf_counter_ns() % 1_000_003),
}


@pytest.mark.parametrize("name", _HIDDEN)
def test_what_is_other_at_every_call_is_told_with_its_line(name: str) -> None:
    program = _HIDDEN[name]()
    line = program.__code__.co_firstlineno
    told = rf'{re.escape(__file__)}", line {line}: .*when it is called again on the same inputs'
    with pytest.warns(nobuco.BakedValueWarning, match=told):
        nobuco.pytorch_to_keras(
            program, [torch.rand(8, generator=torch.Generator().manual_seed(0))], verbose=False
        )


# -- random programs of writes and reads

_WRITES: dict[str, Any] = {
    "replace": lambda m, x: setattr(m, "plain", m.plain + x),
    "in place": lambda m, x: m.buffer.add_(x),
    "buffer": lambda m, x: setattr(m, "buffer", m.buffer * 0.5 + x),
    "append": lambda m, x: m.list.append(x),
    "fill": lambda m, x: m.dict.update({len(m.dict): x}),
    "key": lambda m, x: m.dict.update({"last": x}),
    "count": lambda m, x: setattr(m, "count", m.count + 1),
    "object": lambda m, x: m.memory.items.append(1),
    "store": lambda m, x: setattr(m, "seen", x * 2),
    "cache": lambda m, x: m.cache.setdefault(len(x), torch.ones(len(x))),
    "deque": lambda m, x: m.deque.append(x),
    "nothing": lambda m, x: None,
}
_READS: dict[str, Any] = {
    "plain": lambda m, x: x + m.plain,
    "buffer": lambda m, x: x * m.buffer,
    "list": lambda m, x: x + len(m.list),
    "dict": lambda m, x: sum(m.dict.values(), x),
    "count": lambda m, x: x * m.count,
    "object": lambda m, x: x + len(m.memory.items),
    "seen": lambda m, x: x if m.seen is None else x + m.seen,
    "cache": lambda m, x: x + sum(m.cache.values()),
    "deque": lambda m, x: x + sum(m.deque),
    "input": lambda m, x: x * 2,
}


class Random(Model):
    def __init__(self, steps: list[tuple[str, str]]) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x):
        out = x
        for kind, name in self.steps:
            if kind == "write":
                _WRITES[name](self, x)
            else:
                out = _READS[name](self, out)
        return out * 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(sorted(_WRITES))),
        st.tuples(st.just("read"), st.sampled_from(sorted(_READS))),
    ),
    min_size=1,
    max_size=5,
)


@settings(
    max_examples=examples(1000), deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
@given(steps)
def test_random_programs(program: list[tuple[str, str]]) -> None:
    model = Random(program)
    before = _frozen(model)
    x, y = torch.rand(3), torch.rand(3)
    traced = trace(model, (x,), {}, ["x"])
    paths = {change.path for change in traced.changes}
    carried = carried_state(model, (x,), {}, [x], [y], paths) if paths else set()
    assert _frozen(model) == before
    used = copy.deepcopy(model)
    with torch.no_grad():
        calls = [used(x.clone()).clone() for _ in range(3)]
    assert carried or all(torch.equal(calls[0], each) for each in calls), program
