"""A stub can be pasted: it compiles, its imports are enough, and it registers a converter for the very op."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode, get_overridable_functions

import nobuco
from nobuco.contract import registry
from nobuco.contract.sites import Site
from nobuco.trace.calls import Call, Kind
from nobuco.trace.ops import canonical
from nobuco.validate.stub import parameters_of, spelling, stub_for, stubs_for
from tests.converters.op_samples import op_infos, samples, takes
from tests.effort import slow


@nobuco.traceable
def my_function(x, *, scale=2.0, mode="up"):
    return x * scale


def call_of(op, *args, **kwargs) -> Call:
    return Call(op, Kind.FUNCTION, args, kwargs, Site(__file__, 1), "")


X = object()
CASES = [
    (call_of(torch.Tensor.addmm_, X, X, X, beta=2), "torch.Tensor.addmm_"),
    (call_of(torch.Tensor.__getitem__, X, 0), "torch.Tensor.__getitem__"),
    (call_of(torch.Tensor.T, X), "torch.Tensor.T"),
    (call_of(torch.Tensor.real, X), "torch.Tensor.real"),
    (call_of(torch.addcmul, X, X, X, value=2), "torch.addcmul"),
    (call_of(torch.fft.rfft, X, n=4), "torch.fft.rfft"),
    (call_of(torch.linalg.det, X), "torch.linalg.det"),
    (call_of(torch.special.zeta, X, X), "torch.special.zeta"),
    (call_of(F.grid_sample, X, X, align_corners=True), "F.grid_sample"),
    (call_of(F.gelu, X, approximate="tanh"), "F.gelu"),
    (call_of(F.hardsigmoid, X, inplace=True), "F.hardsigmoid"),
    (call_of(torch.einsum, "ij->ji", X), "torch.einsum"),
    (call_of(torch.stft, X, 16, window=X), "torch.stft"),
    (call_of(my_function, X, scale=3.0), f"{__name__}.my_function"),
]


@pytest.fixture
def registered():
    """The registry, put back as it was."""
    with nobuco.converters():
        yield registry._converters


@pytest.mark.parametrize(("call", "target"), CASES, ids=[target for _, target in CASES])
def test_stub_compiles_and_registers(call, target, registered):
    stub = stub_for(call)
    assert f"@nobuco.converter({target}, " in stub
    registered.clear()
    exec(compile(stub, "stub", "exec"), {})
    (op,) = registered
    assert op is call.op or op == call.op
    function = registered[op][0].function(*call.args, **call.kwargs)
    with pytest.raises(NotImplementedError, match="in TensorFlow"):
        function(*call.args, **call.kwargs)


def test_parameters_have_pytorchs_names():
    assert parameters_of(call_of(torch.addcmul, X, X, X)).startswith("input, tensor1, tensor2")
    assert parameters_of(call_of(torch.Tensor.add_, X, X)).split(", ")[0] == "self"
    assert parameters_of(call_of(my_function, X)) == "x, *, scale=2.0, mode='up'"


def test_an_unknown_signature_is_taken_from_the_call():
    class Opaque:
        __name__ = "opaque"

        @property
        def __signature__(self):
            raise ValueError("none")

        def __call__(self, *args, **kwargs): ...

    assert parameters_of(call_of(Opaque(), X, X, dim=1)) == "input, arg1, dim=None"


def test_stubs_share_their_imports():
    text = stubs_for([CASES[0][0], CASES[8][0], CASES[9][0]])
    assert text.count("import torch.nn.functional as F") == 1
    assert text.count("import nobuco\n") == 1
    compile(text, "stubs", "exec")


def test_two_ops_of_one_name_get_two_functions():
    text = stubs_for([call_of(torch.add, X, X), call_of(torch.Tensor.add_, X, X)])
    assert "def converter_add(" in text and "def converter_add_2(" in text


def test_a_function_in_a_function_is_spelled_by_its_name(registered):
    def inner(x): ...

    assert spelling(inner) == ("inner", [])
    stub = stub_for(call_of(inner, X))
    assert f"# inner is defined at {__file__}, line {inner.__code__.co_firstlineno}: paste this where" in stub
    registered.clear()
    exec(compile(stub, "stub", "exec"), {"inner": inner})
    assert list(registered) == [inner]


class Module(nn.Module): ...


@torch.library.custom_op("nobuco_test::halved", mutates_args=())
def halved(x: torch.Tensor, parts: int = 2) -> torch.Tensor:
    return x / parts


def _of_all_samples():
    """What PyTorch's own samples of its ops call."""
    met = []

    class Listener(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            met.append(canonical(func))
            return func(*args, **(kwargs or {}))

    for name, info in op_infos().items():
        if name.startswith("jiterator"):  # for GPUs alone
            continue
        for args, kwargs in samples(name, torch.float32, 1) if takes(name, torch.float32) else ():
            with Listener():
                info.op(*args, **kwargs)
    return met


def _of_torch_ops():
    packets = [getattr(torch.ops.aten, name) for name in dir(torch.ops.aten)]
    packets = [each for each in packets if isinstance(each, torch._ops.OpOverloadPacket)]
    packets.append(torch.ops.nobuco_test.halved)
    return packets + [getattr(packet, name) for packet in packets for name in packet.overloads()]


EVERY = {
    "what can be overridden": lambda: [
        canonical(op) for functions in get_overridable_functions().values() for op in functions
    ],
    "torch.nn.functional": lambda: [
        op for name, op in vars(F).items() if callable(op) and not isinstance(op, type) and name[0] != "_"
    ],
    "torch.nn": lambda: [each for each in vars(nn).values() if isinstance(each, type)],
    "samples of all ops": _of_all_samples,
    "torch.ops": _of_torch_ops,
    "a user's own": lambda: [my_function, Module],
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=slow if kind == "samples of all ops" else ()) for kind in EVERY],
)
@pytest.mark.filterwarnings("ignore")
def test_every_stub_runs_as_it_stands(kind, registered):
    ops = list(dict.fromkeys(EVERY[kind]()))
    for op in ops:
        registered.clear()
        exec(compile(stub_for(call_of(op, X)), "stub", "exec"), {})
        (found,) = registered
        assert found is op or found == op
    assert len(ops) > 1


