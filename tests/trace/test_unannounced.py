"""Calls that PyTorch does not announce, and modes it runs in: followed, or refused with the line; never a constant."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils import dlpack

import nobuco
from tests.effort import examples
from tests.graph_runner import worst_error


def convert(function: Any, *args: Any, **kwargs: Any) -> Any:
    return nobuco.pytorch_to_keras(function, list(args), verbose=False, full_validation=False, **kwargs)


def scripted(function: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(function)


def traced(function: Any, *args: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(function, args, check_trace=False)


def five_times(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(torch.relu(x) * 5 + 1, -1)


def in_place(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[0] = 3
    y[:, 1:3] += 1
    return y.to(torch.float64).to(torch.float32)


def branches(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.dim() == 2 else x


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
            nn.Linear(16, 5), nn.LayerNorm(5), nn.Dropout(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@torch.library.custom_op("nobuco_tests::thrice", mutates_args=())
def thrice(x: torch.Tensor) -> torch.Tensor:
    return x * 3


@pytest.mark.parametrize("function", [five_times, in_place, branches], ids=lambda f: f.__name__)
@pytest.mark.parametrize("how", ["script", "trace"])
def test_scripted_functions_are_followed(function: Any, how: str) -> None:
    hidden = scripted(function) if how == "script" else traced(function, torch.rand(3, 4))
    assert worst_error(lambda x: hidden(x + 1) + x, [torch.randn(3, 4)], [torch.randn(3, 4)]) < 1e-6
    convert(lambda x: hidden(x), torch.zeros(3, 4), strict=True)


@pytest.mark.parametrize("how", ["script", "trace", "frozen"])
def test_scripted_submodules_are_followed(how: str) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            block, x = Block().eval(), torch.rand(1, 3, 6, 6)
            self.block = traced(block, x) if how == "trace" else scripted(block)
            if how == "frozen":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    self.block = torch.jit.freeze(self.block)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.block(x * 2) + 1

    assert worst_error(Outer().eval(), [torch.rand(1, 3, 6, 6)], [torch.rand(1, 3, 6, 6)]) < 1e-5


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.ops.aten.relu(x),
        lambda x: torch.ops.aten.mul.Tensor(x, x),
        lambda x: torch.ops.aten.slice(x, 1, 1, 3),
    ],
    ids=["packet", "overload", "slice"],
)
def test_operations_are_functions(function: Any) -> None:
    assert worst_error(function, [torch.randn(3, 4)], [torch.randn(3, 4)]) < 1e-6


def test_a_custom_operation_is_named() -> None:
    with pytest.raises(nobuco.MissingConverterError, match="thrice"):
        convert(lambda x: thrice(x), torch.rand(3))


def in_a_thread(x: torch.Tensor) -> torch.Tensor:
    made = []
    thread = threading.Thread(target=lambda: made.append(x * 2))
    thread.start()
    thread.join()
    return made[0] + 1  # the line


def in_a_pool(x: torch.Tensor) -> torch.Tensor:
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(lambda: x * 2).result()
    return made + 1  # the line


def by_dlpack(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    return dlpack.from_dlpack(dlpack.to_dlpack(y)) + 1  # the line


def by_from_dlpack(x: torch.Tensor) -> torch.Tensor:
    return torch.from_dlpack(x * 2) + 1  # the line


def by_set(x: torch.Tensor) -> torch.Tensor:
    return torch.empty(0).set_(x * 2) + 1  # the line


def by_storage(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    return torch.empty(0).set_(y.untyped_storage(), 0, (3,), (1,)) + 1  # the line


def by_data(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros(3)
    y.data = x * 2  # the line
    return y + 1


def by_vmap(x: torch.Tensor) -> torch.Tensor:
    return torch.vmap(lambda row: row * 2)(x)  # the line


def by_grad(x: torch.Tensor) -> torch.Tensor:
    return torch.func.grad(lambda y: (y**2).sum())(x)  # the line


def sparse(x: torch.Tensor) -> torch.Tensor:
    return x.to_sparse() * 2  # the line


def nested(x: torch.Tensor) -> torch.Tensor:
    return torch.nested.as_nested_tensor([x, x], layout=torch.jagged)  # the line


REFUSED = [
    in_a_thread, in_a_pool, by_dlpack, by_from_dlpack, by_set, by_storage, by_data, by_vmap, by_grad, sparse, nested,
]  # fmt: skip


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("example", [torch.zeros(3), torch.tensor([1.0, 2.0, 4.0])], ids=["zeros", "numbers"])
def test_what_cannot_be_followed_is_refused_with_its_line(function: Any, example: torch.Tensor) -> None:
    import inspect

    lines, first = inspect.getsourcelines(function)
    line = next(first + number for number, each in enumerate(lines) if "# the line" in each)
    with pytest.raises(nobuco.TraceError, match=rf'{re.escape(__file__)}", line {line}'):
        convert(function, example)


# -- inference mode, torch.compile


class Inference(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.linear, self.how = nn.Linear(3, 3), how
        with torch.inference_mode(how == "buffer"):
            self.register_buffer("offset", torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "block":
            with torch.inference_mode():
                x = self.linear(x)
                x[:, 1:] += 1
                x.relu_()
        return self.linear(x) + self.offset


class Decorated(Inference):
    @torch.inference_mode()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        y[0] = 2
        return super().forward(y)


@pytest.mark.parametrize(
    "model", [Decorated("none"), Inference("block"), Inference("buffer"), Inference("none")],
    ids=["decorator", "block", "buffer", "plain"],
)  # fmt: skip
@pytest.mark.parametrize("around", [False, True])
def test_inference_mode(model: nn.Module, around: bool) -> None:
    with torch.inference_mode(around):
        x = torch.rand(2, 3)
        converted = convert(model.eval(), x, strict=True)
    assert converted.report.max_error < 1e-5


@pytest.mark.parametrize("where", ["model", "submodule", "in place", "function"])
def test_compiled_models_are_their_originals(where: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inner = nn.Linear(3, 4)
        if where == "model":
            model: Any = torch.compile(inner)
        elif where == "submodule":
            model = nn.Sequential(torch.compile(inner))
        elif where == "in place":
            model = nn.Sequential(inner)
            inner.compile()
        else:
            model = torch.compile(lambda x: F.relu(x) * 2)
    converted = convert(model, torch.rand(2, 3), strict=True)
    assert len(converted.layers) > 1


_IN_A_NEW_PROCESS = """
import sys, torch, nobuco

