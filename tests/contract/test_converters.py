"""What a converter may say of itself, and what becomes of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import nn

import nobuco
from nobuco import ChannelOrderingStrategy
from nobuco.contract.registry import converters_of, find_converter

ANY = ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS
PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


@pytest.fixture(autouse=True)
def registered():
    with nobuco.converters():
        yield


def convert(model, *args, **options):
    return nobuco.pytorch_to_keras(model, list(args), verbose=False, **options)


def converted(keras_model) -> list[str]:
    """The calls that became nodes."""
    return [each.call.name for each in keras_model.report.calls.values() if each.error is not None]


# -- several converters for one op


def test_the_first_that_accepts_a_call_converts_it():
    asked = []

    def only_tanh(call):
        asked.append(call.approximate)
        return None if call.approximate == "tanh" else "only the tanh form"

    @nobuco.converter(F.gelu, channel_ordering_strategy=ANY, accepts=only_tanh)
    def gelu(input, approximate="none"):
        return lambda input, approximate="none": tf.nn.gelu(input, approximate=True)

    x = torch.linspace(-3, 3, 12)
    keras_model = convert(lambda x: F.gelu(x) + F.gelu(x, approximate="tanh"), x)
    assert keras_model.report.ok
    by = {
        (entry.call.kwargs.get("approximate", "none")): entry.converter.builtin
        for entry in keras_model.report.calls.values()
        if entry.call.name == "F.gelu"
    }
    assert by == {"none": True, "tanh": False}
    assert set(asked) == {"none", "tanh"}


def test_where_all_refuse_the_body_is_converted():
    @nobuco.traceable
    def doubled(x, factor=2.0):
        return torch.relu(x) * factor

    reason = "only for a factor of 2"

    @nobuco.converter(
        doubled, channel_ordering_strategy=ANY, accepts=lambda call: reason if call.factor != 2.0 else None
    )
    def converter_doubled(x, factor=2.0):
        return lambda x, factor=2.0: tf.nn.relu(x) * factor

    x = torch.linspace(-3, 3, 12)
    (whole,) = converted(convert(doubled, x))
    assert whole.endswith(".doubled")
    keras_model = convert(lambda x: doubled(x, factor=3.0), x)
    assert keras_model.report.ok
    assert converted(keras_model) == ["torch.relu", "Tensor.mul"]


def test_a_module_that_is_refused_is_looked_into():
    class Block(nn.Module):
        def forward(self, x):
            return torch.relu(x) + 1

    @nobuco.converter(Block, channel_ordering_strategy=ANY, accepts=lambda call: "never")
    def block(self, x):
        raise AssertionError("it is not to be called")

    keras_model = convert(Block(), torch.linspace(-3, 3, 12))
    assert keras_model.report.ok
    assert converted(keras_model) == ["torch.relu", "Tensor.add"]


def test_an_impossible_call_is_not_looked_into():
    class Block(nn.Module):
        def forward(self, x):
            return torch.relu(x) + 1

    @nobuco.converter(
        Block, channel_ordering_strategy=ANY, accepts=lambda call: nobuco.Impossible("of all things")
    )
    def block(self, x):
        return lambda x: x

    with pytest.raises(nobuco.ConversionError, match=r"Block .*of all things"):
        convert(Block(), torch.linspace(-3, 3, 12))


def refuse(*ops):
    """Converters that take no call of these ops, whatever others there are."""
    for op in ops:
        nobuco.converter(
            op,
            channel_ordering_strategy=ANY,
            accepts=lambda *args, op=op, **kwargs: nobuco.Impossible(f"no {op.__name__} here"),
        )(lambda *args, **kwargs: None)


def test_all_refusals_are_told_at_once():
    refuse(torch.cos, torch.cosh, torch.tanh)
    with pytest.raises(nobuco.ConversionError) as raised:
        convert(lambda x: (torch.cos(x), torch.cosh(x), torch.tanh(x)), torch.rand(4, 4))
    said = str(raised.value)
    assert said.startswith("3 call(s) whose converters do not take them")
    for part in ("no cos here", "no cosh here", "no tanh here", "test_converters.py"):
        assert part in said


def test_missing_and_refused_are_told_together():
    refuse(torch.cos)
    with pytest.raises(nobuco.MissingConverterError) as raised:
        convert(lambda x: (torch.special.hermite_polynomial_he(x, 3), torch.cos(x)), torch.rand(4, 4))
    assert "hermite_polynomial_he" in str(raised.value)
    assert "no cos here" in str(raised.value)


def test_what_is_refused_but_not_needed_does_not_matter():
    refuse(torch.cos)

    def program(x):
        torch.cos(x)
        return x + 1

    assert convert(program, torch.rand(4, 4)).report.ok


def test_accepts_may_ask_what_a_converter_may_ask():
    from nobuco.contract.context import is_constant, is_dynamic

    seen = []

    def accepts(call):
        seen.append((is_constant(call.input), is_constant(call.other), is_dynamic()))
        return "never"

    @nobuco.converter(torch.add, channel_ordering_strategy=ANY, accepts=accepts)
    def add(input, other, *, alpha=1):
        raise AssertionError("it is not to be called")

    weight, x = torch.rand(3), torch.rand(2, 3)
    assert convert(lambda x: torch.add(x, weight), x).report.ok
    assert set(seen) == {(False, True, False)}
    seen.clear()
    assert convert(lambda x: torch.add(x, weight), x, input_shapes={x: (None, 3)}).report.ok
    assert set(seen) == {(False, True, True)}


# -- the same words as nobuco's own converters have


def test_any_layout_and_output_layout_save_transposes():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            return self.second(first_half(shifted(self.first(x))))

    @nobuco.traceable
    def shifted(x):
        return x + 1

    @nobuco.traceable
    def first_half(x):
        return x[:, :, : x.shape[2] // 2]

    def register(**layouts):
        nobuco.converter(shifted, channel_ordering_strategy=layouts.pop("order", ANY), **layouts)(
            lambda x: lambda x: x + 1
        )

    def half(x):
        def func(x):
            axis = 1 if nobuco.get_channel_order(x) is nobuco.ChannelOrder.TENSORFLOW else 2
            return tf.split(x, 2, axis)[0]

        return func

    nobuco.converter(first_half, channel_ordering_strategy=ANY, output_layout=lambda layout, x: layout)(half)
    x = torch.rand(1, 3, 10, 10)
    register(any_layout=True)
    assert convert(Model().eval(), x).report.transposes == 0
    register(order=PYTORCH)
    assert convert(Model().eval(), x).report.transposes > 0


def test_a_fault_in_output_layout_is_told_with_the_line():
    @nobuco.traceable
    def turned(x):
        return x.transpose(1, 2)

    x = torch.rand(2, 3, 4)
    for output_layout, said in [
        (lambda layout, x: None, "can work in no layout"),
        (lambda layout, x: layout[:2], "rank"),
        (lambda layout, x: 1 / 0, "ZeroDivisionError"),
    ]:
        nobuco.converter(turned, channel_ordering_strategy=ANY, output_layout=output_layout)(
            lambda x: lambda x: tf.transpose(x, (0, 2, 1))
        )
        with pytest.raises(nobuco.ConversionError, match=rf"(?s)turned at .*test_converters\.py.*{said}"):
            convert(lambda x: turned(x), x)


# -- registering and taking back


def test_what_is_registered_inside_the_block_is_taken_back():
    before = converters_of(F.softsign)
    with nobuco.converters():
        nobuco.converter(F.softsign, channel_ordering_strategy=ANY)(lambda *_: keras.ops.softsign)
        assert len(converters_of(F.softsign)) == len(before) + 1
    assert converters_of(F.softsign) == before


def test_a_cell_that_is_run_again_leaves_one_converter():
    cell = "def converter_softsign(input):\n    return lambda input: {}\n"
    before = len(converters_of(F.softsign))
    for body in ("None", "input / (1 + abs(input))"):
        scope = {"__name__": "__main__"}
        exec(cell.format(body), scope)
        nobuco.converter(F.softsign, channel_ordering_strategy=ANY)(scope["converter_softsign"])
    assert len(converters_of(F.softsign)) == before + 1
    assert convert(F.softsign, torch.linspace(-2, 2, 5)).report.ok


def test_a_users_converter_comes_before_ours_whenever_it_is_registered():
    nobuco.converter(F.softsign, channel_ordering_strategy=ANY)(lambda *_: keras.ops.softsign)
    assert not find_converter(F.softsign).builtin
    assert converters_of(F.softsign)[-1].builtin


# -- facts


def test_facts_belong_to_the_op_and_not_to_its_name():
    """A function of the user's that is called relu, and is none, before a pooling that pads."""

    @nobuco.traceable
    def relu(x):
        return x - 5

    nobuco.converter(relu, channel_ordering_strategy=ANY, any_layout=True)(lambda x: lambda x: x - 5)
    x = torch.rand(1, 3, 9, 9)
    keras_model = convert(lambda x: F.max_pool2d(relu(x), 3, 2, 1), x)
    assert keras_model.report.ok
    assert keras_model.report.max_error < 1e-6


