"""One sample of one op: converted, exported, run, compared with PyTorch."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

import nobuco
from nobuco.contract.dtypes import to_numpy
from nobuco.tflite import TFLiteExportError, export_tflite
from nobuco.tflite.errors import TFLiteMismatchError
from nobuco.validate.compare import relative_error
from tests.converters.op_samples import Sample, op_infos, samples

TOLERANCE = 1e-3
_SAMPLES = 3
_NOT_FILLED = {"empty_like", "new_empty"}  # hold what memory held


@dataclass(frozen=True)
class Outcome:
    """What became of an entry of the table.

    Attributes:
        op: its name in `op_db`, the variant behind a dot.
        verdict: "right" (all samples), "nothing to convert" (the samples take or return no tensor), "refused" (an error
            that names the reason), "told" (converted, with a warning that the outcome differs), "no converter", "no file"
            (the Keras model is right, TFLite has no op for it), "wrong", or "error" (neither a result nor an error of
            nobuco's).
        reason: of the first sample that is not right.
        error: the largest relative error of the samples that ran.
        samples: how many samples there were.
    """

    op: str
    verdict: str
    reason: str = ""
    error: float = 0.0
    samples: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def names() -> list[str]:
    """The entries that PyTorch has for float32, in its order."""
    return list(dict.fromkeys(name for name, info in op_infos().items() if torch.float32 in info.dtypes))


def tried(name: str) -> Outcome:
    try:
        taken = chosen(name)
    except Exception as error:  # of PyTorch's own, for what needs a GPU or a compiler
        return Outcome(name, "nothing to convert", f"PyTorch makes no samples here: {type(error).__name__}")
    if not taken:
        return Outcome(
            name, "nothing to convert", "PyTorch's samples take no tensor, or return none with elements"
        )
    worst = 0.0
    for args, kwargs in taken:
        verdict, reason, error = _sample(name, args, kwargs)
        worst = max(worst, error)
        if verdict != "right":
            return Outcome(name, verdict, reason, worst, len(taken))
    return Outcome(name, "right", "", worst, len(taken))


def chosen(name: str) -> list[Sample]:
    """Up to three samples that take and return tensors with elements, spread over all that PyTorch has."""
    found = [each for each in samples(name, torch.float32, 100) if _has_elements(op_infos()[name].op, *each)]
    step = max(len(found) / _SAMPLES, 1.0)
    return [found[int(i * step)] for i in range(min(_SAMPLES, len(found)))]


def _has_elements(op: Any, args: Any, kwargs: Any) -> bool:
    taken = _tensors((args, kwargs))
    try:
        made = _tensors(op(*_copied(args), **_copied(kwargs)))
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False
    return bool(taken) and bool(made) and all(each.numel() for each in (*taken, *made))


def _sample(name: str, args: Any, kwargs: Any) -> tuple[str, str, float]:
    asked, inputs = program(op_infos()[name].op, args, kwargs)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder) / "op.tflite"
        try:
            model = nobuco.pytorch_to_keras(
                asked,
                _copied(inputs),
                inputs_channel_order=nobuco.ChannelOrder.PYTORCH,
                outputs_channel_order=nobuco.ChannelOrder.PYTORCH,
                verbose=False,
            )
            export_tflite(model, file, sample_inputs=[_array(each) for each in inputs])
        except nobuco.MissingConverterError as error:
            return "no converter", _first_line(error), 0.0
        except (TFLiteExportError, TFLiteMismatchError) as error:
            return "no file", _first_line(error), 0.0
        except nobuco.NobucoError as error:
            return "refused", _first_line(error), 0.0
        except Exception as error:
            return "error", f"{type(error).__name__}: {_first_line(error)}", 0.0
        try:
            made = _run(file, [_array(each) for each in inputs])
        except (RuntimeError, ValueError) as error:
            return "wrong", f"the file does not run: {_first_line(error)}", 0.0
    expected = [_array(each) for each in _tensors(asked(*_copied(inputs)))]
    if [each.shape for each in made] != [each.shape for each in expected]:
        return (
            "wrong",
            f"shapes {[each.shape for each in made]}, PyTorch has {[each.shape for each in expected]}",
            0.0,
        )
    if name in _NOT_FILLED:
        return "right", "", 0.0
    error = max(relative_error(a, b) for a, b in zip(made, expected, strict=True))
    if not error <= TOLERANCE:
        told = not model.report.ok
        return "told" if told else "wrong", f"relative error {error:.1e}", error
    return "right", "", error


def program(op: Any, args: Any, kwargs: Any) -> tuple[Callable[..., Any], list[torch.Tensor]]:
    """The op as a function of the tensors among its arguments, and those."""
    leaves, structure = pytree.tree_flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def called(*tensors: torch.Tensor) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        args, kwargs = pytree.tree_unflatten(filled, structure)
        # no model can return complex numbers in a file, so by their parts
        return pytree.tree_map(_by_parts, op(*args, **kwargs))

    return called, [leaves[place] for place in places]


def _by_parts(leaf: Any) -> Any:
    return (
        torch.view_as_real(leaf.resolve_conj())
        if isinstance(leaf, torch.Tensor) and leaf.is_complex()
        else leaf
    )


def _run(file: Path, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _copied(value: Any) -> Any:
    return pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, value)


def _array(tensor: torch.Tensor) -> np.ndarray:
    """bfloat16, which numpy lacks, as the float32 of the same value."""
    return to_numpy(tensor.float() if tensor.dtype == torch.bfloat16 else tensor)


def _first_line(error: Exception) -> str:
    """What it says, without the places, which are those of this very trial."""
    text = " ".join(str(error).split())
    text = re.sub(r",? ?(?:called \d+ time\(s\))?(?: ?at)? ?File \"[^\"]*\", line \d+", "", text)
    text = re.sub(
        r"^(?:1 call\(s\) whose converters do not take them|no converter for 1 PyTorch function\(s\)): ?",
        "",
        text,
    )
    text = text.partition(" Paste and fill in")[0].partition(": give the call a converter")[0]
    return text[:240]
