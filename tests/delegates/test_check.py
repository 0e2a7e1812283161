"""Verdicts on files, each made of the one thing that a rule is about."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from click.testing import CliRunner
from rich.console import Console
from torch import nn

import devices
import nobuco
from bench.cli import main
from bench.commands.lint import NOT_WHOLE
from nobuco.delegates import State, check_delegates, node_data, page
from nobuco.delegates.check import DELEGATES
from nobuco.delegates.graph import Node, Tensor
from nobuco.delegates.partitions import partitions
from nobuco.native_log import without_native_noise
from nobuco.tflite import TFLiteFileError
from tests.delegates import composites
from tests.delegates.confusion import verdict
from tests.delegates.files import file_with_open_sizes

_OTHER = tf.constant(np.random.default_rng(0).standard_normal((2, 4, 5, 8)), tf.float32)
Shapes = list[tuple[int, ...]]


def file_of(folder: Path, function: Callable[..., Any], shapes: Shapes) -> Path:
    """As TFLite's own converter makes it: nothing is put into other forms."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    path = folder / "m.tflite"
    with without_native_noise():
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module()).convert())
    return path


# what is made; the rule that the classic delegate finds broken, and ML Drift: empty where all is taken
_BROKEN: dict[str, tuple[Callable[..., Any], Shapes, str, str]] = {
    "plain": (lambda x: tf.nn.relu(x) + 1.0, [(1, 4, 5, 8)], "", ""),
    "five dims": (lambda x: tf.nn.relu(x), [(1, 2, 3, 4, 5)], "five dims or more", "five dims or more"),
    "dropped axis": (lambda x: x[:, 1], [(1, 4, 5, 8)], "a slice that drops or adds an axis",
                     "a slice that drops or adds an axis"),
    "slice of two dims": (lambda x: x[1:3, :4], [(5, 8)], "slice of other than three or four dims", ""),
    "no such op": (lambda x: tf.nn.log_softmax(x), [(1, 8)], "no such op", "no such op"),
    "ceil": (lambda x: tf.math.ceil(x), [(1, 8)], "no such op", ""),
    "class token": (lambda x: tf.concat([_OTHER[:1, 0, :1], x], 1), [(1, 5, 8)],
                    "a constant among what is joined", ""),
    "constant choice": (lambda x: tf.where(_OTHER > 0.0, x, 0.5), [(2, 4, 5, 8)],
                        "a choice by or of constants", ""),
    "constant left side": (lambda x: tf.matmul(_OTHER, x), [(2, 4, 8, 3)], "product", "product"),
    "product with itself": (lambda x: tf.matmul(x, x), [(2, 5, 5)], "product", ""),
    "batches of a constant": (lambda x: x + _OTHER, [(2, 4, 5, 8)], "a constant of several batches", ""),
    "ranks": (lambda x, y: x + y, [(2, 5, 8), (5, 8)], "broadcast between ranks", ""),
    "itself": (lambda x: tf.math.squared_difference(x, x), [(1, 4, 5, 8)], "a tensor with itself",
               "a tensor with itself"),
    "comparison read twice": (lambda x: [tf.where(x > 0.0, x, 1.0 * i) for i in (1, 2)], [(1, 4, 5, 8)],
                              "a comparison's reader", ""),
    "integers": (lambda x: tf.cast(tf.cast(x, tf.int32) * 2, tf.float32), [(1, 4, 5, 8)], "type of numbers", ""),
    "long integers": (lambda x: tf.cast(x, tf.int64), [(1, 4, 5, 8)], "type of numbers", "type of numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", _BROKEN)
def test_rules(name: str, tmp_path: Path) -> None:
    function, shapes, *expected = _BROKEN[name]
    for check, rule in zip(check_delegates(file_of(tmp_path, function, shapes)), expected, strict=True):
        found = {verdict.rule for verdict in check.verdicts if verdict.state is not State.TAKEN}
        assert found == ({rule} if rule else set()), check.delegate.name
        assert check.whole is (not rule)


_WRONG: dict[str, tuple[Callable[..., Any], Shapes, str, str]] = {
    "turned product": (lambda x, y: tf.matmul(x, y, transpose_b=True), [(1, 4, 5, 8), (1, 4, 3, 8)],
                       "a product with a transposed side", ""),
    "power": (lambda x: tf.pow(2.0, x), [(1, 4, 5, 8)], "", "a constant to a power"),
    "constant along other dims": (lambda x: x + _OTHER[0, 0], [(5, 8)], "", "a constant along other dims"),
    "paddings": (lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 0]]), [(2, 5, 8)], "", "paddings of three dims"),
    "blocks": (lambda x: tf.nn.depth_to_space(x, 2), [(2, 4, 5, 8)], "", "blocks of several pictures"),
}  # fmt: skip