@pytest.mark.parametrize(
    "function", [torch.relu, F.relu6, torch.sigmoid, F.hardsigmoid, torch.abs, nn.ReLU()]
)
def test_what_has_no_negative_element_is_padded_by_the_pooling_itself(function):
    keras_model = convert(lambda x: F.max_pool2d(function(x), 3, 2, 1), torch.randn(1, 3, 9, 9))
    assert keras_model.report.ok
    kinds = [type(layer).__name__ for layer in keras_model.layers]
    assert "MaxPooling2D" in kinds, kinds


# -- sharing


def test_large_array_arguments_tell_calls_apart():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.rand(3))

        def forward(self, x, table):
            return x * self.weight * float(table.sum())

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.scaled = Scaled()

        def forward(self, x):
            first, second = np.zeros(5000), np.zeros(5000)
            first[2500], second[2500] = 1.0, 17.0  # where the repr of an array has only dots
            return self.scaled(x, first) + self.scaled(x, second)

    @nobuco.converter(Scaled, channel_ordering_strategy=ANY)
    def scaled(self, x, table):
        factor = tf.constant(self.weight.detach().numpy() * float(table.sum()), tf.float32)
        return lambda x, table: x * factor

    keras_model = convert(Twice(), torch.rand(2, 3))
    assert keras_model.report.ok


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0.0, -0.0), ((1, 2), [1, 2]), ("a", "b"), (slice(1), slice(1.0))]
)
def test_arguments_that_python_calls_equal_are_told_apart(one, other):
    from nobuco.keras_model.sharing import sharing_key
    from nobuco.layout.planner import Mode
    from nobuco.trace.calls import Call, Kind

    module, mode = nn.Identity(), Mode((), ())

    def key(argument):
        return sharing_key(Call(module, Kind.MODULE, (argument,), {}, None, ""), mode)

    assert key(one) == key(one)
    assert key(one) != key(other)
    assert key(object()) is None
