"""What files of fewer bits take, as the table of docs/precision.md. `python docs/precision.py` rewrites it from the records
of one `bench zoo` (`records.jsonl` of its --out), kept in `docs/records/precision.jsonl`."""

from __future__ import annotations

import sys
from math import prod

from peers import ROOT, best, minstr
from written_pages import main

from reports.record import LaunchRecord
from reports.store import RecordStore

RECORDS, PAGE = ROOT / "docs" / "records" / "precision.jsonl", ROOT / "docs" / "precision.md"
FEWER = ("fp16", "int8-dynamic", "int8")
PEERS = ("onnx2tf", "litert-torch")
_BEGIN, _END = (
    "<!-- Written by `python docs/precision.py`; the tests compare. -->\n",
    "<!-- As far as that. -->\n",
)


def page() -> str:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    return f"{before}{_BEGIN}{_table()}{_END}{rest.split(_END)[1]}"


def _table() -> str:
    records = [each for each in RecordStore(RECORDS).read().records if each.purpose == "figure"]
    found = {(each.cell.model, each.cell.converter, each.cell.precision): each for each in records}
    models = sorted(
        {model for model, converter, precision in found if (converter, precision) == ("nobuco", "fp32")},
        key=lambda model: -minstr(found[model, "nobuco", "int8"]) / minstr(found[model, "nobuco", "fp32"]),
    )
    ratios: list[list[float | None]] = []
    rows = []
    for model in models:
        whole, fewest = found[model, "nobuco", "fp32"], found[model, "nobuco", "int8"]
        peers = [found.get((model, peer, "int8")) for peer in PEERS]
        ratio = [_over(found.get((model, "nobuco", each)), whole) for each in FEWER]
        ratio += [_over(fewest, peer) for peer in peers]
        ratios.append(ratio)
        cells = [_ratio(each) for each in ratio[: len(FEWER)]]
        cells += [
            _ratio(each) if each else _reason(peer)
            for each, peer in zip(ratio[len(FEWER) :], peers, strict=True)
        ]
        rows.append([model.partition("@")[0], f"{minstr(whole):.3g}", *cells])
    means = [_mean([each for each in column if each]) for column in zip(*ratios, strict=True)]
    rows.append(["geometric mean", "", *map(_ratio, means)])
    head = ["model", "fp32, Minstr", *FEWER, *(f"int8 over {peer}'s" for peer in PEERS)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    versions = {each.cell.converter: each.provenance.converter_version.partition("+")[0] for each in records}
    made = f"Made on {min(each.started for each in records)[:10]}, with " + " and ".join(
        f"{peer} {versions[peer]}" for peer in PEERS
    )
    return f"{made}:\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _over(one: LaunchRecord | None, other: LaunchRecord | None) -> float | None:
    if best([one]) is None or best([other]) is None:
        return None
    assert one is not None and other is not None
    return minstr(one) / minstr(other)


def _ratio(ratio: float | None) -> str:
    return "—" if ratio is None else f"{ratio:.3f}x"


def _reason(record: LaunchRecord | None) -> str:
    if record is None:
        return "—"
    if not record.counts:
        return "not converted" if record.stage == "conversion" else "does not run"
    alike = record.accuracy and record.accuracy.alike
    return "wrong" if alike is None else f"wrong: {100 * alike:.0f}% alike"


def _mean(ratios: list[float]) -> float | None:
    return prod(ratios) ** (1 / len(ratios)) if ratios else None


if __name__ == "__main__":
    sys.exit(main("python docs/precision.py", __doc__, PAGE, page))