@pytest.mark.parametrize("name", _WRONG)
def test_what_is_computed_wrongly(name: str, tmp_path: Path) -> None:
    function, shapes, *expected = _WRONG[name]
    for check, wrong in zip(check_delegates(file_of(tmp_path, function, shapes)), expected, strict=True):
        assert {danger.name for danger in check.dangers if danger.wrong} == ({wrong} if wrong else set())
        assert check.whole and check.right is (not wrong)


def test_large_sums_are_at_risk(tmp_path: Path) -> None:
    file = file_of(tmp_path, lambda x: tf.reduce_sum(x, [1, 2]), [(1, 64, 64, 8)])
    for check in check_delegates(file):
        (danger,) = check.dangers
        assert (
            danger.reason == "4,096 summands: past 65,504 where they are 16 on average" and not danger.wrong
        )
        assert check.whole and check.right


def convolution(size: tuple[int, int], channels: tuple[int, int] = (64, 64), **options: Any) -> Any:
    """A function of a picture, and the picture's shape."""
    kernel = np.random.default_rng(0).standard_normal((3, 3, *channels)).astype(np.float32) / 24
    options = {"strides": 1, "padding": "SAME", **options}
    return (lambda x: tf.nn.conv2d(x, kernel, **options)), [(1, *size, channels[0])]


@pytest.mark.parametrize(
    ("size", "options", "risk"),
    [
        ((16, 32), {}, True),
        ((4, 128), {}, True),
        ((20, 24), {}, False),
        ((16, 32), {"channels": (60, 64)}, False),
        ((16, 32), {"channels": (64, 60)}, False),
        ((32, 64), {"strides": 2}, False),
        ((16, 32), {"dilations": 2}, False),
    ],
)
def test_convolutions_at_risk_in_half_precision(
    tmp_path: Path, size: tuple[int, int], options: dict[str, Any], risk: bool
) -> None:
    file = file_of(tmp_path, *convolution(size, **options))
    (check,) = check_delegates(file, delegates=["gpu-webgpu"])
    assert [danger.name for danger in check.dangers] == ["a convolution in half precision"] * risk
    assert check.whole and check.right


def _tensor(index: int, shape: tuple[int, ...], constant: bool = False) -> Tensor:
    return Tensor(index, "", shape, "float32", constant, open=False, variable=False, scales=0)


@pytest.mark.parametrize(("rows", "fatal"), [(5, True), (1, False)])
def test_rows_that_a_reshape_makes(rows: int, fatal: bool) -> None:
    given, weights, flat, made = (
        _tensor(0, (1, rows, 8)),
        _tensor(1, (4, 8), constant=True),
        _tensor(2, (rows, 8)),
        _tensor(3, (rows, 4)),
    )
    flat.maker = Node(0, "RESHAPE", 1, [given], [flat], None)
    linear = Node(1, "FULLY_CONNECTED", 1, [flat, weights, None], [made], None)
    found = [rule.name for rule in DELEGATES["gpu-opencl"].rules_for(linear) if rule.broken(linear)]
    assert found == (["a reshape before a linear layer"] if fatal else [])


def test_a_linear_layer_of_a_tensor_with_itself() -> None:
    """ML Drift ends the process, as it does in the file of `torch.corrcoef`."""
    given, weights, made = _tensor(0, (3, 2)), _tensor(1, (3, 2)), _tensor(2, (3, 3))
    for other, fails in ((given, True), (weights, False)):
        linear = Node(0, "FULLY_CONNECTED", 1, [given, other, None], [made], None)
        found = [rule.name for rule in DELEGATES["gpu-webgpu"].rules_for(linear) if rule.broken(linear)]
        assert found == ["a linear layer of a tensor with itself"] * fails


def test_a_file_that_was_to_be_taken_and_fails_is_no_file_that_was_not_run() -> None:
    row = {"failed": "the runner was ended", "nodes": 0, "forecast": 3, "refused": [], "unknown": 0}
    assert verdict(row) == "taken, failed"
    assert verdict({**row, "refused": ["WHERE"]}) == "not run"
    assert verdict({"failed": "no samples", "nodes": 0}) == "not run"


