"""The published comparison, measured again: three tables from launch records, each figure with where it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.readme.published import CONVERTERS, PLACES, PUBLISHED, X86_ABIS, Place
from reports import figures
from reports.record import LaunchRecord
from reports.summary import Group, Row, device_title, summarise

NO_DEVICE = "no device"
NOT_MEASURED = "not measured"
_BASELINE = "onnx-tf"
_HEADINGS = ("", "nobuco", "onnx_tf", "speed-up", "published: nobuco", "onnx_tf", "speed-up")


@dataclass(frozen=True)
class _Found:
    """What was measured of one row of one table: by converter."""

    group: Group
    rows: dict[str, Row]


def belongs(record: LaunchRecord) -> bool:
    """Whether a launch is part of the comparison: one thread, the runtime's own choice of cores, our own runner."""
    cell = record.cell
    return (
        record.purpose == "figure"
        and cell.model in PUBLISHED
        and cell.converter in CONVERTERS
        and cell.delegate in {place.delegate for place in PLACES}
        and (cell.threads, cell.cores, cell.benchmark_binary) == (1, None, None)
    )


def markdown(records: Sequence[LaunchRecord], measured_only: bool = False) -> str:
    """The tables, and below them what was measured when, on what, and how often.

    Args:
        records: Launches, in order of writing; those that do not belong to the comparison are left out.
        measured_only: Whether rows without figures are left out.
    """
    records = [record for record in records if belongs(record)]
    groups = summarise(records, baseline=_BASELINE)
    reasons: list[str] = []
    parts: list[str] = []
    for model, published in PUBLISHED.items():
        lines = [f"**{model}**{_sizes(groups, model)}", "", _line(_HEADINGS)]
        lines.append(_line(["---", *["---:"] * (len(_HEADINGS) - 1)]))
        for place in PLACES:
            found = _find(groups, records, model, place)
            if found is None and measured_only:
                continue
            theirs = published.get(place.title)
            printed = (theirs.nobuco, theirs.onnx_tf, theirs.speedup) if theirs else (figures.NONE,) * 3
            missing = NOT_MEASURED if _has_device(records, place) else NO_DEVICE
            lines.append(_line([place.title, *_measured(found, missing, reasons), *printed]))
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, _notes(groups, records, reasons, "\n".join(parts))]) + "\n"


def _has_device(records: Sequence[LaunchRecord], place: Place) -> bool:
    """Whether a device that can fill the row was there: this machine always is; others are known by their records."""
    return place.abis == X86_ABIS or any(
        record.device_info.get("abi") in place.abis
        and place.delegate in record.device_info.get("delegates", (record.cell.delegate,))
        for record in records
    )


def _find(
    groups: Sequence[Group], records: Sequence[LaunchRecord], model: str, place: Place
) -> _Found | None:
    """The cells of a row: those of a real device before those of an emulated one, the newest before older ones."""
    newest = {record.cell.device: position for position, record in enumerate(records)}
    abis = {record.cell.device: record.device_info.get("abi") for record in records}
    candidates = [
        _Found(group, rows)
        for group in groups
        if group.delegate == place.delegate and abis[group.device] in place.abis
        if (rows := {row.cell.converter: row for row in group.rows if row.cell.model == model})
    ]
    best = sorted(candidates, key=lambda f: (not f.group.emulated, newest[f.group.device]))
    return best[-1] if best else None


def _measured(found: _Found | None, missing: str, reasons: list[str]) -> tuple[str, str, str]:
    """Both figures and their ratio; the reason of one that failed is added to `reasons`, and its number to the cell."""
    ours, theirs = (found.rows.get(converter) if found else None for converter in CONVERTERS)
    speedup = ours.speedup if ours else None
    return (
        _figure(ours, missing, reasons),
        _figure(theirs, missing, reasons),
        figures.with_interval(speedup, "x"),
    )


def _figure(row: Row | None, missing: str, reasons: list[str]) -> str:
    if row is None:
        return missing
    if row.latency is None:
        where = f"{row.cell.device}, {row.cell.delegate}, {row.cell.model}, {row.cell.converter}"
        reasons.append(f"{where}: {' '.join((row.reason or 'no reason given').split())}")
        return f"FAIL <sup>{len(reasons)}</sup>"
    if row.emulated:
        return figures.with_interval(row.latency, " Minstr (emulated)")
    if row.latency.value < 1000:
        return figures.with_interval(row.latency, " ms")
    low, high = (bound and bound / 1000 for bound in (row.latency.low, row.latency.high))
    return figures.with_interval(
        replace(row.latency, value=row.latency.value / 1000, low=low, high=high), " s"
    )


def _sizes(groups: Sequence[Group], model: str) -> str:
    """` (nobuco 21.9 MB, onnx_tf 26.8 MB)`, of the files that were measured."""
    sizes = {
        row.cell.converter: row.conversion.size_bytes
        for group in groups
        for row in group.rows
        if row.cell.model == model and row.conversion.size_bytes is not None
    }
    told = [f"{c.replace('-', '_')} {figures.megabytes(sizes[c])} MB" for c in CONVERTERS if c in sizes]
    return f" ({', '.join(told)})" if told else ""


def _notes(
    groups: Sequence[Group], records: Sequence[LaunchRecord], reasons: Sequence[str], tables: str
) -> str:
    lines = [f"- {_origin(group, records)}" for group in groups]
    lines += [f"- <sup>{number}</sup> FAIL: {reason}" for number, reason in enumerate(reasons, start=1)]
    lines += [
        "- ms: median of the launches' medians, with its 95 % interval in brackets; one process a launch, one thread.",
        "- Minstr (emulated): millions of executed instructions in an emulated Arm machine: no time, without caches and "
        "memory bandwidth. A speed-up beside them is a ratio of instructions.",
        "- Published: the figures of nobuco's original README, on its author's devices.",
    ]
    if NOT_MEASURED in tables:
        lines.insert(-1, f"- {NOT_MEASURED}: there is a device for it, but no record of a launch yet.")
    if NO_DEVICE in tables:
        lines.insert(
            -1,
            f"- {NO_DEVICE}: none was attached; nothing is guessed. With a phone on adb, `bench readme` fills the row.",
        )
    return "\n".join(lines)


def _origin(group: Group, records: Sequence[LaunchRecord]) -> str:
    """`host (AMD EPYC), xnnpack: 2026-11-25, 12 launches each`, and the load where it disturbed."""
    place = (group.device, group.delegate)
    own = [record for record in records if (record.cell.device, record.cell.delegate) == place]
    days = sorted({record.started[:10] for record in own})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    launches = figures.launches_of([row.latency.n for row in group.rows if row.latency])
    text = f"{device_title(own[-1])}, {group.delegate}: {span}, {launches}"
    cores = own[-1].device_info.get("cores")
    loads = [load for record in own if (load := record.state_before.get("load_1min")) is not None]
    if not group.emulated and cores and loads and max(loads) > cores:
        text += (
            f"; the machine was busy (load up to {max(loads):.1f} on {cores} cores), so intervals are wide"
        )
    return text


def _line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
