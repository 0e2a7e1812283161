"""What TensorFlow and its runtime say when they fail, in one sentence that names the PyTorch call; the rest is logged."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nobuco.keras_model.messages import nodes_in_graph, reason_in_graph, said_by
from nobuco.keras_model.origins import Origin
from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.inspection import TFLiteOp
from nobuco.tflite.lowering import Impossible
from nobuco.tflite.origins import distinct, layers_in
from nobuco.tflite.signature import TracedModel

_log = logging.getLogger("nobuco")

Layers = Mapping[str, Origin]  # where each Keras layer comes from, by the layer's name

_DTYPES = {"bf16": "bfloat16", "f16": "float16", "f64": "float64"}
_WRITE_ONE = "give the call a converter of your own that uses other ops (see nobuco.converter)"


def refused(error: Exception, model: TracedModel, layers: Layers, allow_flex: bool) -> TFLiteExportError:
    """Of TFLite's converter."""
    text = str(error)
    _log.debug("TFLite's converter said: %s", text)
    flex = re.search(r"^TF Select ops: (.+)$", text, re.MULTILINE)
    custom = re.search(r"^Custom ops: (.+)$", text, re.MULTILINE)
    forms = re.findall(r"^\ttf\.(\w+)(\(.*?\)) -> ", text, re.MULTILINE)
    other = re.search(r"tensor<(?:[\d?]+x)*(bf16|f16|f64)>", str(forms))
    if other and (flex or custom):
        made_of = _made_of(forms, model, layers)
        return TFLiteExportError(
            f"the model computes in {_DTYPES[other[1]]}, for which TFLite lacks ops{made_of}: convert model.float(), with "
            "inputs in float32"
        )
    if custom:
        forms = [each for each in forms if each[0] in custom[1].split(", ")]
        return TFLiteExportError(
            f"neither TFLite nor TensorFlow's Flex delegate has an op for {custom[1]}{_made_of(forms, model, layers)}: "
            f"{_WRITE_ONE}"
        )
    if flex and not allow_flex:
        return TFLiteExportError(
            f"TFLite has no op for {flex[1]}{_made_of(forms, model, layers)}: {_WRITE_ONE}, or give allow_flex=True for a "
            "file that only runtimes with the Flex delegate can run"
        )
    if "element_shape to be static" in text:
        return TFLiteExportError(
            "TFLite runs a loop over a sequence (an LSTM, say) only where all other sizes are known"
            f"{_made_of([('TensorListReserve', '')], model, layers)}: convert the model with a fixed batch size"
        )
    ops = re.findall(r"'tfl?\.(\w+)' op|see current operation: .*?\"tfl?\.(\w+)\"(\([^)]*\))?", text)
    made_of = _made_of([(a or b, "") for a, b, _ in ops], model, layers)
    said = re.search(r"error: (.+)", text)
    reason = said[1] if said else text.strip().partition("\n")[0]
    return TFLiteExportError(
        f"TFLite's converter refused the model{made_of}, saying {_short(reason)!r}: {_WRITE_ONE}"
    )


def narrowed(model: TracedModel, layers: Layers) -> str:
    """Of what the file computes with fewer digits than the model."""
    return (
        "the model computes in float64, for which TFLite lacks ops: the .tflite file computes in float32"
        f"{_at(_origins(model.narrowed, layers))}"
    )


def branches_kept(model: TracedModel, layers: Layers) -> str:
    """Of branches in a file for a GPU."""
    found = [f"{reason}{_at(_origins([name], layers))}" for name, reason in model.branches_kept]
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return (
        f"the file branches, and no GPU delegate takes an IF: both ways cannot be computed and one chosen, because "
        f"{'; '.join(found[:3])}{more}"
    )


def not_expressed(error: Impossible, layers: Layers) -> TFLiteExportError:
    """Of our own rules for what TFLite lacks."""
    if not error.op_type:
        return TFLiteExportError(str(error))
    return TFLiteExportError(
        f"TFLite has no op for {error.op_type}{_at(_origins([error.op_name], layers))}, and it cannot be made of others "
        f"here: {error}"
    )


