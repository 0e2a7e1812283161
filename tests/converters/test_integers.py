"""64-bit integers, of which TFLite can do little: exact, and in files without Flex."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import Tensor

import nobuco
from nobuco.node_converters import _integers
from nobuco.node_converters.bitwise import _IN_32_BITS, _OWN
from nobuco.tflite import export_tflite


def _of_all_lengths(count: int, bits: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    numbers = random.integers(-(1 << bits), 1 << bits, count) >> random.integers(0, bits, count)
    return np.where(numbers == 0, 1, numbers)


@pytest.mark.parametrize(
    ("own", "reference"), [(_integers.floor_divided, tf.math.floordiv), (_integers.truncated, tf.truncatediv)]
)
def test_quotients_are_exact(own: Callable[..., tf.Tensor], reference: Callable[..., tf.Tensor]) -> None:
    a, b = (tf.constant(_of_all_lengths(100_000, 62, seed)) for seed in (0, 1))
    np.testing.assert_array_equal(own(a, b), reference(a, b))
    a, b = (x // (1 << 31) for x in (a, b))
    b = tf.where(b == 0, tf.ones_like(b), b)
    np.testing.assert_array_equal(own(a, b, True), reference(a, b))


@pytest.mark.parametrize("name", _OWN)
def test_bits_are_exact(name: str) -> None:
    a, b = (tf.constant(_of_all_lengths(100_000, 31, seed), tf.int32) for seed in (0, 1))
    ends = tf.constant([-(1 << 31), (1 << 31) - 1, -1, 0], tf.int32)
    a, b = tf.concat([a, ends, ends], 0), tf.concat([b, ends, ends[::-1]], 0)
    np.testing.assert_array_equal(_IN_32_BITS[name](a, b), _OWN[name](a, b))


_PROGRAMS: dict[str, Callable[[Tensor], object]] = {
    "floor": lambda x: x // 3,
    "floor by a tensor": lambda x: x // (x * x + 1),
    "floor of a number": lambda x: 7 // (x * x + 1),
    "truncated": lambda x: torch.div(x, 3, rounding_mode="trunc"),
    "fmod": lambda x: torch.fmod(x, 3),
    "abs": lambda x: x.abs(),
    "sign": lambda x: x.sign(),
    "and a mask": lambda x: x & 7,
    "not": lambda x: ~x,
    "left": lambda x: x << 2,
    "right": lambda x: x >> 1,
    "power": lambda x: x**3,
    "argmax": lambda x: x.argmax(0),
    "smallest, with its place": lambda x: x.min(0),
    "sorted": lambda x: x.sort(),
    "median": lambda x: x.median(),
    "cummax": lambda x: x.cummax(0),
    "both bits of places": lambda x: (x.argsort() | 2) & 5 ^ x.argmax(),
    "place in a plane": lambda x: (x.topk(3).indices // 2, x.topk(3).indices % 2),
}


@pytest.mark.parametrize("name", _PROGRAMS)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_exported(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    x = torch.tensor([1, 5, -3, 4, 0, -7], dtype=dtype)
    model = nobuco.pytorch_to_keras(_PROGRAMS[name], [x], verbose=False, strict=True)
    assert not export_tflite(model, tmp_path / "m.tflite", tolerance=0.0).info.flex_ops


def test_places_are_divided_in_32_bits(tmp_path: Path) -> None:
    """A place in a tensor needs no more; of any other number nothing is known."""
    x = torch.tensor([1, 5, -3, 4, 0, -7])

    def ops(program: Callable[[Tensor], Tensor]) -> list[str]:
        model = nobuco.pytorch_to_keras(program, [x], verbose=False, strict=True)
        return [row.op for row in export_tflite(model, tmp_path / "m.tflite").info.rows]

    assert ops(lambda x: x.argsort()[:3] // 4).count("FLOOR_DIV") == 1
    assert ops(lambda x: x.int().long() // 4).count("FLOOR_DIV") == 1
    assert "FLOOR_DIV" not in ops(lambda x: x // 4)
    assert "FLOOR_DIV" not in ops(lambda x: x.argsort() * x // 4)


def test_the_report_says_what_is_computed_in_32_bits(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    x = torch.tensor([1, 5, -3, 4, 0, -7])

    def noted(program: Callable[[Tensor], Tensor]) -> tuple[list[str], set[str]]:
        page = tmp_path / "page.html"
        report = nobuco.pytorch_to_keras(program, [x], strict=True, save_trace_html=page).report
        printed = capsys.readouterr()
        shown = printed.out + printed.err, page.read_text(encoding="utf-8"), str(report)
        assert {("are computed in int32" in " ".join(text.split())) for text in shown} == {bool(report.noted)}
        calls = report.to_dict()["calls"]
        return report.noted, {call["op"] for call in calls if call["notes"]}

    said, ops = noted(lambda x: x.argsort() // 4 + x // 4)
    assert said and f'File "{__file__}", line' in said[0] and ops == {"Tensor.__floordiv__"}
    assert noted(lambda x: x.argsort() >> 1)[1] == {"Tensor.__rshift__"}
    assert noted(lambda x: x.argsort() & 5)[1] == {"Tensor.__and__"}
    for program in (
        lambda x: x // 4,
        lambda x: x.argsort() / 4,
        lambda x: x.argsort() << 1,
        lambda x: x.int() // 4,
        lambda x: x.int() & 5,
    ):
        assert noted(program) == ([], set())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_dtype_is_what_tflite_refuses(dtype: torch.dtype, tmp_path: Path) -> None:
    x = torch.randn(2, 3, 4).to(dtype)
    model = nobuco.pytorch_to_keras(lambda x: torch.fft.fftshift(x.transpose(1, 2).erf()), [x], verbose=False)
    with pytest.raises(
        nobuco.NobucoError, match=rf"computes in {str(dtype).removeprefix('torch.')}.*model.float\(\)"
    ):
        export_tflite(model, tmp_path / "m.tflite")
