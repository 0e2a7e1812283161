"""Two converters for one op: the first that accepts a call takes it. And converters that are taken back."""

import tensorflow as tf
import torch
import torch.nn.functional as F

import nobuco
from examples.checking import same, true
from nobuco import ChannelOrderingStrategy


def only_the_tanh_form(call):
    return None if call.approximate == "tanh" else "only the form with tanh"


def model(x):
    return F.gelu(x) + F.gelu(x, approximate="tanh")


x = torch.linspace(-3, 3, 24)
with nobuco.converters():

    @nobuco.converter(
        F.gelu,
        channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS,
        any_layout=True,
        accepts=only_the_tanh_form,
    )
    def gelu_by_tanh(input: torch.Tensor, approximate: str = "none"):
        return lambda input, approximate="none": tf.nn.gelu(input, approximate=True)

    keras_model = nobuco.pytorch_to_keras(model, args=[x])

by = {
    found.call.kwargs.get("approximate", "none"): found.converter.function.__name__
    for found in keras_model.report.calls.values()
    if found.call.name == "F.gelu"
}
same("both calls", keras_model(x.numpy()), model(x))
true("one is converted by ours, one by the other", by == {"none": "gelu", "tanh": "gelu_by_tanh"})
true("afterwards only nobuco's own is left", "gelu_by_tanh" not in nobuco.locate_converter(F.gelu)[1])
