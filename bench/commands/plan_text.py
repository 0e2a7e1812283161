"""What `bench zoo --dry-run` prints: counts, sizes and times, whatever the number of cells."""

from bench.progress import duration
from bench.run.options import ZooOptions
from bench.run.planning import PlannedDevice, ZooPlan, without_a_way
from reports.figures import plural
from reports.record import FLOAT

_NAMED = 6


def described(planned: ZooPlan, options: ZooOptions) -> str:
    """A line a subject; every problem has one of its own."""
    models = list(dict.fromkeys(c.model for c in planned.conversions))
    lines = [
        ("models", f"{len(models)}: {_few(models)}"),
        ("converters", ", ".join(options.converters)),
        *([("precisions", ", ".join(options.precisions))] if options.precisions != (FLOAT,) else []),
        *(("left out", line) for line in without_a_way(options)),
    ]
    for environment in planned.environments:
        state = "installed" if environment.installed else "to be installed, once: some minutes, 1 to 2 GB"
        lines.append(("environment", f"{environment.name}: {environment.problem or state}"))
    lines.append(("conversions", _conversions(planned)))
    lines += [("device", _device(device, planned, options)) for device in planned.devices]
    if options.profile:
        lines.append(
            (
                "profiles",
                "each cell with a figure, once; with XNNPACK a file of nobuco's once more without it",
            )
        )
    if options.sustained is not None:
        lines.append(("sustained", f"{options.sustained:g} min on each device, all cells in turns"))
    lines += [("problem", problem) for problem in planned.problems]
    return "\n".join(f"{subject:12} {text}" for subject, text in lines)


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown}, ... ({len(names) - _NAMED} more)"


def _conversions(planned: ZooPlan) -> str:
    made = sum(c.made for c in planned.conversions)
    failed = sum(c.failed for c in planned.conversions)
    missing = len(planned.conversions) - made - failed
    parts = [f"{len(planned.conversions)} in all", f"{made} there already"]
    if failed:
        parts.append(f"{failed} failed earlier and not tried again without --retry-failed")
    if missing:
        size = f"about {_size(planned.weight_bytes)}, " if planned.weight_bytes else ""
        parts.append(f"{missing} to be made ({size}about {duration(planned.conversion_seconds)})")
    return ", ".join(parts)


def _device(device: PlannedDevice, planned: ZooPlan, options: ZooOptions) -> str:
    cells = sum(cell.device == device.name for cell in planned.cells)
    where = f"{', '.join(options.delegates)}; threads {', '.join(map(str, options.threads))}"
    where += "" if options.chosen_cores is None else f"; cores {options.cores}"
    left = device.launches - device.done
    text = f"{device.name}: {where}: {plural(cells, 'cell')}, up to {plural(device.rounds, 'launch', 'launches')} each"
    text += f", {device.done} done, {left} left"
    if device.seconds is not None and left:
        text += f", about {duration(device.seconds)}"
    elif left:
        text += ", minutes a launch for a large model: it is emulated"
    return text


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e9:.1f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.0f} MB"
