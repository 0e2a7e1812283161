"""Calibration data in whatever form it comes, as arrays in the file's order, with what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nobuco.tflite.errors import CalibrationError
from nobuco.tflite.inspection import TFLiteTensor
from nobuco.tflite.precision.images import image_folder
from nobuco.tflite.precision.running import Sample

MOST = 512  # samples that are looked at
FEW = 16  # with fewer, scales depend on which ones they happen to be
_WIDER = 10.0  # times the example's range: what no change of images explains


def samples_of(
    data: Any, inputs: Sequence[TFLiteTensor], layouts: Sequence[Sequence[int]] | None
) -> list[list[np.ndarray]]:
    """The samples that `data` holds: one list a run of the file, one array an input.

    Args:
        data: an iterable of samples, a loader of batches of them, or a folder of images. A sample is an array, a tuple whose
            first items are the inputs (labels may follow), or a dict by input name. Torch tensors have PyTorch's order of
            dims, numpy arrays the file's. The batch dim may be missing; batches are cut to the size that the file takes.
        inputs: of the file.
        layouts: of each input, the PyTorch dim that stands at each place; None where nothing is known of PyTorch.

    Raises CalibrationError: a sample is nothing that the file takes.
    """
    if isinstance(data, str | os.PathLike):
        data = image_folder(data, inputs)
    if not isinstance(data, Iterable):
        raise CalibrationError(
            f"calibration is a {type(data).__name__}: give samples, a loader, or a folder of images"
        )
    found: list[list[np.ndarray]] = []
    for number, item in enumerate(data):
        arrays = [
            _fitted(array, spec, layout, number)
            for array, spec, layout in zip(
                _arrays(item, inputs, number), inputs, layouts or [None] * len(inputs), strict=True
            )
        ]
        found += _runs(arrays, inputs)
        if len(found) >= MOST:
            return found[:MOST]
    return found


def doubts(samples: Sequence[Sample], inputs: Sequence[TFLiteTensor], example: Sample | None) -> list[str]:
    """What makes scales doubtful that are found from these samples. Raises CalibrationError where none can be found.

    `example`: inputs that the model is known to take, None where nothing is known of their range."""
    check_numbers(samples, inputs, "calibration sample")
    different = len({b"".join(array.tobytes() for array in sample) for sample in samples})
    if different == 1:
        raise CalibrationError(
            "calibration is a single sample: give some 100 that differ"
            if len(samples) == 1
            else f"all {len(samples)} calibration samples are the same: give some 100 that differ"
        )
    found = []
    if different < FEW:
        found.append(
            f"calibration has {different} different samples: scales found from fewer than {FEW} depend on which ones they "
            "are; give some 100"
        )
    for place, spec in enumerate(inputs if example is not None else ()):
        found += _range_doubts(spec.name, [sample[place] for sample in samples], example[place])  # type: ignore[index]
    return found


def check_numbers(samples: Sequence[Sample], inputs: Sequence[TFLiteTensor], what: str) -> None:
    """Raises CalibrationError for numbers that are none. `what`: a sample is called."""
    for number, sample in enumerate(samples):
        for array, spec in zip(sample, inputs, strict=True):
            if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
                held = "NaN" if np.isnan(array).any() else "infinity"
                raise CalibrationError(f"{what} {number} holds {held} in input {spec.name!r}: leave it out")


def _range_doubts(name: str, arrays: Sequence[np.ndarray], example: np.ndarray) -> list[str]:
    if not np.issubdtype(example.dtype, np.floating) or not example.size or example.min() == example.max():
        return []  # nothing is known of the range
    low, high = min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays)
    there, wanted = max(abs(low), abs(high)), float(np.abs(example).max())
    if wanted / _WIDER <= there <= wanted * _WIDER:
        return []
    return [
        f"calibration goes from {low:.3g} to {high:.3g} in input {name!r}, the example that the model was converted "
        f"with from {example.min():.3g} to {example.max():.3g}: give it as the model takes it, after all preprocessing"
    ]


def _arrays(item: Any, inputs: Sequence[TFLiteTensor], number: int) -> Sequence[Any]:
    if isinstance(item, Mapping):
        missing = [spec.name for spec in inputs if spec.name not in item]
        if missing:
            raise CalibrationError(
                f"calibration sample {number} lacks input {missing[0]!r}: it has {', '.join(map(str, item))}"
            )
        return [item[spec.name] for spec in inputs]
    parts = list(item) if isinstance(item, tuple | list) else [item]
    if len(parts) < len(inputs):
        raise CalibrationError(
            f"calibration sample {number} has {len(parts)} arrays, the model takes {len(inputs)}"
        )
    return parts[: len(inputs)]


def _fitted(value: Any, spec: TFLiteTensor, layout: Sequence[int] | None, number: int) -> np.ndarray:
    """As an array with a batch dim, in the file's order and type."""
    where = f"calibration sample {number}, input {spec.name!r}"
    torch_tensor = hasattr(value, "detach")
    array = _of_torch(value, where) if torch_tensor else np.asarray(value)
    given = array.shape
    wanted = spec.shape_signature
    if array.ndim == len(wanted) - 1:
        array = array[None]
    if torch_tensor and layout is not None and array.ndim == len(layout):
        array = array.transpose(layout)
    if not _fits(array.shape, wanted):
        turned = not torch_tensor and layout is not None and array.ndim == len(layout)
        hint = turned and _fits(array.transpose(layout).shape, wanted)
        sizes = ", ".join("?" if size < 0 else str(size) for size in wanted)
        raise CalibrationError(
            f"{where}: shape {tuple(given)}, where the file takes ({sizes})"
            + (": it has PyTorch's order of dims, which is taken from torch tensors only" if hint else "")
        )
    if not array.size:
        raise CalibrationError(f"{where}: shape {tuple(given)}, which holds no number")
    return np.ascontiguousarray(_typed(array, spec, where))


