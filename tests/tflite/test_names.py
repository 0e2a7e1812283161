"""The names of inputs and outputs in the file: in its signature and of its tensors, in the order that the model has."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import nobuco
from nobuco import ChannelOrder
from nobuco.contract.tree import tree_leaves
from nobuco.tflite import inspect_tflite


@dataclasses.dataclass
class Boxes:
    scores: Any
    boxes: Any = None
    masks: Any = None


class Pair(NamedTuple):
    second: Any
    first: Any


STRUCTURES: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "a tensor": (lambda x: x * 2, ["output_0"]),
    "a tuple": (lambda x: (x * 2, x * 3), ["output_0", "output_1"]),
    "a list of one": (lambda x: [x * 2], ["output_0"]),
    "a tuple in a tuple": (lambda x: (x * 2, (x * 3, x * 4)), ["output_0", "output_1.0", "output_1.1"]),
    "a dict": (lambda x: {"scores": x * 2, "boxes": x * 3}, ["scores", "boxes"]),
    "an ordered dict": (lambda x: OrderedDict(z=x * 2, a=x * 3), ["z", "a"]),
    "a list in a dict": (lambda x: {"z": x * 2, "boxes": [x * 3, x * 4]}, ["z", "boxes.0", "boxes.1"]),
    "a dict in a dict": (
        lambda x: {"z": {"y": x * 2, "b": x * 3}, "a": {"y": x * 4}},
        ["z.y", "z.b", "a.y"],
    ),
    "a dict in a tuple": (
        lambda x: (x * 2, {"z": x * 3, "a": x * 4}),
        ["output_0", "output_1.z", "output_1.a"],
    ),
    "keys that are numbers": (lambda x: {1: x * 2, 0: x * 3}, ["output_1", "output_0"]),
    "keys of any text": (lambda x: {"a b": x * 2, "é/ü": x * 3, "0-1": x * 4}, ["a b", "é/ü", "0-1"]),
    "keys that meet": (
        lambda x: {"a.b": x * 2, "a": {"b": x * 3}, "a.b_2": x * 4},
        ["a.b", "a.b_2", "a.b_2_2"],
    ),
    "a dataclass": (lambda x: Boxes(x * 2, [x * 3, x * 4]), ["scores", "boxes.0", "boxes.1"]),
    "a dataclass in a dict": (lambda x: {"z": Boxes(x * 2), "a": x * 3}, ["z.scores", "a"]),
    "a named tuple": (lambda x: Pair(x * 2, x * 3), ["second", "first"]),
    "None in a tuple": (lambda x: (x * 2, None, x * 3), ["output_0", "output_2"]),
    "None in a dict": (lambda x: {"z": x * 2, "none": None, "a": [None, x * 3]}, ["z", "a.1"]),
    "one tensor twice": (lambda x: dict.fromkeys(("z", "a"), x * 2), ["z", "a"]),
    "an input": (lambda x: {"z": x, "a": x * 2}, ["z", "a"]),
}


def convert(function: Any, x: torch.Tensor, **options: Any) -> keras.Model:
    order = ChannelOrder.PYTORCH
    return nobuco.pytorch_to_keras(function, [x], inputs_channel_order=order, verbose=False, **options)


def check(
    file: Path, names: list[str], wanted: list[torch.Tensor], x: torch.Tensor, given: str = "x"
) -> None:
    """The interpreter's answers by place and by name."""
    interpreter = Interpreter(str(file))
    (signature,) = interpreter.get_signature_list().values()
    assert signature["inputs"] == [given] and sorted(signature["outputs"]) == sorted(names)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x.numpy())
    interpreter.invoke()
    details = interpreter.get_output_details()
    for detail, tensor in zip(details, wanted, strict=True):
        np.testing.assert_allclose(interpreter.get_tensor(detail["index"]), tensor, rtol=1e-6)
    by_name = interpreter.get_signature_runner("serving_default")(**{given: x.numpy()})
    for name, tensor in zip(names, wanted, strict=True):
        np.testing.assert_allclose(by_name[name], tensor, rtol=1e-6)
    assert [each.name for each in inspect_tflite(file).outputs] == names
    tensors = {detail["index"]: detail["name"] for detail in interpreter.get_input_details()}
    for detail, name in zip(details, names, strict=True):
        assert detail["name"] == tensors.setdefault(detail["index"], name.replace("/", "_"))
    assert tensors[interpreter.get_input_details()[0]["index"]] == given


def tensors_in(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


@pytest.mark.parametrize("kind", STRUCTURES)
def test_places_are_names(kind: str, tmp_path: Path) -> None:
    function, names = STRUCTURES[kind]
    x = torch.linspace(-1, 2, 6).reshape(2, 3)
    model = convert(function, x)
    check(nobuco.export_tflite(model, tmp_path / "m.tflite").path, names, tensors_in(function(x)), x)
    model.save(tmp_path / "m.keras")
    loaded: Any = keras.models.load_model(tmp_path / "m.keras")
    check(nobuco.export_tflite(loaded, tmp_path / "again.tflite").path, names, tensors_in(function(x)), x)


@pytest.mark.parametrize("kind", STRUCTURES)
def test_given_names_are_kept(kind: str, tmp_path: Path) -> None:
    function, places = STRUCTURES[kind]
    names = ["zeta 1", "alpha.é", "multiply"][: len(places)]
    x = torch.linspace(-1, 2, 6).reshape(2, 3)
    model = convert(function, x, output_names=names, input_names=["an image"])
    file = nobuco.export_tflite(model, tmp_path / "m.tflite").path
    check(file, names, tensors_in(function(x)), x, "an image")
    model.save(tmp_path / "m.keras")
    loaded: Any = keras.models.load_model(tmp_path / "m.keras")
    again = nobuco.export_tflite(loaded, tmp_path / "again.tflite").path
    check(again, names, tensors_in(function(x)), x, "an image")


def test_a_name_that_a_layer_has_already(tmp_path: Path) -> None:
    x = torch.rand(1, 3)
    model = convert(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).eval(), x, output_names=["0"])
    assert nobuco.export_tflite(model, tmp_path / "m.tflite").info.outputs[0].name == "0"


def test_ops_lead_to_their_calls_under_given_names(tmp_path: Path) -> None:
    x = torch.rand(1, 3)
    module = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2)).eval()
    info = nobuco.export_tflite(convert(module, x, output_names=["scores"]), tmp_path / "m.tflite").info
    assert [row.module_path for row in info.rows] == ["0", "1", "2"]


@pytest.mark.parametrize("argument", ["input_names", "output_names"])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("ab", r"is the text 'ab': give a list"),
        ([1, "a"], "holds 1, which is no text"),
        (["", "a"], "holds '': a name must not be empty"),
        (["a/b", "c"], "holds 'a/b': .* none with a '/'"),
        (["a", "a"], "holds 'a' twice"),
    ],
)
def test_names_that_cannot_be(argument: str, names: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"{argument} {message}"):
        nobuco.pytorch_to_keras(
            lambda a, b: (a, b), [torch.rand(2), torch.rand(2)], verbose=False, **{argument: names}
        )


def test_keys_with_a_slash_among_the_arguments() -> None:
    model = nobuco.pytorch_to_keras(lambda given: given["a/b"] * 2, [{"a/b": torch.rand(2)}], verbose=False)
    assert [each.name for each in model.inputs] == ["given_a_b"]