class Net(torch.nn.Module):
    def forward(self, x):
        return COMPILED(x)

converted = nobuco.pytorch_to_keras(Net().eval(), args=[torch.rand(2, 3)], verbose=False, strict=True)
assert converted.report.max_error < 1e-6 and len(converted.layers) > 1
loaded = "torch._dynamo" in sys.modules
compiled = loaded and any(sys.modules["torch._dynamo"].utils.counters["frames"].values())
print("loaded" if loaded else "not loaded", "compiled" if compiled else "not compiled")
print(torch.compile.__module__)
"""


@pytest.mark.parametrize(
    "compiled, printed",
    [
        ("torch.relu(x) * 2", "not loaded not compiled"),
        ("torch.compile(lambda y: torch.relu(y) * 2)(x)", "loaded not compiled"),
    ],
)
def test_the_compiler_stays_out_of_it(compiled: str, printed: str) -> None:
    program = _IN_A_NEW_PROCESS.replace("COMPILED(x)", compiled)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == [printed, "torch"]


# -- random programs: announced and unannounced calls, mixed

_CALLS: dict[str, Any] = {
    "scripted": scripted(five_times),
    "scripted in place": scripted(in_place),
    "traced": traced(five_times, torch.rand(3, 4)),
    "traced in place": traced(in_place, torch.rand(3, 4)),
    "operation": lambda x: torch.ops.aten.tanh(x),
    "announced": lambda x: x * 2 - 1,
    "written": lambda x: x.clone().add_(1),
    "view": lambda x: x.t().t(),
    "dlpack": lambda x: dlpack.from_dlpack(dlpack.to_dlpack(x.clone())),
    "set": lambda x: torch.empty(0).set_(x),
    "custom": lambda x: thrice(x),
    "constant": lambda x: torch.ones(3, 4),
}
_SEEN = {
    "scripted",
    "scripted in place",
    "traced",
    "traced in place",
    "operation",
    "announced",
    "written",
    "view",
}


@settings(
    max_examples=examples(1000), deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
@given(st.lists(st.sampled_from(sorted(_CALLS)), min_size=1, max_size=4))
def test_random_programs(names: list[str]) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        out = x
        for name in names:
            out = _CALLS[name](out) + out
        return out + x

    generator = torch.Generator().manual_seed(0)
    x, other = (torch.randn(3, 4, generator=generator) for _ in range(2))
    if set(names) <= _SEEN | {"constant"}:
        assert worst_error(program, [x], [other]) < 1e-5, names
        return
    try:
        right = worst_error(program, [x], [other]) < 1e-5
    except nobuco.NobucoError:
        right = True
    if not right:  # what the tracer has taken for a constant, the second run shows
        with pytest.raises(nobuco.TraceError, match="no constant"):
            convert(program, x)