def _of_torch(value: Any, where: str) -> np.ndarray:
    dense = value.detach().cpu()
    dense = dense.to_dense() if str(dense.layout) != "torch.strided" else dense
    try:
        return (dense.float() if str(dense.dtype) == "torch.bfloat16" else dense).numpy()
    except (TypeError, RuntimeError) as error:
        raise CalibrationError(f"{where}: a tensor of {dense.dtype}, which is no array: {error}") from error


def _fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    if len(shape) != len(wanted):
        return False
    batch = not shape or wanted[0] < 0 or (shape[0] > 0 and shape[0] % wanted[0] == 0)
    return batch and all(b in (-1, a) for a, b in zip(shape[1:], wanted[1:], strict=True))


def _typed(array: np.ndarray, spec: TFLiteTensor, where: str) -> np.ndarray:
    wanted = np.dtype(spec.dtype)
    same = any(
        np.issubdtype(array.dtype, kind) and np.issubdtype(wanted, kind)
        for kind in (np.floating, np.integer, np.bool_)
    )
    if not same:
        raise CalibrationError(
            f"{where}: {array.dtype} numbers, where the file takes {wanted}: give it as the model takes it, after all "
            "preprocessing"
        )
    return array.astype(wanted)


def _runs(arrays: Sequence[np.ndarray], inputs: Sequence[TFLiteTensor]) -> Iterator[list[np.ndarray]]:
    """A batch of samples as runs of the file's own batch size; as it is, where that is open."""
    sizes = [spec.shape_signature[0] if spec.shape_signature else -1 for spec in inputs]
    counts = {len(a) // size for a, size in zip(arrays, sizes, strict=True) if size > 0}
    if len(counts) != 1:
        yield list(arrays)
        return
    for run in range(counts.pop()):
        yield [
            array if size < 0 else array[run * size : (run + 1) * size]
            for array, size in zip(arrays, sizes, strict=True)
        ]