def _chain(kinds: str) -> list[Node]:
    """Nodes one after the other; `a` and `b` read the one before, `A` and `B` the model's input."""
    tensors = [_tensor(i, (1,)) for i in range(len(kinds) + 1)]
    nodes = []
    for i, kind in enumerate(kinds):
        node = Node(i, kind, 1, [tensors[0 if kind.isupper() else i]], [tensors[i + 1]], None)
        tensors[i + 1].maker = node
        nodes.append(node)
    return nodes


@pytest.mark.parametrize(
    ("kinds", "parts"),
    [
        ("aaa", [[0, 1, 2]]),
        ("abab", [[0], [2]]),
        ("bbaa", [[2, 3]]),
        ("abA", [[0, 2]]),  # what is ready joins, wherever it stands
        ("abaAa", [[0, 3, 4], [2]]),
        ("", []),
    ],
)
def test_parts(kinds: str, parts: list[list[int]]) -> None:
    found = partitions(_chain(kinds), lambda node: node.op.lower() == "a")
    assert [[node.index for node in part] for part in found] == parts


def of_a_vector(x: Any) -> Any:
    """TFLite's converter takes the reshape away, and gives the linear layer the vector."""
    return tf.matmul(tf.reshape(tf.nn.tanh(x), [1, 8]), tf.transpose(_OTHER[0, 0, :3]))


def test_a_vector_into_a_linear_layer(tmp_path: Path) -> None:
    classic, drift = check_delegates(file_of(tmp_path, of_a_vector, [(8,)]))
    assert [each.rule for each in classic.verdicts if each.state is State.FATAL] == [
        "width of a linear layer"
    ]
    assert [each.name for each in drift.dangers if each.wrong] == ["a vector into a linear layer"]


@pytest.mark.parametrize(("name", "state"), [("odml.rms_norm", State.FATAL), ("odml.no_such", State.REFUSED)])
def test_composites(name: str, state: State, tmp_path: Path) -> None:
    plain = file_of(tmp_path, lambda x: tf.nn.tanh(x) * 2.0, [(1, 4, 8)])
    file = composites.wrapped(plain, tmp_path / "composite.tflite", name, {"epsilon": 1e-6})
    classic, drift = check_delegates(file)
    assert [verdict.state for verdict in classic.verdicts] == [State.REFUSED]
    (verdict,) = drift.verdicts
    assert verdict.state is state and name in verdict.reason and classic.inner_ops == 2
    # without a delegate the ops that it holds are run, which are more than the file has
    result = devices.launch(
        devices.open_device("host"), devices.LaunchRequest(file, delegate="cpu", num_runs=1)
    )
    assert result.ok and (result.delegated_nodes, result.total_nodes) == (0, 1)


