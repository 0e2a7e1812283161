"""What GPU delegates take, as a page. `python docs/gpu.py` rewrites it from the records that `python -m
tests.delegates.survey` and `python -m tests.delegates.confusion --record docs/records/gpu_ops.jsonl` keep."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from written_pages import main

_ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(_ROOT))  # for the tables of rules, and for what a forecast is worth

from nobuco.delegates.check import DELEGATES  # noqa: E402
from nobuco.delegates.rule import Breach  # noqa: E402
from tests.delegates.confusion import verdict  # noqa: E402

MODELS, OPS = (_ROOT / "docs" / "records" / name for name in ("gpu_models.jsonl", "gpu_ops.jsonl"))
PAGE = _ROOT / "docs" / "gpu.md"

_HEAD = """\
# On the GPU

<!-- Written by `python docs/gpu.py` from records/gpu_models.jsonl and records/gpu_ops.jsonl; the tests compare. -->

Two delegates run `.tflite` files on GPUs: the **classic** one (OpenCL; `benchmark_model --use_gpu`, bench's `gpu-opencl`)
and **ML Drift**, that of LiteRT 2.x (OpenCL, Metal, Vulkan, WebGPU; bench's `gpu-webgpu`). What they do not take stays on
the CPU, and each way there and back costs more than most ops; a file that ML Drift may not leave to the CPU in part fails
as a whole. Worse than what they refuse is what they take and compute wrongly, without a word.

## Ask before you measure

    bench lint model.tflite

says for both delegates how many nodes run on the GPU and in how many parts; then for each kind of node that is left why,
where it stands in the PyTorch program, and what to do about it; then which nodes are known to be computed wrongly, and
which are at risk in half precision. No GPU is needed. Exit code 5 says that a delegate does not take all of it, or
computes some of it wrongly. `--node-data FILE` writes the verdicts for Model Explorer to lay over the graph, `--json` for
programs. Of several files, it prints a table with a row each. A file whose batch alone is open is judged at batch 1, as
runtimes take it until they are told otherwise. In Python, with the lines of the PyTorch program:

```python
for check in nobuco.check_delegates("model.tflite", keras_model):
    print(check)
```

A verdict is *taken*, *refused* (the node stays on the CPU), *fails* (the node is accepted, and then the delegate as a
whole fails when it starts) or *unknown*: neither the delegate's source nor a trial says. Unknown is never a guess; it
counts as refused.

## Cut down what goes wrong

    bench bisect model.tflite --delegate gpu-webgpu

runs the file on a device, and where the delegate fails, computes something else than the CPU (its own kernels, no delegate)
or refuses a part, finds the fewest ops that show it: without any one of them nothing is wrong. Parts are run on the values
that the CPU computes where they stand in the whole, of noise or of `--input`. The part becomes a file of its own, with its
inputs and what the CPU makes of them beside it as `.npz`, and what is printed can be pasted into a bug report: runtime,
device, ops with their shapes and PyTorch lines (where `origins.json`, which bench keeps, lies beside the file), the
delegate's own words. Of files with integers, what rounding in another order explains is not wrong: two steps of a tensor's
scale for one op, more by the root of their number where several round one after the other. Exit code 0: nothing is wrong;
5: something is. `--fault refused` looks past the worst;
`--delegate xnnpack` and other devices work likewise.

## Export for a GPU

```python
nobuco.export_tflite(keras_model, "model.tflite", target="gpu")
```

writes the same computation from ops of at most four dims: windows, heads, channel and pixel shuffles, norms of groups;
slices that drop no axis; RESHAPE and TILE in place of EXPAND_DIMS, SQUEEZE and BROADCAST_TO; no `adj_x` and `adj_y`, which
the classic delegate ignores, nor transposes that TFLite's converter would make them of; constants where both delegates read
them as they are meant; `log_softmax` from what there is; places to gather from in one row (`x[i, j]`; a grid sampled
from one picture, for ML Drift, which computes with integers) ([examples/gpu.py](../examples/gpu.py)). What of this costs a
CPU nothing is done for every file. The file is compared with the Keras model on the CPU like any other.

What it cannot change is the model's own inputs and outputs: a clip `(B, T, H, W, C)` is a tensor of five dims, which no GPU
delegate takes. Give such a model the frames as channels, or side by side, in four dims, and let it reshape them first.

### Branches

No GPU delegate has an IF. A branch on a tensor (`if x.mean() > 0:`, see [Going dynamic](dynamic.md)) becomes both ways and
a SELECT of each result: what is not taken costs its time and nothing else, NaN and infinities on that way do not reach the
result. An op that could fail where its way is not taken (places to gather from that are computed, whole numbers divided by
computed ones, sizes that may not fit) keeps the branch, as do a loop inside it and results whose sizes differ; a warning
names the reason and the line.

## Composites

A composite is an op with a name, attributes and the ops that it stands for. ML Drift's sources know `odml.group_norm`,
`odml.rms_norm` and `odml.scaled_dot_product_attention`. nobuco writes none. Tried with ai-edge-litert 2.3.0, files with one
composite each (`python -m tests.delegates.composites`):

| run with | group norm, RMS norm | attention | a name of nobody's |
| --- | --- | --- | --- |
| the runtime's kernels | right: it runs the ops inside | right | right |
| XNNPACK | right: it runs the ops inside | computed otherwise: error 1.4 with a mask, 1.5 without | right |
| ML Drift, WebGPU | the process ends, SIGSEGV in libLiteRtWebGpuAccelerator.so | the same | refused, by its name |

The process ends likewise where a composite stands between other ops, where all attributes are given, and on files that
litert-torch's own `StableHLOCompositeBuilder` made of the three. The classic delegate has no such op. The plain ops are
taken by both delegates, so there is nothing to gain until a runtime takes a composite and computes it rightly.

## What is taken

Nodes on the GPU out of those of the file, as `check_delegates` says, of nobuco's files (by default, and with `target="gpu"`)
and of those that litert-torch 0.10.0 and onnx2tf 1.29.24 make of the same models and weights. `@64` is the size of the
images: the ops are those of the usual size, and a Vulkan in software is slow. *n wrong*: nodes that the delegate is known to
compute wrongly; *wrong file*: its outputs are not PyTorch's on the CPU either; *failed*: the converter made no file, for the
reason below; *—*: not tried. Made by `python -m tests.delegates.survey`; `bench convert --models ... --converter
nobuco,nobuco:gpu,litert-torch,onnx2tf` makes the same files of your models, with these columns.
"""

_OUTPUTS = """\
## Their outputs on WebGPU

ML Drift itself, on a software Vulkan: the largest error of an output, relative to the largest number of PyTorch's. bench's
`gpu-webgpu` asks the delegate for full precision, `gpu-webgpu-fp16` for half. Of the files above that are forecast to be
taken whole, and rightly; where fewer nodes were taken than forecast the cell says so.

**In half precision some convolutions come out as other numbers altogether**: those of 3x3, stride 1, from 64 channels and
more to as many, over 32 tiles of 4x4 and more, as in vgg11 and maxvit_t below. Smaller ones, and any in full precision, are
right, whichever converter made the file. `bench lint` names them as at risk. Whether phones do so was not tried: a software
Vulkan is no phone, and `bench zoo --delegate gpu-opencl-fp16` compares every output with PyTorch's.

| model | default | `target="gpu"` | litert-torch | onnx2tf | default, half | `target="gpu"`, half |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
"""

_FORECASTS = """\
## Forecasts held against the delegate

{count} entries of PyTorch's op table, each exported with `target="gpu"` from one of PyTorch's own samples with all its
tensors as inputs, were run on WebGPU here. A forecast is right where it names as many nodes as are taken. Made by `python
-m tests.delegates.confusion`.

| forecast, outcome | files |
| --- | ---: |
"""


def page() -> str:
    return "\n".join([_HEAD, *_models(), "", _forecasts(), *_rules()]) + "\n"


_FILES = {
    "nobuco": "default",
    "nobuco:gpu": '`target="gpu"`',
    "litert-torch": "litert-torch",
    "onnx2tf": "onnx2tf",
}
_FULL, _HALF = "gpu-webgpu", "gpu-webgpu-fp16"
_Rows = dict[str, dict[str, dict[str, Any]]]


def _record() -> _Rows:
    """By model and converter."""
    found: _Rows = {}
    for line in MODELS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name = row["model"]
        found.setdefault(name, {})[row["converter"]] = row
    return found


def _models() -> list[str]:
    record = _record()
    heads = [f"{delegate}, {file}" for delegate in ("classic", "ML Drift") for file in _FILES.values()]
    lines = [f"| model | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for name, files in record.items():
        cells = [
            _taken(files.get(each), delegate) for delegate in ("gpu-opencl", "gpu-webgpu") for each in _FILES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, "", *_left(record), "", *_failures(record), "", *_outputs(record)]


def _taken(row: dict[str, Any] | None, delegate: str) -> str:
    if row is None:
        return "—"
    if delegate not in row["forecasts"]:
        return "failed"
    each = row["forecasts"][delegate]
    if each["error"]:
        return "no forecast"
    wrong = f", {each['wrong']} wrong" if each["wrong"] else ""
    said = "all" if each["taken"] == each["nodes"] else f"{each['taken']} of {each['nodes']}"
    return said + wrong + (", wrong file" if row["failed"] else "")


def _left(record: _Rows) -> list[str]:
    """What of the files made for a GPU is not taken."""
    lines = []
    for name, files in record.items():
        for delegate, title in (("gpu-opencl", "classic"), ("gpu-webgpu", "ML Drift")):
            each = files.get("nobuco:gpu", {"forecasts": {}})["forecasts"].get(delegate)
            if each and (each["refused"] or each["wrong"]):
                kinds = ", ".join(f"{kind} ({count})" for kind, count in each["refused"].items())
                lines.append(f"- {name}, {title}: {kinds}")
    return ['Left of the files made with `target="gpu"`, op by op, with the rule that it breaks:', "", *lines]


def _failures(record: _Rows) -> list[str]:
    lines = [
        f"- {name}, {converter}: {_shortened(row['failed'])}"
        for name, files in record.items()
        for converter, row in files.items()
        if row["failed"]
    ]
    return ["No file, or a wrong one:", "", *lines]


def _shortened(text: str) -> str:
    text = text.replace("|", "/").replace("<", "(").replace(">", ")").partition(" (log")[0]
    text = re.sub(r"/\S*/(?=models_zoo/)", "", text)  # where the repository lay
    return f"{text[:150].rstrip()}…" if len(text) > 150 else text


def _outputs(record: _Rows) -> list[str]:
    columns = [*((each, _FULL) for each in _FILES), ("nobuco", _HALF), ("nobuco:gpu", _HALF)]
    lines = []
    for name, files in record.items():
        cells = [_error(files.get(converter, {}).get("webgpu", {}).get(way)) for converter, way in columns]
        if set(cells) != {"—"}:
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return [_OUTPUTS + "\n".join(lines)]


def _error(ran: dict[str, Any] | None) -> str:
    if ran is None:
        return "—"
    if ran["error"] is None:
        return _shortened(ran["failed"] or "no outputs")[:40]
    part = "" if ran["taken"] == ran["nodes"] else f" ({ran['taken']} of {ran['nodes']} nodes)"
    return f"{ran['error']:.0e}{part}"


def _forecasts() -> str:
    rows = [json.loads(line) for line in OPS.read_text(encoding="utf-8").splitlines()]
    ran = [row for row in rows if verdict(row) != "not run"]
    counts = Counter(verdict(row) for row in ran)
    table = "\n".join(f"| {said} | {count} |" for said, count in counts.most_common())
    numbers = Counter(
        ("forecast right" if row["right"] else "forecast wrong", "right" if row["error"] < 1e-3 else "wrong")
        for row in ran
        if row["error"] is not None
    )
    found = "\n".join(f"| {a}, {b} | {count} |" for (a, b), count in numbers.most_common())
    missed = [
        row["name"] for row in ran if row["error"] is not None and row["error"] >= 1e-3 and row["right"]
    ]
    unfounded = [
        row["name"] for row in ran if row["error"] is not None and row["error"] < 1e-3 and not row["right"]
    ]
    said = "".join(
        f"\n{what}: {', '.join(f'`{name}`' for name in sorted(names))}.\n"
        for what, names in (
            ("Wrong, and not foreseen", missed),
            ("Right, where it was foreseen wrong", unfounded),
        )
        if names
    )
    head = _FORECASTS.format(count=len(ran))
    return f"{head}{table}\n\n| numbers | files |\n| --- | ---: |\n{found}\n{said}"


_BREACHES = {Breach.REFUSED: "refused", Breach.FATAL: "fails", Breach.UNKNOWN: "unknown"}


def _rules() -> list[str]:
    lines = []
    for delegate in DELEGATES.values():
        lines += [
            f"## Rules: {delegate.title}\n",
            f"Runtime: {delegate.runtime}. It has {len(delegate.versions)} ops; others are refused, and so are versions "
            "of an op that are newer than it knows.\n",
            "| what | where broken | ops | what to do | source |",
            "| --- | --- | --- | --- | --- |",
        ]
        for rule in delegate.rules:
            lines.append(_rule(rule.name, _BREACHES[rule.breach], rule))
        for caution in delegate.cautions:
            lines.append(_rule(caution.name, "wrong" if caution.wrong else "at risk", caution))
        lines.append("")
    return lines


def _rule(name: str, said: str, rule: Any) -> str:
    ops = (
        ", ".join(rule.ops)
        if len(rule.ops) <= 6
        else f"{', '.join(rule.ops[:5])} and {len(rule.ops) - 5} more"
    )
    return f"| {name} | {said} | {ops or 'all'} | {rule.mend} | {rule.source} |"


if __name__ == "__main__":
    sys.exit(main("python docs/gpu.py", __doc__, PAGE, page))
