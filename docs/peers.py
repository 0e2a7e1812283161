"""What the files of several converters take, as a page. `python docs/peers.py` rewrites it from the records of one
`bench zoo` (`records.jsonl` of its --out), kept in `docs/records/peers.jsonl`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from math import prod
from pathlib import Path

from written_pages import main

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from models_zoo.catalogue import ENTRIES  # noqa: E402
from reports.record import LaunchRecord  # noqa: E402
from reports.store import RecordStore  # noqa: E402

RECORDS, PAGE = ROOT / "docs" / "records" / "peers.jsonl", ROOT / "docs" / "peers.md"
OURS, TUNED = "nobuco", "nobuco:arm"
PEERS = ("litert-torch", "onnx2tf")
_RATIO = 5  # its column
_LEVEL = 1.002  # figures of one file repeat to a thousandth

_HEAD = """\
# Beside other converters

<!-- Written by `python docs/peers.py` from records/peers.jsonl; the tests compare. -->

What float32 files of the same models and weights take, in millions of instructions that an **emulated** Cortex-A76 executes
for one inference (one thread, XNNPACK): no time, without caches and memory bandwidth. Made on {date}, in several runs into
one folder, as by

    bench zoo --models small,{models} \\
        --converter nobuco,nobuco:arm,litert-torch,onnx2tf --device arm-emulated --rounds 1

with litert-torch {litert} and onnx2tf {onnx2tf}, each in an environment of its own, onnx2tf with the options that it asks
for by name where it fails without. Every output was compared with PyTorch's on the emulated machine; a file that is wrong,
or that the device does not run, has no figure; *—* was not measured. `nobuco:arm` is nobuco's file with `target="arm"`.

`ratio` is nobuco's better file over the best file of the others, of those that were measured: **below 1 nobuco's takes
less**. `left` is the number of nodes that XNNPACK leaves to the runtime's own kernels, of nobuco's better file and of the
best other one; `moves` that of TRANSPOSE ops. Those where nobuco is furthest behind come first.

| model | nobuco | :arm | litert-torch | onnx2tf | ratio | moves | left |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def page() -> str:
    records = [each for each in RecordStore(RECORDS).read().records if each.purpose == "figure"]
    newest = {(each.cell.model, each.cell.converter): each for each in records}
    # all that stand here were at least tried with nobuco
    models = list(dict.fromkeys(model for model, name in newest if name in (OURS, TUNED)))
    rows, ratios = [], []
    for model in models:
        found = {name: newest.get((model, name)) for name in (OURS, TUNED, *PEERS)}
        ours, theirs = (best(found[name] for name in names) for names in ((OURS, TUNED), PEERS))
        if ours and theirs:
            ratios.append(minstr(ours) / minstr(theirs))
        rows.append(
            [
                model,
                *(_figure(each) for each in found.values()),
                f"{ratios[-1]:.3f}x" if ours and theirs else "—",
                f"{_transposes(ours)}/{_transposes(theirs)}",
                f"{_left(ours)}/{_left(theirs)}",
            ]
        )
    versions = {each.cell.converter: each.provenance.converter_version for each in records}
    head = _HEAD.format(
        date=min(each.started for each in records)[:10],
        models=",".join(model for model in sorted(models) if ENTRIES[model].group != "small"),
        litert=versions["litert-torch"].partition("+")[0],
        onnx2tf=versions["onnx2tf"].partition("+")[0],
    )
    rows.sort(key=lambda row: (-float(row[_RATIO].rstrip("x")) if row[_RATIO] != "—" else 0, row[0]))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"{head}{table}\n\n{_summary(ratios)}\n{_failures(newest[key] for key in newest if key[0] in models)}"
    )


def _summary(ratios: list[float]) -> str:
    if not ratios:
        return ""
    mean, without = (_mean(each) for each in (ratios, sorted(ratios)[1:] or ratios))
    less = sum(each < 1 / _LEVEL for each in ratios)
    more = sum(each > _LEVEL for each in ratios)
    return (
        f"Of the {len(ratios)} models that another converter has a right file of, nobuco's takes less on {less}, more on "
        f"{more}, and is level (within 0.2 %) on {len(ratios) - less - more}; geometric mean {mean:.3f}x, and "
        f"{without:.3f}x without the best one.\n"
    )


def _mean(ratios: list[float]) -> float:
    return prod(ratios) ** (1 / len(ratios))


def _failures(records: Iterable[LaunchRecord]) -> str:
    lines = [
        f"- {each.cell.model}, {each.cell.converter}: {_reason(each)}"
        for each in records
        if not each.counts or each.accuracy is None or not each.accuracy.right
    ]
    return "\n".join(["No figure:\n", *lines, ""]) if lines else ""


def _reason(record: LaunchRecord) -> str:
    said = record.error or (record.accuracy.fault if record.accuracy else None) or "no outputs"
    said = " ".join(said.replace("|", "/").replace("<", "(").replace(">", ")").replace("](", "] (").split())
    return said if len(said) <= 160 else f"{said[:160]}…"


def best(records: Iterable[LaunchRecord | None]) -> LaunchRecord | None:
    right = [each for each in records if each and each.counts and each.accuracy and each.accuracy.right]
    return min(right, key=minstr, default=None)


def minstr(record: LaunchRecord) -> float:
    assert record.timing is not None and record.emulated
    return record.timing.median / 1e3


def _figure(record: LaunchRecord | None) -> str:
    if record is None:
        return "—"
    if best([record]) is None:
        return "wrong" if record.counts else "failed"
    figure = minstr(record)
    return f"{figure:.3g}" if figure < 1000 else f"{figure:.0f}"


def _transposes(record: LaunchRecord | None) -> str:
    made = record.conversion if record else None
    return "—" if made is None or made.transposes is None else str(made.transposes)


def _left(record: LaunchRecord | None) -> str:
    took = record.delegation if record else None
    if took is None or took.total_nodes is None or took.delegated_nodes is None:
        return "—"
    return str(took.total_nodes - took.delegated_nodes)


if __name__ == "__main__":
    sys.exit(main("python docs/peers.py", __doc__, PAGE, page))
