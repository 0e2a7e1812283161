"""Looking up how a PyTorch function, method or module is written in TensorFlow."""

import torch
import torch.nn.functional as F
from torch import nn

import nobuco
from examples.checking import true

for node in (torch.Tensor.repeat, F.relu_, nn.LSTM):
    location_link, source_code = nobuco.locate_converter(node)
    print("Converter location:")
    print(location_link)
    print("Converter source code:")
    print(source_code)
    true("it is one of nobuco's own", "node_converters" in location_link and "def " in source_code)