def not_traced(error: Exception) -> TFLiteExportError:
    """Of TensorFlow, asked for the model as a graph."""
    _log.debug("TensorFlow could not trace the model", exc_info=error)
    return TFLiteExportError(
        f"the Keras model cannot be traced as a TensorFlow graph, which a .tflite file is made of: {_short(said_by(error))}"
    )


def not_run_by_keras(
    error: Exception, inputs: Sequence[Any], layers: Layers, resized: bool
) -> TFLiteExportError:
    """Of the model that the file was made from, run on `inputs`, of which some sizes are not known (`resized`)."""
    _log.debug("the Keras model failed", exc_info=error)
    text = str(error)
    origins = _origins(nodes_in_graph(text), layers)
    return TFLiteExportError(
        f"the Keras model does not run on inputs of shape {_shapes(inputs)}: "
        f"{_listed(origins, ': ')}{_short(reason_in_graph(text))}; "
        "give sample_inputs of sizes and values that the PyTorch model takes"
        + (
            ", or, where it takes these, convert with trace_shape=True: sizes that Python read from `tensor.shape` stay as "
            "they were in the traced run"
        )
        * resized
    )


def not_run(error: Exception, row: TFLiteOp | None, given: str, inputs: Sequence[Any]) -> TFLiteExportError:
    """Of the interpreter, on `inputs`, at the op in `row` that was `given` tensors of these shapes, where that is known."""
    _log.debug("the LiteRT interpreter failed", exc_info=error)
    reason = re.sub(r"Node number \d+ \(\w+\) failed to \w+\.?", "", str(error))
    reason = re.sub(r"\S+\.(?:cc|h):\d+ ?", "", reason).strip()
    what = f"; its {row.op}{_at(row.origins)}, given {given}, failed" if row is not None else ""
    return TFLiteExportError(
        f"the .tflite model does not run on inputs of shape {_shapes(inputs)}{what}"
        f"{f': {_short(reason)}' if reason else ''}; give sample_inputs of sizes that the PyTorch model takes, or, where it "
        "takes these, fix the sizes in input_shapes"
    )


def not_delegated(error: Exception, rows: Sequence[TFLiteOp], inputs: Sequence[Any]) -> TFLiteExportError:
    """Of XNNPACK alone, on `inputs`; TFLite's own kernels run the file, whose ops are `rows`."""
    _log.debug("XNNPACK failed", exc_info=error)
    named = [
        rows[int(number)]
        for op, number in re.findall(r"failed to delegate (\w+) node #(\d+)", str(error))
        if int(number) < len(rows) and rows[int(number)].op == op
    ]
    more = f" and {len(named) - 1} more" if len(named) > 1 else ""
    what = f" on its {named[0].op}{_at(named[0].origins)}{more}" if named else f": {_short(str(error))}"
    return TFLiteExportError(
        f"the .tflite model runs on inputs of shape {_shapes(inputs)}, but not with XNNPACK, the delegate that runtimes use "
        f"unless they are told not to: it fails{what}; give the call tensors of fewer dims, or a converter of your own that "
        "uses other ops (see nobuco.converter)"
    )


def _made_of(forms: Iterable[tuple[str, str]], model: TracedModel, layers: Layers) -> str:
    """Which calls became TensorFlow ops of these names, with the types of the tensors that the ops take."""
    forms = list(dict.fromkeys(forms))
    types = ", ".join(f"tf.{name}{given}" for name, given in forms[:3] if given)
    graph = model.traced.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    names = [node.name for node in nodes if node.op in {name for name, _ in forms}]
    return f"{_at(_origins(names, layers))}{f' ({types})' if types else ''}"


def _origins(names: Iterable[str], layers: Layers) -> list[Origin]:
    return list(distinct(origin for name in names for origin in layers_in(name, layers)))


def _at(origins: Sequence[Origin]) -> str:
    return f", made of {_listed(origins)}" if origins else ""


def _listed(origins: Sequence[Origin], end: str = "") -> str:
    if not origins:
        return ""
    more = f" and {len(origins) - 3} more" if len(origins) > 3 else ""
    return f"{'; '.join(map(str, origins[:3]))}{more}{end}"


def _shapes(arrays: Sequence[Any]) -> str:
    return " and ".join(str(tuple(array.shape)) for array in arrays)


def _short(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= 300 else text[:297] + "..."
