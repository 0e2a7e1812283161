"""A stub can be pasted: it compiles, its imports are enough, and it registers a converter for the very op."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nobuco
from nobuco.contract import registry
from nobuco.contract.sites import Site
from nobuco.trace.calls import Call, Kind
from nobuco.validate.stub import parameters_of, spelling, stub_for, stubs_for


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


def test_a_function_in_a_function_is_spelled_by_its_name():
    def inner(x): ...

    assert spelling(inner) == ("inner", [])


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
