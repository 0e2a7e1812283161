"""A missing op, a converter for it, a wrong formula, the right one."""

import warnings

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import nn

import nobuco
from examples.checking import channel_last, same, true
from nobuco import ChannelOrder, ChannelOrderingStrategy


class MyModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, kernel_size=(3, 3), padding=(1, 1), stride=(2, 2))

    def forward(self, x):
        x = self.conv(x)
        x = nn.Hardsigmoid()(x)
        x = 1 - x[:, ::2] * x[:, 1::2]
        return torch.special.hermite_polynomial_he(x, 3)


def convert():
    return nobuco.pytorch_to_keras(
        pytorch_module,
        args=[dummy_image],
        kwargs=None,
        inputs_channel_order=ChannelOrder.TENSORFLOW,
        outputs_channel_order=ChannelOrder.TENSORFLOW,
    )


torch.manual_seed(0)
dummy_image = torch.rand(size=(1, 3, 256, 256))
pytorch_module = MyModule().eval()
expected = channel_last(pytorch_module(dummy_image))

# 1. There is no converter for Hermite polynomials: the error says where they are called, and has a stub.
try:
    convert()
except nobuco.MissingConverterError as error:
    message = str(error)
    print(message)
else:
    message = ""
true(
    "the missing op is named, with its line",
    "torch.special.hermite_polynomial_he" in message and __file__ in message,
)


# 2. The stub, filled in. Element by element, so any channel order will do.
@nobuco.converter(
    torch.special.hermite_polynomial_he,
    channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS,
)
def hermite_polynomial_he(input: torch.Tensor, n: int):
    def func(input, n):
        previous, current = tf.ones_like(input), input
        for k in range(1, n):
            previous, current = current, input * current - k * previous
        return current if n else previous

    return func


same("every op has a converter", convert()(channel_last(dummy_image)), expected)


# 3. A converter of one's own goes before the built-in one. This formula is another framework's, not
#    PyTorch's: the call is seen to be inexact, and the warning names it.
@nobuco.converter(F.hardsigmoid, channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)
def wrong_hardsigmoid(input: torch.Tensor, inplace: bool = False):
    return lambda input, inplace=False: tf.clip_by_value(0.2 * input + 0.5, 0, 1)


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    wrong = convert()
said = [str(each.message) for each in caught if issubclass(each.category, nobuco.DiscrepancyWarning)]
true("the wrong formula is seen as wrong", not wrong.report.ok and "F.hardsigmoid" in said[0])
true("on the node where it is born", wrong.report.worst_call.call.name == "F.hardsigmoid")


# 4. The right formula takes its place.
@nobuco.converter(F.hardsigmoid, channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)
def hardsigmoid(input: torch.Tensor, inplace: bool = False):
    return lambda input, inplace=False: tf.clip_by_value(
        input / 6 + 1 / 2, clip_value_min=0, clip_value_max=1
    )


keras_model = convert()
same("with the right formula", keras_model(channel_last(dummy_image)), expected)
true("all is well", keras_model.report.ok)
