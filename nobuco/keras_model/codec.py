"""The arguments of a PyTorch call as JSON, so that a saved Keras model can build its layers again."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Slot:
    """The place of a graph tensor among the arguments: the layer's input number `index`."""

    index: int


@dataclass(frozen=True)
class Weight:
    """The place of a constant tensor that is a weight of the layer, number `index`."""

    index: int


def encode(item: Any) -> Any:
    if item is None or isinstance(item, bool | int | str):
        return item
    if isinstance(item, float):
        return item if math.isfinite(item) else {"float": repr(item)}
    if isinstance(item, Slot):
        return {"slot": item.index}
    if isinstance(item, Weight):
        return {"weight": item.index}
    if isinstance(item, np.ndarray):
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(item).tobytes())).decode()
        return {"array": packed, "dtype": item.dtype.str, "shape": list(item.shape)}
    if isinstance(item, torch.dtype | torch.device | torch.memory_format | torch.layout):
        return {"torch": str(item).removeprefix("torch."), "kind": type(item).__name__}
    if isinstance(item, slice):
        return {"slice": [encode(each) for each in (item.start, item.stop, item.step)]}
    if item is Ellipsis:
        return {"ellipsis": True}
    if isinstance(item, list):
        return [encode(each) for each in item]
    if isinstance(item, tuple):
        return {"tuple": [encode(each) for each in item]}
    if isinstance(item, dict):
        return {"dict": [[encode(key), encode(value)] for key, value in item.items()]}
    raise TypeError(f"an argument of type {type(item).__name__} cannot be saved: {item!r}")


def decode(item: Any) -> Any:
    if isinstance(item, list):
        return [decode(each) for each in item]
    if not isinstance(item, dict):
        return item
    match item:
        case {"float": text}:
            return float(text)
        case {"slot": index}:
            return Slot(index)
        case {"weight": index}:
            return Weight(index)
        case {"array": packed, "dtype": dtype, "shape": shape}:
            data = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.dtype(dtype))
            return data.reshape(shape).copy()
        case {"torch": name, "kind": kind}:
            return torch.device(name) if kind == "device" else getattr(torch, name)
        case {"slice": parts}:
            return slice(*(decode(each) for each in parts))
        case {"ellipsis": _}:
            return Ellipsis
        case {"tuple": parts}:
            return tuple(decode(each) for each in parts)
        case {"dict": pairs}:
            return {decode(key): decode(value) for key, value in pairs}
    raise ValueError(f"not an encoded argument: {item!r}")
