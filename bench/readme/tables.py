"""The published comparison, measured again: three tables from launch records, each figure with where it comes from."""

from collections.abc import Sequence

from bench.readme import smaller
from bench.readme.published import CONVERTERS, PLACES, PUBLISHED
from bench.readme.rows import NO_DEVICE, NOISY, NOT_MEASURED, Found, figure, find, missing, ratio, table
from reports import figures
from reports.record import FLOAT, LaunchRecord
from reports.summary import Group, device_title, summarise

_BASELINE = "onnx-tf"
_HEADINGS = ("", "nobuco", "onnx_tf", "speed-up", "published: nobuco", "onnx_tf", "speed-up")


def belongs(record: LaunchRecord) -> bool:
    """Whether the tables are made from a launch: one thread, the runtime's own choice of cores, our own runner."""
    cell = record.cell
    return (
        record.purpose == "figure"
        and cell.delegate in {place.delegate for place in PLACES}
        and (cell.threads, cell.cores, cell.benchmark_binary) == (1, None, None)
        and (_compared(record) or smaller.belongs(record))
    )


def _compared(record: LaunchRecord) -> bool:
    cell = record.cell
    return (
        cell.model in PUBLISHED
        and cell.converter in CONVERTERS
        and cell.precision == FLOAT
        and record.provenance.weights != smaller.WEIGHTS
    )


def markdown(records: Sequence[LaunchRecord], measured_only: bool = False) -> str:
    """The tables, and below them what was measured when, on what, and how often.

    Args:
        records: Launches, in order of writing; those that do not belong to the tables are left out.
        measured_only: Whether rows without figures are left out.
    """
    records = [record for record in records if belongs(record)]
    compared = [record for record in records if _compared(record)]
    groups = summarise(compared, baseline=_BASELINE)
    reasons: list[str] = []
    parts: list[str] = []
    for model, published in PUBLISHED.items():
        lines: list[list[str]] = []
        for place in PLACES:
            found = find(groups, compared, model, place, lambda cell: cell.converter)
            if found is None and measured_only:
                continue
            theirs = published.get(place.title)
            printed = (theirs.nobuco, theirs.onnx_tf, theirs.speedup) if theirs else (figures.NONE,) * 3
            lines.append([place.title, *_measured(found, missing(records, place), reasons), *printed])
        parts.append("\n".join([f"**{model}**{_sizes(groups, model)}", "", *table(_HEADINGS, lines)]))
    others = [record for record in records if smaller.belongs(record)]
    if others or not measured_only:
        parts.append(smaller.markdown(others, records, reasons))
    return "\n\n".join([*parts, _notes(compared, others, reasons, "\n".join(parts))]) + "\n"


def _measured(found: Found | None, missing: str, reasons: list[str]) -> tuple[str, str, str]:
    """Both figures and their ratio; the reason of one that failed is added to `reasons`, and its number to the cell."""
    ours, theirs = (found.rows.get(converter) if found else None for converter in CONVERTERS)
    speedup = ours.speedup if ours else None
    return (
        figure(ours, missing, reasons),
        figure(theirs, missing, reasons),
        ratio(speedup, bool(ours) and not ours.proven),
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
    compared: Sequence[LaunchRecord], others: Sequence[LaunchRecord], reasons: Sequence[str], tables: str
) -> str:
    lines = [f"- {each}" for each in _origins(compared)]
    # They may be from another day, and another machine of the same name.
    lines += [f"- Files of fewer bits, {each}" for each in _origins(others)]
    lines += [f"- <sup>{number}</sup> FAIL: {reason}" for number, reason in enumerate(reasons, start=1)]
    lines += [
        "- ms: median of the launches' medians, with its 95 % interval in brackets; one process a launch, one thread.",
        "- Minstr (emulated): millions of executed instructions in an emulated Arm machine: no time, without caches and "
        "memory bandwidth. A speed-up beside them is a ratio of instructions.",
        "- Published: the figures of nobuco's original README, on its author's devices.",
    ]
    if f"| {NOISY} " in tables:
        lines.append(
            f"- {NOISY}: the launches were noisy (they scatter, drift or lie far apart), so the figure proves nothing; the "
            "interval says less than it seems to."
        )
    if smaller.HEADING in tables:
        lines.append(smaller.NOTE)
    if NOT_MEASURED in tables:
        lines.append(f"- {NOT_MEASURED}: there is a device for it, but no record of a launch yet.")
    if NO_DEVICE in tables:
        lines.append(
            f"- {NO_DEVICE}: none was attached; nothing is guessed. With a phone on adb, `bench readme` fills the row.",
        )
    return "\n".join(lines)


def _origins(records: Sequence[LaunchRecord]) -> list[str]:
    return [_origin(group, records) for group in summarise(records, baseline=_BASELINE)]


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
