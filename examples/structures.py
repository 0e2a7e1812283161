"""Functions as well as modules; arguments and outputs of any structure."""

import torch

import nobuco
from examples.checking import channel_last, same, true
from nobuco import ChannelOrder


def blend(images, weights, *, offset):
    low, high = images["low"], images["high"]
    mixed = weights[0] * low + weights[1] * high + offset
    return {"mixed": mixed, "range": (mixed.amin((2, 3)), mixed.amax((2, 3)))}


torch.manual_seed(0)
images = {"low": torch.rand(1, 3, 8, 12), "high": torch.rand(1, 3, 8, 12)}
weights = [torch.tensor(0.25), torch.tensor(0.75)]
offset = torch.rand(1, 3, 1, 1)
keras_model, outputs = nobuco.pytorch_to_keras(
    blend,
    args=[images, weights],
    kwargs={"offset": offset},
    inputs_channel_order=ChannelOrder.TENSORFLOW,
    outputs_channel_order=ChannelOrder.TENSORFLOW,
    input_names={images["low"]: "low", images["high"]: "high"},
    return_outputs_pt=True,
)
print("inputs:", *(tensor.name for tensor in keras_model.inputs))
true(
    "inputs have the names that were given", {"low", "high"} <= {tensor.name for tensor in keras_model.inputs}
)

given = [
    *(channel_last(each) for each in images.values()),
    *(each.numpy() for each in weights),
    channel_last(offset),
]
result = keras_model(given)
same("mixed", result["mixed"], channel_last(outputs["mixed"]))
for name, ours, theirs in zip(("low end", "high end"), result["range"], outputs["range"], strict=True):
    same(name, ours, theirs)
