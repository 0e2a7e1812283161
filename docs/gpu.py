"""What GPU delegates take, as a page. `python docs/gpu.py` rewrites it from the records that `python -m
tests.delegates.survey` and `python -m tests.delegates.confusion --record docs/records/gpu_ops.jsonl` keep."""

from __future__ import annotations

import json
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

MODELS, OPS = (_ROOT / "docs" / "records" / name for name in ("gpu_models.json", "gpu_ops.jsonl"))
PAGE = _ROOT / "docs" / "gpu.md"

_HEAD = """\
# On the GPU

<!-- Written by `python docs/gpu.py` from records/gpu_models.json and records/gpu_ops.jsonl; the tests compare. -->

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
programs. Of several files, it prints a table with a row each. In Python, with the lines of the PyTorch program:

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
delegate's own words. Exit code 0: nothing is wrong; 5: something is. `--fault refused` looks past the worst;
`--delegate xnnpack` and other devices work likewise.

## Export for a GPU

```python
nobuco.export_tflite(keras_model, "model.tflite", target="gpu")
```

writes the same computation from ops of at most four dims: windows, heads, channel and pixel shuffles, norms of groups;
slices that drop no axis; RESHAPE and TILE in place of EXPAND_DIMS, SQUEEZE and BROADCAST_TO; no `adj_y`, which the
classic delegate ignores; constants where both delegates read them as they are meant; `log_softmax` from what there is;
places to gather from in one row (`x[i, j]`; a grid sampled from one picture, for ML Drift, which computes with integers)
([examples/gpu.py](../examples/gpu.py)). What of this costs a CPU nothing is done for every file. The file is compared
with the Keras model on the CPU like any other.

### Branches

No GPU delegate has an IF. A branch on a tensor (`if x.mean() > 0:`, see [Going dynamic](dynamic.md)) becomes both ways and
a SELECT of each result: what is not taken costs its time and nothing else, NaN and infinities on that way do not reach the
result. An op that could fail where its way is not taken (places to gather from that are computed, whole numbers divided by
computed ones, sizes that may not fit) keeps the branch, as do a loop inside it and results whose sizes differ; a warning
names the reason and the line.

## What is taken

Nodes on the GPU out of those of the file, as `check_delegates` says. *WebGPU* is ML Drift itself, on a software Vulkan:
what it took, and the largest error of an output relative to the CPU's ("—": not run here; vit_b_16 takes such a Vulkan
longer than the runtime waits). Of the classic delegate there are forecasts alone. Made by `python -m
tests.delegates.survey`.
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


def _models() -> list[str]:
    record = json.loads(MODELS.read_text(encoding="utf-8"))
    lines = [
        "| model | file | classic | ML Drift | WebGPU | error | left, by either |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, targets in record.items():
        for target, row in targets.items():
            lines.append(_model(name, "default" if target == "cpu" else '`target="gpu"`', row))
    return lines


def _model(name: str, file: str, row: dict[str, Any]) -> str:
    classic, drift, real = row["gpu-opencl"], row["gpu-webgpu"], row.get("webgpu")
    why = sorted({*classic["why"], *drift["why"]})
    ops = ", ".join(dict.fromkeys(each.partition(":")[0] for each in why))
    ran = real is not None and real["nodes"] > 0
    cells = [
        name,
        file,
        _taken(classic),
        _taken(drift),
        f"{real['taken']} of {real['nodes']}" if ran else "—",
        f"{real['error']:.0e}" if ran and real["error"] is not None else "—",
        ops,
    ]
    return f"| {' | '.join(cells)} |"


def _taken(each: dict[str, Any]) -> str:
    wrong = f", {each['wrong']} wrong" if each["wrong"] else ""
    return ("all" if each["on_gpu"] == each["nodes"] else f"{each['on_gpu']} of {each['nodes']}") + wrong


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
    said = (
        f"\nWrong, and not foreseen: {', '.join(f'`{name}`' for name in sorted(missed))}.\n" if missed else ""
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