@pytest.mark.filterwarnings("ignore")
def test_all_stubs_run_together(registered):
    ops = list(dict.fromkeys(op for kind in EVERY if kind != "samples of all ops" for op in EVERY[kind]()))
    registered.clear()
    exec(compile(stubs_for([call_of(op, X) for op in ops]), "stubs", "exec"), {})
    assert set(registered) == set(ops) and len(ops) > 3000


def test_parameters_of_a_custom_op():
    for op in (torch.ops.nobuco_test.halved, torch.ops.nobuco_test.halved.default):
        assert parameters_of(call_of(op, X)) == "x, parts=2"


def test_a_filled_in_stub_converts_a_custom_op():
    x = torch.rand(2, 3)

    def model(x):
        return torch.ops.nobuco_test.halved(x, 4) + halved(x) + torch.ops.nobuco_test.halved.default(x, 3)

    with pytest.raises(nobuco.MissingConverterError) as caught:
        nobuco.pytorch_to_keras(model, [x], verbose=False)
    message = str(caught.value)
    assert "torch.ops.nobuco_test.halved, called 3 time(s)" in message
    stub = message[message.index("import nobuco") :]
    filled, count = re.subn("raise NotImplementedError.*", "return x / parts", stub)
    assert count == 1
    form = filled.replace("nobuco_test.halved,", "nobuco_test.halved.default,")
    for source in (filled, form):
        _converts(source, model, x)


def _converts(source, model, x):
    with nobuco.converters():
        exec(compile(source, "stub", "exec"), {})
        converted = nobuco.pytorch_to_keras(model, [x], verbose=False, strict=True)
    torch.testing.assert_close(torch.from_numpy(converted(x.numpy()).numpy()), model(x))


def test_the_error_names_all_missing_ops_with_their_lines():
    class Missing(nn.Module):
        def forward(self, x):
            x = torch.special.hermite_polynomial_h(x, 2)
            return torch.special.hermite_polynomial_he(x, 2) + torch.special.hermite_polynomial_he(x, 3)

    with pytest.raises(nobuco.MissingConverterError) as caught:
        nobuco.pytorch_to_keras(Missing(), [torch.rand(2)], verbose=False)
    message = str(caught.value)
    first = Missing.forward.__code__.co_firstlineno
    assert f'File "{__file__}", line {first + 1}' in message
    assert message.count(f'File "{__file__}", line {first + 2}') == 2
    stubs = message[message.index("import nobuco") :]
    compile(stubs, "stubs", "exec")
    assert stubs.count("@nobuco.converter") == 2