class _Shuffled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.argmin(self.mix(x), -1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    model = nobuco.pytorch_to_keras(_Shuffled().eval(), args=[torch.randn(1, 6)], verbose=False)
    file = tmp_path_factory.mktemp("m") / "m.tflite"
    nobuco.export_tflite(model, file)
    return file, model


def test_the_line_of_the_program(exported: tuple[Path, Any]) -> None:
    check = check_delegates(*exported)[0]
    (left,) = [verdict for verdict in check.verdicts if verdict.state is not State.TAKEN]
    assert left.op.origins[0].site is not None and left.op.origins[0].site.file == __file__
    console = Console(width=100, record=True)
    with console.capture() as shown:
        console.print(page([check]))
    assert "test_check.py:" in shown.get() and "ARG_MIN" in shown.get() and "1 of 2 nodes" in shown.get()


def test_node_data(exported: tuple[Path, Any]) -> None:
    written = json.loads(node_data(check_delegates(exported[0])[0]))
    assert [each["value"].split(":")[0] for each in written["main"]["results"].values()] == [
        "taken",
        "refused",
    ]
    assert list(written["main"]["results"]) == ["0", "1"]


def test_the_command(exported: tuple[Path, Any], tmp_path: Path) -> None:
    def lint(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["lint", *arguments])

    refused = lint(str(exported[0]), "--node-data", str(tmp_path / "data" / "nodes.json"))
    assert refused.exit_code == NOT_WHOLE and "1 refused" in refused.stdout
    assert "main" in json.loads((tmp_path / "data" / "nodes.json").read_text())
    taken = lint(str(file_of(tmp_path, tf.nn.relu, [(1, 8)])), "--json", "--delegate", "gpu-opencl")
    assert taken.exit_code == 0
    (check,) = json.loads(taken.stdout)
    assert (check["delegate"], check["whole"], check["nodes"]) == ("gpu-opencl", True, 1)


def test_several_files(exported: tuple[Path, Any], tmp_path: Path) -> None:
    def lint(*arguments: str) -> Any:
        return CliRunner().invoke(
            main, ["lint", str(exported[0]), str(other), *arguments], env={"COLUMNS": "200"}
        )

    other = file_of(tmp_path, lambda x: tf.pow(2.0, x), [(1, 8)])
    done = lint()
    assert done.exit_code == NOT_WHOLE
    (first,) = [line for line in done.stdout.splitlines() if str(exported[0]) in line]
    (second,) = [line for line in done.stdout.splitlines() if str(other) in line]
    assert [cell.strip() for cell in first.split("│")[2:-1]] == ["1 of 2", "1", "1 of 2", "1"]
    assert [cell.strip() for cell in second.split("│")[2:-1]] == ["all 1", "1", "all 1, 1 wrong", "1"]
    found = [
        (Path(each["file"]).parent == tmp_path, each["delegate"])
        for each in json.loads(lint("--json").stdout)
    ]
    assert found == [(own, name) for own in (False, True) for name in ("gpu-opencl", "gpu-webgpu")]
    assert lint("--node-data", "x.json").exit_code == 2


def test_a_bad_file_among_others(exported: tuple[Path, Any], tmp_path: Path) -> None:
    bad, missing = tmp_path / "bad.tflite", tmp_path / "missing.tflite"
    bad.write_bytes(b"TFL3")
    files = [str(bad), str(exported[0]), str(missing)]
    done = CliRunner().invoke(main, ["lint", *files], env={"COLUMNS": "200"})
    assert done.exit_code == 1 and str(exported[0]) in done.stdout and "1 of 2" in done.stdout
    assert "bad.tflite: " in done.stderr and "missing.tflite: " in done.stderr
    found = json.loads(CliRunner().invoke(main, ["lint", *files, "--json"]).stdout)
    assert {each["file"] for each in found} == {str(exported[0])}


def test_what_is_unknown_says_how_to_ask(tmp_path: Path) -> None:
    file = file_with_open_sizes(tmp_path, lambda x: tf.nn.relu(x), (1, None, 4, 8))
    console = Console(width=200, record=True)
    with console.capture() as shown:
        console.print(page(check_delegates(file)))
    assert "not known" not in shown.get() and "fix all sizes before the export" in shown.get()
    for delegate in DELEGATES.values():
        for rule in delegate.rules:
            assert rule.mend != "not known", rule.name


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\0\0\0\0TFL3" + b"\xff" * 40])
def test_files_that_are_none(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "m.tflite"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TFLiteFileError, match=r"m\.tflite: "):
        check_delegates(file)
    done = CliRunner().invoke(main, ["lint", str(file)])
    assert done.exit_code == 1 and done.stderr.startswith("Error: ") and "Traceback" not in done.output


def test_an_unknown_delegate(exported: tuple[Path, Any]) -> None:
    with pytest.raises(ValueError, match="no rules for the delegate 'npu'"):
        check_delegates(exported[0], delegates=["npu"])


@pytest.mark.parametrize("name", DELEGATES)
def test_every_rule_names_its_source(name: str) -> None:
    delegate = DELEGATES[name]
    for rule in (*delegate.rules, *delegate.cautions):
        assert rule.name and rule.mend and rule.source
        assert set(rule.ops) & delegate.versions.keys() or not rule.ops, rule.name


def test_neither_pytorch_nor_tensorflow_is_loaded(exported: tuple[Path, Any]) -> None:
    program = (
        f"import sys, nobuco; nobuco.check_delegates({str(exported[0])!r}); "
        "print([name for name in ('torch', 'tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_masks_beyond_half_precision_are_at_risk(tmp_path: Path) -> None:
    heads = [torch.randn(1, 2, 8, 4) for _ in range(3)]
    model = nobuco.pytorch_to_keras(
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        heads,
        verbose=False,
    )
    found = {}
    for target in (None, "gpu"):
        nobuco.export_tflite(model, tmp_path / "x.tflite", target=target)
        _, ml_drift = nobuco.check_delegates(tmp_path / "x.tflite")
        found[target] = [danger.name for danger in ml_drift.dangers]
    assert found == {None: ["numbers beyond half precision"], "gpu": []}
