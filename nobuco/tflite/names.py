"""The names of a file's inputs and outputs, put in place of those that TensorFlow's converter makes up."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from nobuco.tflite import flatbuffer as fb

# Where the generated schema keeps the field `name` of the two tables.
_TENSOR_NAME, _SIGNATURE_NAME = 10, 4
_LARGEST = 2**31 - 1  # of a flatbuffer. A larger file has its weights behind it, where no text may stand.


def rename(data: bytearray, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Names the inputs and outputs of a file's first signature and their tensors, in place.

    A tensor that is several of them has the first of its names. In a file of more than 2 GB nothing is renamed.

    Args:
        data: the file.
        inputs, outputs: the new name for each that the signature has now, in the model's order."""
    places = _places(data, inputs, outputs)
    if len(data) + sum(len(name.encode()) + 8 for _, name in places) > _LARGEST:
        return
    for place, name in places:
        data.extend(b"\0" * (-len(data) % 4))
        # An offset counts from the field that holds it, and only forwards: behind the end is always right.
        struct.pack_into("<I", data, place, len(data) - place)
        text = name.encode()
        data.extend(struct.pack("<I", len(text)) + text + b"\0")


def _places(data: bytearray, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> list[tuple[int, str]]:
    """Where in the data the offset of a name stands, and the name that it shall have."""
    model = fb.root(data)
    graph, signature = fb.subgraphs(model)[0], model.SignatureDefs(0)
    places, tensors = [], {}
    for entries, names in (
        ([signature.Inputs(i) for i in range(signature.InputsLength())], inputs),
        ([signature.Outputs(i) for i in range(signature.OutputsLength())], outputs),
    ):
        indices = {entry.Name().decode(): entry.TensorIndex() for entry in entries}
        for old, new in names.items():
            # the first entry left for the tensor, so that the names of one that is several outputs keep their order
            entry = next(each for each in entries if each.TensorIndex() == indices[old])
            entries.remove(entry)
            places.append((_field(entry, _SIGNATURE_NAME), new))
            tensors.setdefault(indices[old], new.replace("/", "_"))  # "/" stands between scopes there
    return places + [(_field(graph.Tensors(index), _TENSOR_NAME), name) for index, name in tensors.items()]


def _field(table: Any, slot: int) -> int:
    return table._tab.Pos + table._tab.Offset(slot)
